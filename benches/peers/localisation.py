"""Localises with OpenCV's grabCut on deepinside's maps, from several random starts, beside deepinside's own cuts.

    python localisation.py GROUND_TRUTH.json -m MODEL [--starts 5]

Colour models depend on where k-means starts, and so do some boxes: OpenCV's errors are printed as the least and the most of its starts. An
error is the share of pictures whose box, from the map of the true class, overlaps none of the true boxes by half (GT-known)."""

import argparse
import collections
import json
import pathlib
import subprocess
import tempfile

import cv2
import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/release/deepinside"

MAPS = {"raw": ["--method", "paper-literal"], "smoothed": ["--method", "paper", "--refinements", "0"]}
"""What makes the maps; the cuts that are made on the way are not used."""

ROWS = {
    "raw map, markers kept, one cut": ["--method", "paper-literal"],
    "raw map, markers free": ["--method", "paper-literal", "--clamped", "false"],
    "smoothed map, markers kept, one cut": ["--method", "paper", "--refinements", "0"],
    "the same and five more": ["--method", "paper"],
    "all of its foreground": ["--method", "paper", "--keep", "all"],
}


def learnt(picture, foreground, background):
    """OpenCV's colour models of the marked pixels alone."""
    colours = numpy.concatenate([picture[foreground], picture[background]])[:, None]
    kinds = numpy.full((len(colours), 1), cv2.GC_BGD, numpy.uint8)
    kinds[: foreground.sum()] = cv2.GC_FGD
    models = numpy.zeros((1, 65)), numpy.zeros((1, 65))
    cv2.grabCut(colours, kinds, None, *models, 0, cv2.GC_INIT_WITH_MASK)
    return models


def largest(foreground):
    """The largest region of pixels that touch by edges or corners."""
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(foreground.astype(numpy.uint8), connectivity=8)
    return labels == 1 + statistics[1:, cv2.CC_STAT_AREA].argmax() if count > 1 else foreground


def masks(picture, maps):
    """The pixels of each row."""
    result = []
    for name, numbers in maps.items():
        marked = numbers > numpy.quantile(numbers, 0.95), numbers < numpy.quantile(numbers, 0.30)
        models = learnt(picture, *marked)
        labels = numpy.full(picture.shape[:2], cv2.GC_PR_BGD, numpy.uint8)
        free = labels.copy()
        free[marked[0]] = cv2.GC_PR_FGD
        labels[marked[0]], labels[marked[1]] = cv2.GC_FGD, cv2.GC_BGD
        cv2.grabCut(picture, labels, None, *models, 1, cv2.GC_EVAL_FREEZE_MODEL)
        result.append(largest(labels & 1 > 0))
        if name == "raw":
            cv2.grabCut(picture, free, None, *models, 1, cv2.GC_EVAL_FREEZE_MODEL)
            result.append(largest(free & 1 > 0))
        else:
            cv2.grabCut(picture, labels, None, *models, 5, cv2.GC_EVAL)
            result += [largest(labels & 1 > 0), labels & 1 > 0]
    return result


def overlap(mask, box):
    """Intersection over union of the box around a mask, or the whole picture, and another box."""
    rows, columns = numpy.nonzero(mask if mask.any() else numpy.ones_like(mask))
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    width = max(0, min(right, box[2]) - max(left, box[0]))
    height = max(0, min(bottom, box[3]) - max(top, box[1]))
    both = width * height
    return both / ((right - left) * (bottom - top) + (box[2] - box[0]) * (box[3] - box[1]) - both)


def make_maps(pictures, model, folder):
    """Writes the maps of the true classes: one call for each class and kind of map."""
    of_class = collections.defaultdict(list)
    for picture in pictures:
        of_class[picture["class_index"]].append(picture["path"])
    for name, options in MAPS.items():
        for label, paths in of_class.items():
            command = [PROGRAM, "localise", *paths, "-m", model, "--class", str(label), *options]
            # A path that ends so is a folder, also for one photograph.
            outputs = ["-o", f"{folder}/pictures/", "--raw", f"{folder}/{name}/"]
            subprocess.run([*command, *outputs], check=True, capture_output=True)


def own_error(ground_truth, model, options):
    """What deepinside's evaluation says of a row."""
    command = [PROGRAM, "evaluate", "localisation", "-m", model, "--ground-truth", ground_truth, "--json", *options]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output)["localisation"]["gt_known_error"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ground_truth", type=pathlib.Path)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--starts", type=int, default=5)
    arguments = parser.parse_args()
    pictures = json.loads(arguments.ground_truth.read_text())
    for picture in pictures:
        picture["path"] = arguments.ground_truth.parent / picture["file"]
    errors = {row: numpy.zeros(arguments.starts) for row in ROWS}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        make_maps(pictures, arguments.model, folder)
        for picture in pictures:
            pixels = cv2.imread(str(picture["path"]))
            maps = {name: numpy.load(folder / name / f"{picture['path'].stem}-saliency.npy") for name in MAPS}
            for start in range(arguments.starts):
                cv2.setRNGSeed(start)
                for row, mask in zip(ROWS, masks(pixels, maps)):
                    errors[row][start] += max(overlap(mask, box) for box in picture["boxes"]) < 0.5
    print(f"| row | OpenCV {cv2.__version__}, {arguments.starts} starts: least, mean, most | deepinside |\n|---|---|---|")
    for row, options in ROWS.items():
        percent = 100 * errors[row] / len(pictures)
        own = 100 * own_error(arguments.ground_truth, arguments.model, options)
        print(f"| {row} | {percent.min():.1f}, {percent.mean():.1f}, {percent.max():.1f} | {own:.1f} |")


if __name__ == "__main__":
    main()
