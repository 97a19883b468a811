"""Compares whole networks, exported from torchvision, with ONNX Runtime (scores) and PyTorch (gradients).

The weights are random, seeded and calibrated: every batch normalisation gets the statistics of a batch of noise, so that
activations neither vanish nor explode. Each network is exported with PyTorch's older exporter, and with `--dynamo` with its
newer one too.

Gradients in single precision differ between any two engines at single pixels where a maximum or a rectifier's sign is
nearly tied: so both ours and PyTorch's are compared with PyTorch's gradient in double precision, by their relative L2
error.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import warnings

import numpy
import onnxruntime
import torch
import torchvision

NETWORKS = {
    "alexnet": 224, "vgg11": 224, "resnet50": 224, "resnext50_32x4d": 224, "densenet121": 224, "googlenet": 224,
    "inception_v3": 299, "squeezenet1_1": 224, "shufflenet_v2_x1_0": 224, "mobilenet_v2": 224,
    "mobilenet_v3_small": 224, "efficientnet_b0": 224, "mnasnet1_0": 224, "regnet_y_400mf": 224, "convnext_tiny": 224,
    "vit_b_32": 224,
}
CLASS = 7


def network(name):
    torch.manual_seed(0)
    options = {"weights": None}
    if name in ("googlenet", "inception_v3"):
        options |= {"init_weights": True, "aux_logits": False}
    model = getattr(torchvision.models, name)(**options)
    # A few steps in training mode give every normalisation the statistics of what arrives there.
    model.train()
    for module in model.modules():
        if isinstance(module, (torch.nn.Dropout, torchvision.ops.StochasticDepth)):
            module.eval()
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.5
    side = NETWORKS[name]
    with torch.no_grad():
        for _ in range(4):
            model(torch.randn(4, 3, side, side))
        if name.startswith("vit"):
            # Random heads start at zero.
            torch.nn.init.normal_(model.heads[-1].weight, std=0.02)
    return model.eval()


def gradient(model, picture):
    picture = picture.clone().requires_grad_()
    model(picture)[0, CLASS].backward()
    return picture.grad.numpy()


def export(model, picture, path, dynamo):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            torch.onnx.export(model, (picture,), str(path), dynamo=True, verbose=False, input_names=["images"], output_names=["scores"])
        else:
            torch.onnx.export(
                model, (picture,), str(path), dynamo=False, opset_version=17, input_names=["images"],
                output_names=["scores"], dynamic_axes={"images": {0: "N"}, "scores": {0: "N"}},
            )


def relative(found, wanted):
    return float(numpy.linalg.norm(found - wanted) / numpy.linalg.norm(wanted))


def prepare(name, folder, dynamo):
    """Writes the export and what it must give; does nothing where that is there already."""
    done = folder / "expected.json"
    if done.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    model = network(name)
    side = NETWORKS[name]
    picture = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    export(model, picture, folder / "model.onnx", dynamo)
    numpy.save(folder / "picture.npy", picture.numpy())
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    (scores,) = session.run(["scores"], {"images": picture.numpy()})
    numpy.save(folder / "scores.npy", scores)
    single = gradient(model, picture)
    double = gradient(model.double(), picture.double())
    numpy.save(folder / "gradient.npy", double)
    done.write_text(json.dumps({"pytorch": relative(single, double)}))


def compare(name, folder, binary):
    out = folder / "trace"
    command = [binary, "trace", "-m", folder / "model.onnx", "--input", f"images={folder / 'picture.npy'}"]
    command += ["--seed", f"scores:{CLASS}=1", "--out", out]
    run = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if run.returncode != 0:
        return f"| {name} | {run.stderr.strip().splitlines()[0][:140]} | | |"
    scores, wanted = numpy.load(out / "data_scores.npy"), numpy.load(folder / "scores.npy")
    error = numpy.abs(scores - wanted).max() / numpy.abs(wanted).max()
    own = relative(numpy.load(out / "diff_images.npy"), numpy.load(folder / "gradient.npy"))
    for file in out.iterdir():
        file.unlink()
    pytorch = json.loads((folder / "expected.json").read_text())["pytorch"]
    return f"| {name} | {error:.1e} | {own:.1e} | {pytorch:.1e} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/deepinside")
    parser.add_argument("--folder", default="target/peers-onnx", help="where exports are kept")
    parser.add_argument("--only", action="append", help="only this network")
    parser.add_argument("--dynamo", action="store_true", help="PyTorch's newer exporter")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, onnxruntime {onnxruntime.__version__}\n")
    print("| network | scores against ONNX Runtime | gradient against double precision | PyTorch's own |\n|---|--:|--:|--:|")
    for name in arguments.only or NETWORKS:
        folder = pathlib.Path(arguments.folder) / (name + ("-dynamo" if arguments.dynamo else ""))
        try:
            prepare(name, folder, arguments.dynamo)
        except Exception as error:  # an exporter's own failure says nothing about us
            print(f"| {name} | not exported: {str(error).splitlines()[0][:100]} | | |", flush=True)
            continue
        print(compare(name, folder, arguments.binary), flush=True)


if __name__ == "__main__":
    sys.exit(main())
