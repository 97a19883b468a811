"""How much of a saliency map lies inside the true box: the default's readable map against the gradient of one pass.

For every photograph that the ground truth lists, both maps of its true class are made, of the whole photograph, by both
networks, and the share of their sum inside the true boxes is averaged. The same with random weights tells how much of that
is a preference for the middle, where most objects are: there the readable map should win nothing.

    python3 benches/map_mass.py DEEPINSIDE FOLDER [--one-pass PROGRAM] [--random COUNT] [--only COUNT]

FOLDER holds `ground_truth.json` (as `deepinside evaluate localisation` reads it) and the photographs. `--one-pass` names an
earlier version of the program that makes the maps of one pass. Needs NumPy, and SqueezeNet v1.1 as `squeezenet-1.1`.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy

NETWORKS = {"built-in": [], "squeezenet-1.1": ["-m", "squeezenet-1.1"]}


def saliency(program, photograph, class_index, flags, folder):
    """One map of a class, height × width of what it covers: here always the whole photograph."""
    raw = Path(folder) / "map.npy"
    picture = Path(folder) / "map.png"
    command = [program, "saliency", photograph, "--class", class_index, *flags, "-o", picture, "--raw", raw]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    return numpy.load(raw).astype(float)


def inside(values, truth):
    """The share of a map's sum that lies in the true boxes, which are in pixels of the photograph."""
    height, width = values.shape
    rows = (numpy.arange(height) + 0.5) * truth["height"] / height
    columns = (numpy.arange(width) + 0.5) * truth["width"] / width
    chosen = numpy.zeros(values.shape, bool)
    for left, top, right, bottom in truth["boxes"]:
        chosen |= ((rows >= top) & (rows < bottom))[:, None] & ((columns >= left) & (columns < right))[None]
    total = numpy.nansum(values)
    return (numpy.nansum(values[chosen]) / total if total > 0 else numpy.nan), chosen.mean()


def measure(arguments, truths, model):
    """The mean shares: of one pass, of the readable map, and of the boxes' area."""
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        for truth in truths:
            path = arguments.folder / truth["file"]
            one_pass = arguments.one_pass if "--random-weights" not in model else arguments.program
            first = saliency(one_pass, path, truth["class_index"], [*model, "--crop", "whole"], folder)
            second = saliency(arguments.program, path, truth["class_index"], model, folder)
            (first, area), (second, _) = inside(first, truth), inside(second, truth)
            shares.append([first, second, area])
    shares = numpy.array(shares)
    constant = numpy.isnan(shares).any(axis=1)
    means = shares[~constant].mean(axis=0)
    # Of the ratio of means, by resampling photographs.
    random = numpy.random.default_rng(0)
    kept = shares[~constant]
    resampled = [kept[random.integers(len(kept), size=len(kept))].mean(axis=0) for _ in range(2000)]
    ratios = numpy.percentile([mean[1] / mean[0] for mean in resampled], [2.5, 97.5])
    return means, ratios, int(constant.sum())


def main():
    """Prints a row for every network and kind of weights."""
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--one-pass", type=Path)
    parser.add_argument("--random", type=int, default=60, help="photographs for random weights")
    parser.add_argument("--only", type=int, help="as many photographs, for a quick look")
    arguments = parser.parse_args()
    arguments.one_pass = arguments.one_pass or arguments.program
    truths = json.loads((arguments.folder / "ground_truth.json").read_text())[: arguments.only]
    print("| network | weights | photographs | boxes | one pass | readable | ratio [95 %] |")
    print("|---|---|---|---|---|---|---|")
    for network, model in NETWORKS.items():
        for weights, flags, chosen in [
            ("trained", [], truths),
            ("random", ["--random-weights", "1"], truths[:: max(len(truths) // max(arguments.random, 1), 1)]),
        ]:
            (one, readable, area), (low, high), constant = measure(arguments, chosen, [*model, *flags])
            note = f", {constant} constant" if constant else ""
            print(
                f"| {network} | {weights} | {len(chosen)}{note} | {area:.3f} | {one:.3f} | {readable:.3f} |"
                f" {readable / one:.3f} [{low:.3f}, {high:.3f}] |",
                flush=True,
            )


if __name__ == "__main__":
    main()
