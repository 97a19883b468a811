"""Times the paper's graph cut against OpenCV's grabCut: the same pictures, the same markers, taking turns.

    python graph_cut.py PICTURES -m MODEL [--count 40] [--rounds 3]

deepinside makes the saliency maps, raw and smoothed (`localise --raw`); markers are the pixels above the 95 % and below the 30 %
quantile. Smoothed maps leave larger parts open, and cuts take longer. Either side learns two mixtures of five Gaussians from the marked pixels alone and cuts once, markers kept. OpenCV's grabCut knows
one thread only; deepinside learns the mixtures and weighs the borders side by side where there are more."""

import argparse
import pathlib
import statistics
import subprocess
import tempfile
import time

import cv2
import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]

MAPS = {"raw": ["--method", "paper-literal"], "smoothed": ["--method", "paper", "--refinements", "0"]}
"""What makes the maps; the cuts that are made on the way are not used."""


def opencv(picture, foreground, background):
    """Milliseconds and labels of OpenCV: models learnt from the marked pixels, then one cut with these models."""
    start = time.perf_counter()
    colours = numpy.concatenate([picture[foreground], picture[background]])[:, None]
    kinds = numpy.full((len(colours), 1), cv2.GC_BGD, numpy.uint8)
    kinds[: foreground.sum()] = cv2.GC_FGD
    models = numpy.zeros((1, 65)), numpy.zeros((1, 65))
    cv2.grabCut(colours, kinds, None, *models, 0, cv2.GC_INIT_WITH_MASK)
    labels = numpy.full(picture.shape[:2], cv2.GC_PR_BGD, numpy.uint8)
    labels[foreground], labels[background] = cv2.GC_FGD, cv2.GC_BGD
    cv2.grabCut(picture, labels, None, *models, 1, cv2.GC_EVAL_FREEZE_MODEL)
    return 1e3 * (time.perf_counter() - start), (labels & 1).astype(bool)


def measure(pictures, model, method, rounds):
    """Milliseconds of all cuts of either side, and the shares of equal labels."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        program, example = ROOT / "target/release/deepinside", ROOT / "target/release/examples/graph_cut_timing"
        command = [program, "localise", *pictures, "-m", model, *method, "-o", folder / "pictures/", "--raw", folder / "maps/"]
        subprocess.run(command, check=True, capture_output=True)
        (folder / "labels").mkdir()
        ours = subprocess.Popen([example, folder / "labels"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        times, peers, agreements = [], [], []
        for round_number in range(rounds):
            for number, path in enumerate(pictures):
                picture, saliency = cv2.imread(str(path)), folder / f"maps/{path.stem}-saliency.npy"
                numbers = numpy.load(saliency)
                marked = numbers > numpy.quantile(numbers, 0.95), numbers < numpy.quantile(numbers, 0.30)
                print(path, saliency, sep="\t", file=ours.stdin, flush=True)
                times.append(float(ours.stdout.readline()))
                milliseconds, labels = opencv(picture, *marked)
                peers.append(milliseconds)
                if round_number == 0:
                    agreements.append((numpy.load(folder / f"labels/{number}.npy").astype(bool) == labels).mean())
        ours.stdin.close()
        ours.wait()
    return times, peers, agreements


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=pathlib.Path)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    pictures = sorted(path for path in arguments.pictures.iterdir() if path.is_file())[: arguments.count]
    for maps, method in MAPS.items():
        times, peers, agreements = measure(pictures, arguments.model, method, arguments.rounds)
        print(f"{maps} maps, {len(times)} cuts")
        for name, values in (("deepinside", times), ("OpenCV " + cv2.__version__, peers)):
            low, middle, high = numpy.quantile(values, [0.05, 0.5, 0.95])
            print(f"  {name:<14} median {middle:6.1f} ms   5 to 95 %: {low:.1f} to {high:.1f}")
        ratio = statistics.median(peer / own for own, peer in zip(times, peers))
        equal = 100 * numpy.mean(agreements)
        print(f"  OpenCV takes {ratio:.2f} times as long (median over cuts); {equal:.1f} % of the labels agree")


if __name__ == "__main__":
    main()
