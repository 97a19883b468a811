"""Times methods beside Captum and pytorch-grad-cam on the same networks, pictures and threads.

Both sides run in one process with arrays that are in memory, two in turn, since ours remembers what went forward last: ours by the Python package, which must be installed. Each library gets the
internal batch size, of a few, with which it is fastest. Rounds are interleaved; the ratio is ours to theirs within a round, and its median
and extremes are reported. `--write docs/performance.md` replaces the table between its markers.
"""

import argparse
import itertools
import pathlib
import statistics
import time
import warnings

import captum.attr
import numpy
import torch
from pytorch_grad_cam import GradCAM, ScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

import deepinside
import networks
from speed import ROOT, export, spread

CLASS = 281
MASKS = 1000
# The layer of class activation maps: the module, and the value it computes in the file.
LAYERS = {"squeezenet1_1": lambda model: model.features[-1], "resnet50": lambda model: model.layer4[-1]}


def squares(side):
    """Segments: squares on a grid of 8 × 8."""
    row = torch.arange(side) * 8 // side
    return (row[:, None] * 8 + row[None, :])[None, None]


def rise(model, x, batch):
    """RISE as a plain loop in batches: masks of 7 × 7 numbers enlarged and moved by chance."""
    side, cell = x.shape[-1], -(-x.shape[-1] // 7)
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(1, 1, side, side)
    with torch.no_grad():
        for first in range(0, MASKS, batch):
            count = min(batch, MASKS - first)
            grid = (torch.rand(count, 1, 7, 7, generator=generator) < 0.5).float()
            large = torch.nn.functional.interpolate(grid, size=(side + cell,) * 2, mode="bilinear", align_corners=False)
            moves = torch.randint(0, cell, (count, 2), generator=generator).tolist()
            masks = torch.stack([large[i, :, down : down + side, across : across + side] for i, (down, across) in enumerate(moves)])
            total += (model(x * masks)[:, CLASS].reshape(-1, 1, 1, 1) * masks).sum(0, keepdim=True)
    return total


def peers(name, model, turns):
    """Per method: theirs, as a function of an internal batch size, and whether it has one."""
    attr = captum.attr
    layer = [LAYERS[name](model)]
    of_class = [ClassifierOutputTarget(CLASS)]
    x = lambda: next(turns)
    zero = torch.zeros(1, 3, networks.SIDES[name], networks.SIDES[name])
    segments = squares(zero.shape[-1])

    def quiet(call):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call()

    def score_cam(batch):
        with ScoreCAM(model=model, target_layers=layer) as cam:
            cam.batch_size = batch
            cam(x(), of_class)

    def grad_cam(_):
        # Only the layer's own weights ask for gradients, so that theirs does not go back any farther either.
        layer[0].requires_grad_(True)
        with GradCAM(model=model, target_layers=layer) as cam:
            cam(x(), of_class)
        layer[0].requires_grad_(False)

    def smooth_grad(batch):
        tunnel = attr.NoiseTunnel(attr.Saliency(model))
        tunnel.attribute(x(), target=CLASS, nt_type="smoothgrad", nt_samples=50, nt_samples_batch_size=batch, abs=False)

    return {
        "gradient": (lambda _: attr.Saliency(model).attribute(x(), target=CLASS, abs=False), False),
        "SmoothGrad, 50 samples": (smooth_grad, True),
        "integrated gradients, 50 steps": (
            lambda batch: attr.IntegratedGradients(model).attribute(x(), zero, target=CLASS, n_steps=50, internal_batch_size=batch), True),
        "expected gradients, 50 samples": (
            lambda _: attr.GradientShap(model).attribute(x(), torch.cat([zero, zero + 0.1]), target=CLASS, n_samples=50), False),
        "Grad-CAM": (grad_cam, False),
        "Score-CAM": (score_cam, True),
        "KernelSHAP, 500 samples": (
            lambda batch: quiet(lambda: attr.KernelShap(model).attribute(
                x(), zero, target=CLASS, feature_mask=segments, n_samples=500, perturbations_per_eval=batch)), True),
        "RISE, 1000 masks": (lambda batch: rise(model, x(), batch), True),
        "occlusion, window 15, stride 8": (
            lambda batch: attr.Occlusion(model).attribute(
                x(), (3, 15, 15), strides=(3, 8, 8), baselines=0, target=CLASS, perturbations_per_eval=batch), True),
    }


def ours(model, turns):
    explain = lambda method, **parameters: lambda: model.explain(next(turns), method=method, target=CLASS, **parameters)
    zero = numpy.zeros_like(next(turns)[0])
    baselines = numpy.stack([zero, zero + 0.1])
    return {
        "gradient": explain("gradient"),
        "SmoothGrad, 50 samples": explain("smooth-grad", samples=50),
        "integrated gradients, 50 steps": explain("integrated-gradients", steps=50),
        "expected gradients, 50 samples": explain("expected-gradients", baselines=baselines, samples=50),
        "Grad-CAM": explain("grad-cam"),
        "Score-CAM": explain("score-cam"),
        "KernelSHAP, 500 samples": explain("kernel-shap", samples=500),
        "RISE, 1000 masks": explain("rise", samples=MASKS),
        "occlusion, window 15, stride 8": explain("occlusion", window=15, stride=8),
    }


def seconds(call, at_least=0.0):
    """The median of as many calls as take so many seconds, and one at least."""
    times, end = [], time.perf_counter() + at_least
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def compare(name, options, folder):
    torch.manual_seed(0)
    model = networks.network(name).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    x = networks.picture(1, networks.SIDES[name], seed=1)
    path = folder / f"{name}-methods.onnx"
    export(model, x, path)
    own = deepinside.Model(path, threads=options.threads)
    pictures = [networks.picture(1, networks.SIDES[name], seed) for seed in (1, 2)]
    theirs = peers(name, model, itertools.cycle(pictures))
    arrays = itertools.cycle([numpy.ascontiguousarray(picture.numpy()) for picture in pictures])
    rows = []
    for method, call in ours(own, arrays).items():
        if options.methods and not any(part in method for part in options.methods):
            continue
        their, has_batches = theirs[method]
        gradients = torch.enable_grad() if "gradient" in method.lower() or "Grad" in method else torch.no_grad()
        with gradients:
            call()
            # One run of each size finds the best one; gradients of a small batch hold no surprise for a large one.
            batch = min(options.batches, key=lambda batch: seconds(lambda: their(batch))) if has_batches else None
            if not has_batches:
                their(None)
            times = [(seconds(call, 1.0), seconds(lambda: their(batch), 1.0)) for _ in range(options.rounds)]
        medians = [statistics.median(column) for column in zip(*times)]
        size = "–" if batch is None else str(batch)
        rows.append(f"| {name} | {method} | {1e3 * medians[0]:.0f} ms | {1e3 * medians[1]:.0f} ms | {size} | **{spread([a / b for a, b in times])}** |")
        print(rows[-1], flush=True)
    path.unlink()
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(LAYERS), help=f"of {', '.join(LAYERS)}")
    parser.add_argument("--methods", nargs="+", help="parts of methods' names")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16, 64], help="internal batch sizes that theirs may choose from")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "target/peers-speed", help="where networks are exported to")
    parser.add_argument("--write", type=pathlib.Path, help="the page whose table is replaced")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    head = ["| network | method | ours | theirs | their batch | ratio |", "|---|---|---|---|---|---|"]
    print("\n".join(head), flush=True)
    rows = head + [row for name in options.networks for row in compare(name, options, options.folder)]
    if options.write:
        page = options.write.read_text()
        begin, end = "<!-- table: benches/peers/method_speed.py -->", "<!-- end of the table of methods -->"
        before, rest = page.split(begin)
        lines = "\n".join(rows)
        options.write.write_text(f"{before}{begin}\n{lines}\n{end}{rest.split(end)[1]}")


if __name__ == "__main__":
    main()
