"""Exports real architectures with random weights and compares what `deepinside trace` computes with ONNX Runtime and PyTorch.

    python benches/peers/zoo.py [--only PART]... [--limit N] [--results zoo.jsonl] [--binary target/release/deepinside]
    python benches/peers/zoo.py --exporter keras …    # with tensorflow-cpu, keras, tf2onnx, onnxruntime; PyTorch is not needed

Each architecture of torchvision, timm and transformers is exported by both exporters of PyTorch at operator set 18, twelve of them at 17,
18, 20 and 23 too; Keras' applications by Keras' own export. A result is one line of JSON: scores against ONNX Runtime's (largest
difference over the largest score), the gradient of a weighted sum of the scores against PyTorch's in double precision (relative L2; Keras'
applications: TensorFlow's), and the peer's own error in single precision beside it. Architectures with a line are not run again, so that a run of hours can be stopped and
continued. At the end, or with --report alone, docs/zoo.md is written.
"""

import argparse
import functools
import importlib.metadata
import json
import logging
import multiprocessing
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest.mock
import warnings

import numpy as np

ROOT = pathlib.Path(__file__).parents[2]
OPERATOR_SETS = (17, 18, 20, 23)
SIDE = 160  # of pictures, for networks that take any: what is compared is the same, and a run takes half as long

# One of every family comes first, so that a run that is stopped early has seen the most kinds of network.
FIRST = """torchvision/resnet18 torchvision/mobilenet_v3_small torchvision/efficientnet_v2_s torchvision/convnext_tiny torchvision/vit_b_32
timm/deit_tiny_patch16_224 torchvision/swin_t torchvision/swin_v2_t torchvision/maxvit_t timm/vit_small_patch14_dinov2
transformers/CLIPVision transformers/Segformer timm/coatnet_0_rw_224 torchvision/regnet_y_400mf torchvision/densenet121
torchvision/inception_v3 torchvision/googlenet torchvision/shufflenet_v2_x0_5 torchvision/mnasnet0_5 timm/beit_base_patch16_224
timm/eva02_tiny_patch14_224 timm/cait_xxs24_224 timm/xcit_nano_12_p16_224 timm/pvt_v2_b0 timm/poolformer_s12 timm/mixer_s32_224
timm/resmlp_12_224 timm/gmlp_s16_224 timm/convmixer_768_32 timm/focalnet_tiny_srf timm/edgenext_xx_small timm/fastvit_t8
timm/repvgg_a0 timm/ghostnet_100 timm/hrnet_w18_small timm/ese_vovnet19b_dw timm/nfnet_l0 timm/eca_resnet33ts timm/levit_128s
timm/tiny_vit_5m_224 timm/efficientformer_l1 timm/efficientformerv2_s0 timm/efficientvit_b0 timm/efficientvit_m0 timm/mobilevit_xxs
timm/mobilevitv2_050 timm/mobileone_s0 timm/hiera_tiny_224 timm/mobilenetv4_conv_small timm/mobilenetv4_hybrid_medium
timm/vit_base_patch16_siglip_224 timm/convnextv2_atto timm/coat_lite_tiny timm/convit_tiny timm/crossvit_tiny_240 timm/davit_tiny
timm/gcvit_xxtiny timm/halonet26t timm/lambda_resnet26t timm/mvitv2_tiny timm/nextvit_small timm/pit_ti_224 timm/repvit_m1
timm/res2net50_26w_4s timm/resnest14d timm/rexnet_100 timm/sequencer2d_s timm/skresnet18 timm/starnet_s1 timm/tnt_s_patch16_224
timm/twins_pcpvt_small timm/visformer_tiny timm/volo_d1_224 timm/xception41 timm/dpn68 timm/dla34 timm/cspdarknet53 timm/caformer_s18
timm/botnet26t_256 timm/mambaout_femto timm/nest_tiny timm/shvit_s1 timm/bat_resnext26ts timm/inception_next_tiny""".split()
TORCHVISION = """alexnet densenet201 mobilenet_v2 regnet_x_400mf resnet50 resnext50_32x4d shufflenet_v2_x1_0 squeezenet1_0 squeezenet1_1
vgg11 vgg16_bn wide_resnet50_2""".split()
TIMM = """cpubone_b0_bfrobust csatv2 cspnext_tiny cspresnet50 darknet53 deit3_small_patch16_224 deit_tiny_distilled_patch16_224
densenetblur121d ecaresnet26t efficientnet_lite0 efficientvim_m1 fasternet_t0 fbnetv3_b gcresnet33ts gernet_s ghostnetv2_100
hardcorenas_a hgnetv2_b0 inception_resnet_v2 inception_v4 lcnet_050 lcnetv2_small legacy_seresnet18 legacy_xception lowformer_b0
maxvit_tiny_rw_224 mixnet_s nf_resnet50 qwen3_vit_88m rdnet_tiny regnety_002 repghostnet_050 resnet50_clip resnetv2_50x1_bit
samvit_base_patch16_224 selecsls42b semnasnet_075 swiftformer_xs swin_tiny_patch4_window7_224 swinv2_cr_tiny_224
swinv2_tiny_window8_256 tf_efficientnetv2_b0 tinynet_e tresnet_m vit_base_resnet26d_224 vit_relpos_base_patch16_rpn_224
vit_small_patch16_dinov3 vitamin_small_224""".split()
TRANSFORMERS = ["ViT", "DeiT", "Beit", "Dinov2", "Swin", "Swinv2", "ConvNext", "MobileViT", "ResNet", "RegNet"]
KERAS = ["MobileNet", "MobileNetV2", "MobileNetV3Small", "ResNet50", "ResNet50V2", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0",
         "ConvNeXtTiny", "Xception", "InceptionV3"]
EVERY_SET = set(FIRST[:12])


def jobs():
    """Name, exporter and operator set of every export, in the order in which they are run."""
    rest = [f"{family}/{name}" for family, names in (("torchvision", TORCHVISION), ("timm", TIMM), ("transformers", TRANSFORMERS))
            for name in names]
    names = FIRST + [name for name in rest if name not in FIRST]
    both = lambda names: [(name, exporter, 18) for name in names for exporter in ("dynamo", "torchscript")]
    # The older exporter ends at operator set 20.
    others = [(name, exporter, operator_set) for name in names if name in EVERY_SET for exporter in ("dynamo", "torchscript")
              for operator_set in OPERATOR_SETS if operator_set != 18 and (exporter == "dynamo" or operator_set <= 20)]
    return both(FIRST) + [(f"keras/{name}", "keras", 17) for name in KERAS] + others + both(names[len(FIRST):])


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
        any_side = not name.startswith(("alexnet", "inception", "maxvit", "swin", "vgg", "vit"))
        return torchvision.models.get_model(name, weights=None, **extra), SIDE if any_side else 299 if name == "inception_v3" else 224
    if family == "timm":
        import timm

        # The network as it is exported: without kernels that hide what is computed.
        size = {"img_size": 224} if "dinov2" in name else {}
        model = timm.create_model(name, pretrained=False, exportable=True, scriptable=False, **size)
        if size:
            return model, size["img_size"]
        # Those with blocks of fixed size say nothing of it.
        any_side = not model.default_cfg.get("fixed_input_size", False) and not name.startswith(("halonet", "bat_"))
        return model, SIDE if any_side else model.default_cfg["input_size"][-1]
    import transformers

    # Of its own random weights, gradients shrink to 1e-56, which is zero in single precision.
    wider = {"initializer_range": 0.2} if name == "MobileViT" else {}
    config = getattr(transformers, f"{name}Config")(**wider)
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
    """Weights as varied as trained ones, so that no branch is off: layer scales begin at 1e-6, last layers and normalisations at 0."""
    import torch

    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.abs().max() < 1e-2:
                size = 0.1 if parameter.dim() < 2 else 0.02
                parameter.add_(size * torch.randn(parameter.shape, generator=generator))
        for module in model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
                module.running_mean.add_(0.1 * torch.randn(module.running_mean.shape, generator=generator))
                module.running_var.mul_(1 + 0.2 * torch.rand(module.running_var.shape, generator=generator))
    return model.eval()


def batch_norm(x, mean, variance, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5, *, original):
    """Batch normalisation as its definition says. The backward pass of PyTorch 2.15's own is wrong where the gradient lies otherwise in
    memory than its input, as it does behind a transposition (XCiT: relative error 1.5, in both precisions, of central differences too)."""
    if training:  # Of weights, which are standardised by it.
        return original(x, mean, variance, weight, bias, training, momentum, eps)
    shape = (1, -1) + (1,) * (x.dim() - 2)
    scale = (variance + eps).rsqrt() * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * scale
    return x * scale.view(shape) + shift.view(shape)


def gradient(model, picture, seed, dtype):
    import torch

    model = model.to(dtype)
    x = torch.tensor(picture, dtype=dtype, requires_grad=True)
    written_out = functools.partial(batch_norm, original=torch.nn.functional.batch_norm)
    with unittest.mock.patch("torch.nn.functional.batch_norm", written_out):
        (scores_of(model(x)) * torch.tensor(seed, dtype=dtype)).sum().backward()
    return x.grad.double().numpy()


def relative(found, expected):
    return float(np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-300))


def export_torch(model, picture, exporter, operator_set, file):
    import torch

    options = dict(input_names=["image"], output_names=["scores"], opset_version=operator_set)
    if exporter == "dynamo":
        torch.onnx.export(model, (torch.tensor(picture),), str(file), dynamo=True, external_data=False, verbose=False, **options)
    else:
        torch.onnx.export(model, (torch.tensor(picture),), str(file), dynamo=False, **options)


def keras_model(name, precision, weights=None):
    """One of Keras' applications with logits as scores, and with weights as varied as trained ones."""
    import keras

    keras.config.set_floatx(precision)
    keras.config.set_dtype_policy(precision)
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name.split("/")[1])(weights=None, classifier_activation=None)
    generator = np.random.default_rng(1)
    if weights is None:
        weights = [variable.numpy() for variable in model.weights]
        for index, (variable, array) in enumerate(zip(model.weights, weights)):
            if "variance" in variable.path:
                weights[index] = array * (1 + 0.2 * generator.random(array.shape))
            elif array.ndim < 2:
                weights[index] = array + 0.1 * generator.standard_normal(array.shape)
    model.set_weights(weights)
    return model


def close_normalisations(file, model):
    """Stores the mean and the variance of a layer that normalises in the file, where Keras leaves both as inputs beside the picture."""
    import keras
    import onnx

    network = onnx.load(str(file))
    for value in list(network.graph.input)[1:]:
        layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
        number = {"Sub/y:0": layer.mean, "Sqrt/x:0": layer.variance}["/".join(value.name.split("/")[-2:])]
        network.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(number, np.float32), value.name))
        network.graph.input.remove(value)
    onnx.save(network, str(file))


def expected_of_keras(name, file, folder):
    """Exports one of Keras' applications as Keras does (TensorFlow's through tf2onnx), and writes what TensorFlow computes of it in both
    precisions. Preparation that the application has inside reads levels of 0 to 255."""
    import keras
    import tensorflow

    model = keras_model(name, "float32")
    weights = model.get_weights()
    inside = any(isinstance(layer, (keras.layers.Rescaling, keras.layers.Normalization)) for layer in model.layers)
    picture = np.random.default_rng(0).uniform(*((0, 255) if inside else (-1, 1)), (1, *(side or 224 for side in model.input_shape[1:]))).astype(np.float32)
    model(picture)  # Only a model that has been called can be exported.
    model.export(str(file), format="onnx", verbose=False)
    close_normalisations(file, model)
    arrays = {"picture": picture, "seed": np.random.default_rng(1).standard_normal((1, model.output_shape[-1])).astype(np.float32)}

    def both(model, precision):
        x = tensorflow.constant(picture.astype(precision))
        with tensorflow.GradientTape() as tape:
            tape.watch(x)
            scores = model(x, training=False)
            total = tensorflow.reduce_sum(scores * arrays["seed"].astype(precision))
        return scores.numpy().astype(np.float64), tape.gradient(total, x).numpy().astype(np.float64)

    arrays["float32"] = both(model, "float32")[1]
    model = keras_model(name, "float64", weights)
    scores, arrays["float64"] = both(model, "float64")
    # How far both move when weights are rounded to single precision in other ways, as `conditioning` has it for PyTorch's.
    generator, moved = np.random.default_rng(3), []
    for _ in range(16):
        model.set_weights([array * (1 + 2.0**-21 * generator.standard_normal(array.shape)) for array in weights])
        found = both(model, "float64")
        moved.append((np.abs(found[0] - scores).max() / np.abs(scores).max(), relative(found[1], arrays["float64"])))
    arrays["moved"] = np.max(moved, axis=0)
    for kind, array in arrays.items():
        np.save(folder / f"{kind}.npy", array)


def conditioning(name, picture, seed, trials=16):
    """How far the scores (of the largest) and the gradient (relative) move in double precision when weights are rounded to single precision in other ways (exporters fold
    normalisations into convolutions), and the results of all modules as sums of a thousand terms are: a rectifier or a maximum near a tie
    then opens elsewhere. Of random weights, neighbours in late layers often agree to six digits, and pooling chooses between them."""
    import torch

    def both(model):
        with torch.no_grad():
            scores = scores_of(model(torch.tensor(picture, dtype=torch.float64))).numpy()
        return scores, gradient(model, picture, seed, torch.float64)

    scores, expected = both(spread(build(name)[0]).double())
    generator = torch.Generator().manual_seed(3)

    def rounded(tensor, size):
        return tensor * (1 + size * torch.randn(tensor.shape, generator=generator, dtype=torch.float64))

    def after(_module, _inputs, output):
        return rounded(output, 2.0**-21) if isinstance(output, torch.Tensor) and output.is_floating_point() else output

    moved = []
    for _ in range(trials):
        model = spread(build(name)[0]).double()
        with torch.no_grad():
            for tensor in [*model.parameters(), *model.buffers()]:
                if tensor.is_floating_point():
                    tensor.copy_(rounded(tensor, 2.0**-22))
        for module in model.modules():
            if not any(True for _ in module.children()):
                module.register_forward_hook(after)
        found = both(model)
        moved.append((float(np.abs(found[0] - scores).max() / np.abs(scores).max()), relative(found[1], expected)))
    return tuple(max(column) for column in zip(*moved))


def steepness(name, picture, seed, found, directions=4):
    """How far a gradient is from central differences of PyTorch's scores in double precision, along random directions, over the gradient's
    length."""
    import torch

    model = spread(build(name)[0]).double()
    weights, x = torch.tensor(seed, dtype=torch.float64), torch.tensor(picture, dtype=torch.float64)
    generator = torch.Generator().manual_seed(4)
    errors = []
    with torch.no_grad():
        for _ in range(directions):
            direction = torch.randn(x.shape, generator=generator, dtype=torch.float64)
            ends = [(scores_of(model(x + step * direction)) * weights).sum() for step in (1e-6, -1e-6)]
            errors.append(abs(float((torch.tensor(found) * direction).sum() - (ends[0] - ends[1]) / 2e-6)))
    return max(errors) / float(np.linalg.norm(found))


def expected(name, folder):
    """Writes what the peers compute of an architecture into its folder, once for all its exports: the picture, and gradients of a random
    sum of its scores in both precisions."""
    import torch

    if (folder / "float64.npy").exists():
        return
    model, side = build(name)
    model = spread(model)
    picture = np.random.default_rng(0).standard_normal((1, 3, side, side)).astype(np.float32)
    with torch.no_grad():
        shape = scores_of(model(torch.tensor(picture))).shape
    arrays = {"picture": picture, "seed": np.random.default_rng(1).standard_normal(shape).astype(np.float32)}
    for kind in ("float32", "float64"):
        arrays[kind] = gradient(model, picture, arrays["seed"], getattr(torch, kind))
    if relative(arrays["float32"], arrays["float64"]) > 0.5:
        raise ArithmeticError("PyTorch's own gradient in single precision is another one than in double: there is nothing to compare with")
    for kind, array in arrays.items():
        np.save(folder / f"{kind}.npy", array)


def open_session(file):
    """An ONNX Runtime session of a file, and the names of its picture and its scores."""
    import onnx
    import onnxruntime

    graph = onnx.load(str(file), load_external_data=False).graph
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options), [graph.input[0].name, graph.output[0].name]


def prepare(name, exporter, operator_set, folder):
    """Exports an architecture, and writes what the peers compute into its folder; returns why it cannot be exported, or None."""
    kind = f"{exporter}-{operator_set}"
    file = folder / f"{kind}.onnx"
    if (folder / f"{kind}.json").exists():
        return None
    try:
        if exporter == "keras":
            expected_of_keras(name, file, folder)
        else:
            expected(name, folder)
            export_torch(spread(build(name)[0]), np.load(folder / "picture.npy"), exporter, operator_set, file)
    except Exception as error:  # What an exporter cannot write is no fault of this program.
        return f"{type(error).__name__}: {error}"[:300]
    if not np.any(np.load(folder / "float64.npy")):
        return "its gradient is zero, so that nothing would be compared"
    session, names = open_session(file)
    np.save(folder / f"{kind}.scores.npy", session.run(names[1:], {names[0]: np.load(folder / "picture.npy")})[0])
    (folder / f"{kind}.json").write_text(json.dumps(names))
    return None


def run(name, exporter, operator_set, binary, folder):
    """One export, as a line of the results; None without a binary, where all that the comparison needs is prepared instead."""
    result = {"name": name, "exporter": exporter, "operator_set": operator_set}
    if exporter == "keras":  # Run with packages of their own.
        result["versions"] = versions_of("tensorflow", "tensorflow-cpu", "tf2onnx")
    kind = f"{exporter}-{operator_set}"
    began = time.monotonic()
    failure = prepare(name, exporter, operator_set, folder)
    if failure:
        return {**result, "not_exported": failure}
    if binary is None:
        print("prepared", name, kind, f"{time.monotonic() - began:.0f} s", flush=True)
        return None
    input_name, output_name = json.loads((folder / f"{kind}.json").read_text())
    known = {name: np.load(folder / f"{name}.npy") for name in ("picture", "seed", "float32", "float64")}
    scores = np.load(folder / f"{kind}.scores.npy")
    out = folder / "out"
    command = [binary, "trace", "-m", folder / f"{kind}.onnx", "--input", f"{input_name}={folder / 'picture.npy'}", "--seed",
               f"{output_name}={folder / 'seed.npy'}", "--out", out, "--threads", "1"]
    began = time.monotonic()
    ended = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    result["seconds"] = round(time.monotonic() - began, 2)
    if ended.returncode:
        return {**result, "refused": ended.stderr.strip().replace(f"{folder}/", "")[-400:]}
    read = lambda kind, name: np.load(next(out.glob(f"{kind}_{name.replace('/', '*')}*.npy")))
    found, own = read("data", output_name), read("diff", input_name)
    shutil.rmtree(out)
    result["forward"] = float(np.abs(found - scores).max() / max(np.abs(scores).max(), 1e-30))
    result |= {"gradient": relative(own, known["float64"]), "peer": relative(known["float32"], known["float64"])}
    if verdict(result) == "differs" and exporter == "keras":
        result["forward_conditioning"], result["conditioning"] = map(float, np.load(folder / "moved.npy"))
    if verdict(result) == "differs" and exporter != "keras":
        result["forward_conditioning"], result["conditioning"] = conditioning(name, known["picture"], known["seed"])
    if verdict(result) == "differs" and exporter != "keras" and result["forward"] <= 1e-4:
        result["differences"] = steepness(name, known["picture"], known["seed"], own)
    return result


def warm():
    """What every export needs, imported and prepared once: the children that run them are copies of this process."""
    import onnx
    import onnxruntime
    import timm
    import torch
    import torchvision

    with tempfile.TemporaryDirectory() as folder:
        model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()).eval()
        for exporter in ("dynamo", "torchscript"):
            export_torch(model, np.zeros((1, 3, 8, 8), np.float32), exporter, 18, pathlib.Path(folder) / "warm.onnx")


def child(jobs, binary, cache, said, pipe):
    """Runs exports of one architecture, and sends each result when it is there."""
    os.dup2(said.fileno(), 2)
    if jobs[0][1] != "keras":
        import torch

        # Here and not in the parent: PyTorch gives up its pool of threads when a process is copied, and the first backward pass of the
        # copy, which asks for it on another thread, aborts ("Invalid thread pool!").
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if cache:
            folder = cache / jobs[0][0].replace("/", "-")
            folder.mkdir(parents=True, exist_ok=True)
        for job in jobs:
            result = run(*job, binary, pathlib.Path(folder))
            if result and verdict(result) == "equal":  # Hundreds of exports are tens of gigabytes; those that differ are looked at.
                for file in pathlib.Path(folder).glob(f"{job[1]}-{job[2]}.*"):
                    file.unlink()
            pipe.send(result)


def isolated(jobs, binary, cache, seconds):
    """The results of the exports of one architecture, in a process of their own: exporters keep memory, and some end the process. What
    an ended process said last stands in the result."""
    context = multiprocessing.get_context("fork")
    while jobs:
        receiver, sender = context.Pipe(duplex=False)
        said = tempfile.TemporaryFile()
        process = context.Process(target=child, args=(jobs, binary, cache, said, sender))
        process.start()
        sender.close()
        try:
            while jobs:
                job, failure = jobs[0], f"not done within {seconds} seconds"
                if not receiver.poll(seconds):
                    break
                result, failure = receiver.recv(), None
                jobs = jobs[1:]
                if result is not None:
                    yield result
        except EOFError:
            process.join()
            said.seek(max(0, said.seek(0, os.SEEK_END) - 300))
            failure = f"the process ended with exit code {process.exitcode}: {said.read().decode(errors='replace').strip()}"
        process.kill()
        process.join()
        if failure:
            jobs = jobs[1:]
            yield {"name": job[0], "exporter": job[1], "operator_set": job[2], "not_exported": failure}


def verdict(result):
    if "refused" in result or "not_exported" in result:
        return "refused" if "refused" in result else "not exported"
    is_wrong = result["forward"] > max(1e-4, 3 * result.get("forward_conditioning", 0))
    # Units near a tie choose differently in any two engines.
    if result.get("differences", 1) < 1e-4:
        return "differs" if is_wrong else "equal"
    is_wrong |= result.get("gradient", 0) > max(3 * result.get("peer", 0), 3 * result.get("conditioning", 0), 1e-4)
    return "differs" if is_wrong else "equal"


def versions_of(*packages):
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def report(results):
    versions = versions_of("torch", "torchvision", "timm", "transformers", "keras", "onnxruntime", "onnx")
    for result in results:
        versions |= result.get("versions", {})
    counts = {}
    for result in results:
        counts[verdict(result)] = counts.get(verdict(result), 0) + 1
    names = {result["name"] for result in results}
    planned = list(jobs())
    equal = {(result["name"], result["exporter"], result["operator_set"]) for result in results if verdict(result) == "equal"}
    by_both = [name for name in names if {(name, "dynamo", 18), (name, "torchscript", 18)} <= equal]
    by_set = [name for name in EVERY_SET if all((name, "dynamo", operator_set) in equal for operator_set in OPERATOR_SETS)]
    lines = [
        "# Real architectures, exported and compared", "",
        f"Made by `benches/peers/zoo.py` with random weights: {len(results)} of the {len(planned)} exports that it plans have been run "
        f"({len(names)} of {len({name for name, *_ in planned})} architectures), with "
        + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".", "",
        "Scores are compared with ONNX Runtime's (largest difference over the largest score), the gradient of a random sum of the scores "
        "with PyTorch's (Keras' applications: TensorFlow's) in double precision (relative L2; the peer's own error in single precision beside it). Equal means: scores to 1e-4, "
        "gradient within 1e-4, or three times the peer's error, or three times what either moves by "
        "when weights and the results of layers are rounded otherwise (so marked: ~), since a unit near a tie chooses differently then. Where PyTorch's gradient still "
        "differs, both are compared with central differences of its scores in double precision (=: the distance of ours from them, over its "
        "length; below 1e-4 it is right and PyTorch's is wrong).", "",
        "Exports take hours, so that they are run in parts: rows are of the program as it was when each was run.", "",
        ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) + f". Equal by both exporters of PyTorch at operator set 18: "
        f"{len(by_both)} architectures; at operator sets 17, 18, 20 and 23: {len(by_set)} of the {len(EVERY_SET)} that are exported at all of them.", "",
        f"Pictures have {SIDE} × {SIDE} pixels where an architecture takes any, and of families the small variants are run: the operators are the "
        "same. Keras leaves the mean and variance of EfficientNet's normalisation as inputs of the file (deepinside asks for them with --input): here they "
        "are stored in it. Batch normalisation is written out for PyTorch's gradient: its own (2.15) is wrong where the gradient lies otherwise in memory than "
        "the input, as behind XCiT's transpositions.", "",
        "| architecture | exporter | operator set | | scores | gradient | PyTorch's |", "|---|---|--:|---|--:|--:|--:|",
    ]
    number = lambda result, key: f"{result[key]:.0e}" if key in result else ""
    for result in sorted(results, key=lambda result: (result["name"], result["exporter"], result["operator_set"])):
        lines.append(f"| {result['name']} | {result['exporter']} | {result['operator_set']} | {verdict(result)} | {number(result, 'forward')}{'~' + number(result, 'forward_conditioning') if result.get('forward', 0) > 1e-4 else ''} "
                     f"| {number(result, 'gradient')} | {number(result, 'peer')}{'~' + number(result, 'conditioning') if 'conditioning' in result else ''}{'=' + number(result, 'differences') if 'differences' in result else ''} |")
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
    parser.add_argument("--prepare", action="store_true", help="fill the cache with exports and what the peers compute; compare nothing yet")
    parser.add_argument("--report", action="store_true", help="write docs/zoo.md of what has been run, and run nothing")
    parser.add_argument("--cache", type=pathlib.Path,
                        help="a folder for exports and what the peers compute of them, which are not made again; exports that are equal are removed")
    parser.add_argument("--seconds", type=float, default=900, help="the longest that one export may take")
    arguments = parser.parse_args()
    arguments.binary = arguments.binary.resolve()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    known = [json.loads(line) for line in arguments.results.read_text().splitlines()] if arguments.results.exists() else []
    done = {(result["name"], result["exporter"], result["operator_set"]) for result in known}
    began = time.monotonic()
    if not arguments.report and arguments.exporter != "keras":
        warm()
    waiting = {}
    for job in [] if arguments.report else jobs():
        wanted = not arguments.only or any(part in job[0] for part in arguments.only)
        if job not in done and wanted and arguments.exporter in (None, job[1]):
            # Exports of one architecture are run together, where the first of them stands: they share what the peers compute. Other
            # operator sets wait until every architecture has been seen.
            waiting.setdefault((job[0], job[2] != 18), []).append(job)
    for some in list(waiting.values())[:arguments.limit]:
        if time.monotonic() - began > 60 * arguments.minutes:
            break
        for result in isolated(some, None if arguments.prepare else arguments.binary, arguments.cache, arguments.seconds):
            print(result["name"], result["exporter"], result["operator_set"], verdict(result),
                  {key: result[key] for key in result if key not in ("name", "exporter", "operator_set")}, flush=True)
            if arguments.prepare:
                continue
            known.append(result)
            with arguments.results.open("a") as stream:
                stream.write(json.dumps(result) + "\n")
    if arguments.prepare:
        return
    report(known)


if __name__ == "__main__":
    main()
