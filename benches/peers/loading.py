"""Times from a file to the first scores, beside ONNX Runtime: `Model(path)` and one forward pass against a session and its first run.

    python loading.py FOLDER [networks ...] [--rounds 5]

Each time is of a process of its own, the libraries already imported, the two in turn; the folder keeps what is exported. Needs the Python
package of deepinside and what speed.py needs.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy

NETWORKS = ["squeezenet1_1", "resnet50", "mobilenet_v2", "efficientnet_lite0", "deit_tiny", "swin_tiny", "convnext_tiny", "efficientnet_v2_s",
            "mobilenet_v3_large", "regnet_y_400mf", "densenet121", "vit_b_16", "maxvit_t", "vgg16"]
"""Of the speed comparison."""


def once(side, path):
    """Milliseconds of one library, in this process."""
    picture = numpy.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(numpy.float32)
    if side == "deepinside":
        import deepinside

        start = time.perf_counter()
        deepinside.Model(path).forward(picture, "scores")
    else:
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 2
        start = time.perf_counter()
        session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
        session.run(["scores"], {"images": picture})
    return 1e3 * (time.perf_counter() - start)


def main():
    """Prints a row for every network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--once", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print(once(options.once, str(options.folder)))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    print("| network | ours | ONNX Runtime | ratio |\n|---|---|---|---|")
    for name in options.networks:
        path = options.folder / f"{name}.onnx"
        if not path.exists():
            # Not where times are taken: PyTorch in the same process is work of another kind.
            import networks
            import speed

            speed.export(networks.network(name), networks.picture(1, 224), path)
        times = {"deepinside": [], "onnxruntime": []}
        for _ in range(options.rounds):
            for side, found in times.items():
                command = [sys.executable, __file__, str(path), "--once", side]
                found.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        ratios = numpy.divide(times["deepinside"], times["onnxruntime"])
        ours, theirs = (statistics.median(found) for found in times.values())
        print(f"| {name} | {ours:.0f} ms | {theirs:.0f} ms | **{numpy.median(ratios):.2f} ({ratios.min():.2f}–{ratios.max():.2f})** |", flush=True)


if __name__ == "__main__":
    main()
