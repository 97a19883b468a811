"""What the Python package adds to the engine's own time, as a table in Markdown.

    python3 benches/peers/python_overhead.py SQUEEZENET.onnx --program target/release/deepinside

Needs deepinside and NumPy; with Captum and torch beside it, their rates stand in the same table. SQUEEZENET.onnx is any export of SqueezeNet 1.1
(`benches/peers/networks.py` makes one). Rounds are interleaved: each measures everything once, and medians are shown.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import deepinside

ROUNDS = 7
COUNT = 16


def seconds(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def one_layer(folder):
    """A network of one product, written with the importer's own test network where there is no ONNX package."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32), "w")
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["s"], transB=1),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "one", [value("x", TensorProto.FLOAT, [1, 3, 227, 227])], [value("s", TensorProto.FLOAT, [1, 10])], [weights]
    )
    path = Path(folder) / "one.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network", type=Path)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    model = deepinside.Model(arguments.network, threads=arguments.threads)
    size = model.input_shape
    images = rng.normal(size=(COUNT, *size)).astype(np.float32)
    targets = [int(target) for target in rng.integers(0, len(model.classes), COUNT)]

    def engine(*flags):
        """The time of one pass forward and back by the program's own bench, in seconds."""
        told = subprocess.run(
            [arguments.program, "bench", "-m", arguments.network, "--threads", str(arguments.threads), "--json", *flags],
            check=True, capture_output=True, text=True,
        )
        return json.loads(told.stdout)

    def explain(method, **parameters):
        return lambda: model.explain(images[0], method, targets[0], **parameters)

    calls = {
        "gradient of 16, one call": lambda: model.explain(images, "gradient", targets),
        "SmoothGrad-50 of one": explain("smooth-grad", samples=50, deviation=0.15, absolute=True),
        "IG-50 of one": explain("integrated-gradients", steps=50),
    }
    with tempfile.TemporaryDirectory() as folder:
        small = deepinside.Model(one_layer(folder), threads=arguments.threads)
        picture = rng.normal(size=small.input_shape).astype(np.float32)
        for _ in range(20):
            small.explain(picture, "gradient", 0)
        overhead = statistics.median(seconds(lambda: small.explain(picture, "gradient", 0)) for _ in range(1000))
    for call in calls.values():
        call()
    times = {name: [] for name in calls}
    benches = []
    for _ in range(ROUNDS):
        benches.append(engine())
        for name, call in calls.items():
            times[name].append(seconds(call))
    print(json.dumps(benches[0])[:400])
    for name, own in times.items():
        print(f"| {name} | {1e3 * statistics.median(own):.1f} ms | {1e3 * min(own):.1f}–{1e3 * max(own):.1f} |")
    print(f"| one call on a one-layer network of 3 × 227 × 227, median of 1000 | {1e3 * overhead:.3f} ms | |")


if __name__ == "__main__":
    main()
