"""Exports real architectures with random weights and compares what `deepinside trace` computes with ONNX Runtime and PyTorch.

    python benches/peers/zoo.py [--only PART]... [--limit N] [--results zoo.jsonl] [--binary target/release/deepinside]

Each architecture of torchvision, timm and transformers is exported by both exporters of PyTorch at operator set 18, twelve of them at 17,
18, 20 and 23 too; Keras' applications by Keras' own export. A result is one line of JSON: scores against ONNX Runtime's (largest
difference over the largest score), the gradient of a weighted sum of the scores against PyTorch's in double precision (relative L2), and
PyTorch's own error in single precision beside it. Architectures with a line are not run again, so that a run of hours can be stopped and
continued. At the end, or with --report alone, docs/zoo.md is written.
"""

import argparse
import json
import logging
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np

ROOT = pathlib.Path(__file__).parents[2]
OPERATOR_SETS = (17, 18, 20, 23)

TORCHVISION = """alexnet convnext_tiny convnext_base densenet121 densenet201 efficientnet_b0 efficientnet_b4 efficientnet_v2_s googlenet
inception_v3 maxvit_t mnasnet0_5 mnasnet1_0 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small regnet_x_400mf regnet_y_400mf
resnet18 resnet50 resnext50_32x4d shufflenet_v2_x0_5 shufflenet_v2_x1_0 squeezenet1_0 squeezenet1_1 swin_t swin_v2_t vgg11 vgg16_bn
vit_b_32 wide_resnet50_2""".split()
TIMM = """beit_base_patch16_224 caformer_s18 cait_xxs24_224 coat_lite_tiny coatnet_0_rw_224 convit_tiny convmixer_768_32 convnextv2_atto
crossvit_tiny_240 cspdarknet53 cspresnet50 darknet53 davit_tiny deit3_small_patch16_224 deit_tiny_distilled_patch16_224
deit_tiny_patch16_224 dla34 dpn68 eca_resnet33ts edgenext_xx_small efficientformer_l1 efficientformerv2_s0 efficientnet_lite0
efficientvit_b0 efficientvit_m0 eva02_tiny_patch14_224 fastvit_t8 fbnetv3_b focalnet_tiny_srf gcresnet33ts gcvit_xxtiny gernet_s
ghostnet_100 ghostnetv2_100 gmlp_s16_224 halonet26t hardcorenas_a hgnetv2_b0 hrnet_w18_small inception_next_tiny lambda_resnet26t
lcnet_050 levit_128s maxvit_tiny_rw_224 mixer_s32_224 mixnet_s mobilenetv4_conv_small mobileone_s0 mobilevit_xxs mobilevitv2_050
mvitv2_tiny nextvit_small nf_resnet50 nfnet_l0 pit_ti_224 poolformer_s12 pvt_v2_b0 regnety_002 repvgg_a0 repvit_m1 res2net50_26w_4s
resmlp_12_224 resnest14d resnetv2_50x1_bit rexnet_100 selecsls42b sequencer2d_s semnasnet_075 skresnet18 starnet_s1
swin_tiny_patch4_window7_224 swinv2_cr_tiny_224 swinv2_tiny_window8_256 tf_efficientnetv2_b0 tiny_vit_5m_224 tinynet_e tnt_s_patch16_224
twins_pcpvt_small vit_small_patch14_dinov2 vit_small_patch16_siglip_224 visformer_tiny volo_d1_224 xception41 xcit_nano_12_p16_224""".split()
TRANSFORMERS = ["ViT", "DeiT", "Beit", "Dinov2", "Swin", "Swinv2", "ConvNext", "MobileViT", "Segformer", "CLIPVision", "ResNet", "RegNet"]
KERAS = ["MobileNet", "MobileNetV2", "MobileNetV3Small", "ResNet50", "ResNet50V2", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0",
         "ConvNeXtTiny", "Xception"]
EVERY_SET = {"torchvision/resnet18", "torchvision/mobilenet_v3_small", "torchvision/efficientnet_v2_s", "torchvision/convnext_tiny",
             "torchvision/vit_b_32", "timm/deit_tiny_patch16_224", "torchvision/swin_t", "torchvision/swin_v2_t", "torchvision/maxvit_t",
             "timm/vit_small_patch14_dinov2", "transformers/CLIPVision", "transformers/Segformer"}


def jobs():
    """Name, exporter and operator set of every export."""
    for family, names in (("torchvision", TORCHVISION), ("timm", TIMM), ("transformers", TRANSFORMERS)):
        for name in names:
            full = f"{family}/{name}"
            for operator_set in OPERATOR_SETS if full in EVERY_SET else (18,):
                # The older exporter ends at operator set 20.
                for exporter in ("dynamo", "torchscript") if operator_set <= 20 else ("dynamo",):
                    yield full, exporter, operator_set
    for name in KERAS:
        yield f"keras/{name}", "keras", 17


def scores_of(result):
    """The tensor that holds scores in whatever a model returns."""
    if hasattr(result, "logits"):
        return result.logits
    if hasattr(result, "pooler_output"):
        return result.pooler_output
    return result[0] if isinstance(result, (tuple, list)) else result


def build(name):
    """A model that takes a picture and gives scores, and the side of its pictures."""
    import torch

    family, name = name.split("/")
    torch.manual_seed(0)
    if family == "torchvision":
        import torchvision

        extra = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
        return torchvision.models.get_model(name, weights=None, **extra), 299 if name == "inception_v3" else 224
    if family == "timm":
        import timm

        # The network as it is exported: without kernels that hide what is computed.
        model = timm.create_model(name, pretrained=False, exportable=True, scriptable=False)
        return model, model.default_cfg["input_size"][-1] if "dinov2" not in name else 224
    import transformers

    config = getattr(transformers, f"{name}Config")()
    kind = "CLIPVisionModelWithProjection" if name == "CLIPVision" else f"{name}ForImageClassification"
    model = getattr(transformers, kind)(config)
    side = getattr(config, "image_size", 224)

    class Scores(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, image):
            result = self.model(pixel_values=image)
            return result.image_embeds if hasattr(result, "image_embeds") else scores_of(result)

    return Scores(), side if isinstance(side, int) else side[0]


def spread(model):
    """Weights as varied as trained ones, so that no branch is off: layer scales begin at 1e-6, last normalisations at 0."""
    import torch

    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() < 2 and parameter.abs().max() < 1e-2:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        for module in model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
                module.running_mean.add_(0.1 * torch.randn(module.running_mean.shape, generator=generator))
                module.running_var.mul_(1 + 0.2 * torch.rand(module.running_var.shape, generator=generator))
    return model.eval()


def gradient(model, picture, seed, dtype):
    import torch

    model = model.to(dtype)
    x = torch.tensor(picture, dtype=dtype, requires_grad=True)
    (scores_of(model(x)) * torch.tensor(seed, dtype=dtype)).sum().backward()
    return x.grad.double().numpy()


def relative(found, expected):
    return float(np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-300))


def export_torch(name, exporter, operator_set, file):
    import torch

    model, side = build(name)
    model = spread(model)
    picture = np.random.default_rng(0).standard_normal((1, 3, side, side)).astype(np.float32)
    options = dict(input_names=["image"], output_names=["scores"], opset_version=operator_set)
    if exporter == "dynamo":
        torch.onnx.export(model, (torch.tensor(picture),), str(file), dynamo=True, external_data=False, verbose=False, **options)
    else:
        torch.onnx.export(model, (torch.tensor(picture),), str(file), dynamo=False, **options)
    return model, picture


def export_keras(name, file):
    import keras

    model = getattr(keras.applications, name.split("/")[1])(weights=None)
    model.export(str(file), format="onnx", verbose=False)
    side = model.input_shape[1]
    return np.random.default_rng(0).uniform(0, 1, (1, side, side, 3)).astype(np.float32)


def finite_differences(session, input_name, picture, seed, directions=4):
    """Derivatives of the seed's sum along random directions."""
    rng = np.random.default_rng(2)
    for _ in range(directions):
        direction = rng.standard_normal(picture.shape).astype(np.float32)
        step = 1e-2 / np.abs(direction).max()
        ends = [float((session.run(None, {input_name: picture + sign * step * direction})[0] * seed).sum()) for sign in (1, -1)]
        yield direction, (ends[0] - ends[1]) / (2 * step)


def run(name, exporter, operator_set, binary, folder):
    import onnx
    import onnxruntime

    file, model = folder / "model.onnx", None
    result = {"name": name, "exporter": exporter, "operator_set": operator_set}
    try:
        if exporter == "keras":
            picture = export_keras(name, file)
        else:
            model, picture = export_torch(name, exporter, operator_set, file)
    except Exception as error:  # What an exporter cannot write is no fault of this program.
        return {**result, "not_exported": f"{type(error).__name__}: {error}"[:300]}
    graph = onnx.load(str(file), load_external_data=False).graph
    input_name, output_name = graph.input[0].name, graph.output[0].name
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options)
    scores = session.run([output_name], {input_name: picture})[0]
    seed = np.random.default_rng(1).standard_normal(scores.shape).astype(np.float32)
    np.save(folder / "x.npy", picture)
    np.save(folder / "seed.npy", seed)
    command = [binary, "trace", "-m", file, "--input", f"{input_name}={folder / 'x.npy'}", "--seed",
               f"{output_name}={folder / 'seed.npy'}", "--out", folder / "out"]
    began = time.monotonic()
    ended = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    result["seconds"] = round(time.monotonic() - began, 2)
    if ended.returncode:
        return {**result, "refused": ended.stderr.strip()[-400:]}
    read = lambda kind, name: np.load(next((folder / "out").glob(f"{kind}_{name.replace('/', '*')}*.npy")))
    found = read("data", output_name)
    result["forward"] = float(np.abs(found - scores).max() / max(np.abs(scores).max(), 1e-30))
    own = read("diff", input_name)
    if model is None:
        pairs = [(float((own * direction).sum()), slope) for direction, slope in finite_differences(session, input_name, picture, seed)]
        result["slopes"] = float(max(abs(a - b) for a, b in pairs) / max(abs(b) for _, b in pairs))
        return result
    single = gradient(model, picture, seed, __import__("torch").float32)
    double = gradient(model, picture, seed, __import__("torch").float64)
    return {**result, "gradient": relative(own, double), "peer": relative(single, double)}


def verdict(result):
    if "refused" in result or "not_exported" in result:
        return "refused" if "refused" in result else "not exported"
    is_wrong = result["forward"] > 1e-4 or result.get("slopes", 0) > 5e-2
    # Units near a tie choose differently in any two engines.
    is_wrong |= result.get("gradient", 0) > max(3 * result.get("peer", 0), 1e-4)
    return "differs" if is_wrong else "equal"


def report(results):
    versions = {}
    for package in ("torch", "torchvision", "timm", "transformers", "keras", "onnxruntime", "onnx"):
        try:
            versions[package] = __import__("importlib.metadata").metadata.version(package)
        except Exception:
            continue
    counts = {}
    for result in results:
        counts[verdict(result)] = counts.get(verdict(result), 0) + 1
    names = {result["name"] for result in results}
    planned = list(jobs())
    lines = [
        "# Real architectures, exported and compared", "",
        f"Made by `benches/peers/zoo.py` with random weights: {len(results)} of the {len(planned)} exports that it plans have been run "
        f"({len(names)} of {len({name for name, *_ in planned})} architectures), with "
        + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".", "",
        "Scores are compared with ONNX Runtime's (largest difference over the largest score), the gradient of a random sum of the scores "
        "with PyTorch's in double precision (relative L2; the peer's own error in single precision beside it). Equal means: scores to 1e-4, "
        "gradient within three times the peer's error or 1e-4.", "",
        ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) + ".", "",
        "| architecture | exporter | operator set | | scores | gradient | PyTorch's |", "|---|---|--:|---|--:|--:|--:|",
    ]
    number = lambda result, key: f"{result[key]:.0e}" if key in result else ""
    for result in sorted(results, key=lambda result: (result["name"], result["exporter"], result["operator_set"])):
        lines.append(f"| {result['name']} | {result['exporter']} | {result['operator_set']} | {verdict(result)} | {number(result, 'forward')} "
                     f"| {number(result, 'gradient') or number(result, 'slopes')} | {number(result, 'peer')} |")
    said = [result for result in results if "refused" in result or "not_exported" in result]
    if said:
        lines += ["", "## What is refused or cannot be exported", ""]
        for result in said:
            text = " ".join((result.get("refused") or result["not_exported"]).split())
            lines.append(f"* {result['name']} ({result['exporter']}, {result['operator_set']}): {text}")
    (ROOT / "docs" / "zoo.md").write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", default=[], help="names that contain this")
    parser.add_argument("--exporter")
    parser.add_argument("--limit", type=int, default=10**6)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("zoo.jsonl"))
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/deepinside")
    parser.add_argument("--report", action="store_true", help="write docs/zoo.md of what has been run, and run nothing")
    parser.add_argument("--one", help="one export, as NAME:EXPORTER:SET, printed as JSON")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    if arguments.one:
        name, exporter, operator_set = arguments.one.split(":")
        with tempfile.TemporaryDirectory() as folder:
            print("RESULT " + json.dumps(run(name, exporter, int(operator_set), arguments.binary, pathlib.Path(folder))))
        return
    known = [json.loads(line) for line in arguments.results.read_text().splitlines()] if arguments.results.exists() else []
    done = {(result["name"], result["exporter"], result["operator_set"]) for result in known}
    began = time.monotonic()
    for job in [] if arguments.report else list(jobs()):
        name, exporter, _ = job
        wanted = not arguments.only or any(part in name for part in arguments.only)
        if job in done or not wanted or arguments.exporter not in (None, exporter):
            continue
        if arguments.limit <= 0 or time.monotonic() - began > 60 * arguments.minutes:
            break
        arguments.limit -= 1
        # A process of its own: exporters keep memory, and some end the process.
        command = [sys.executable, __file__, "--binary", str(arguments.binary), "--one", ":".join(map(str, job))]
        ended = subprocess.run(command, capture_output=True, text=True)
        lines = [line[7:] for line in ended.stdout.splitlines() if line.startswith("RESULT ")]
        result = json.loads(lines[-1]) if lines else {
            "name": name, "exporter": exporter, "operator_set": job[2], "not_exported": ended.stderr.strip()[-300:]}
        print(name, exporter, job[2], verdict(result), {key: result[key] for key in result if key not in ("name", "exporter", "operator_set")}, flush=True)
        known.append(result)
        with arguments.results.open("a") as stream:
            stream.write(json.dumps(result) + "\n")
    report(known)


if __name__ == "__main__":
    main()
