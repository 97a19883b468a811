"""What the Python package adds to the engine's own time, as a table in Markdown.

    python3 benches/peers/python_overhead.py SQUEEZENET.onnx --program target/release/deepinside

Needs deepinside, NumPy and onnx. SQUEEZENET.onnx is any export of SqueezeNet 1.1 (`benches/peers/networks.py` makes one). Rounds are interleaved: each
measures everything once, medians are shown, and the share is of the engine's own time for as many passes, by `deepinside bench`. A machine that does
anything else meanwhile measures that.
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

COUNT = 16


def seconds(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def one_layer(folder):
    """A network of one product of the mean colour."""
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
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    model = deepinside.Model(arguments.network, threads=arguments.threads)
    size = model.input_shape
    images = rng.normal(size=(COUNT, *size)).astype(np.float32)
    targets = [int(target) for target in rng.integers(0, len(model.classes), COUNT)]

    def engine():
        """The engine's own time of one pass forward and back, in seconds."""
        told = subprocess.run(
            [arguments.program, "bench", "-m", arguments.network, "--threads", str(arguments.threads), "--json"],
            check=True, capture_output=True, text=True,
        )
        return json.loads(told.stdout)["forward_backward_ms"]["median"] / 1e3

    def explain(method, **parameters):
        return lambda: model.explain(images[0], method, targets[0], **parameters)

    # With as many passes as each makes.
    calls = {
        "gradient of 16 inputs, one call": (COUNT, lambda: model.explain(images, "gradient", targets)),
        "SmoothGrad of 50 copies": (50, explain("smooth-grad", samples=50, deviation=0.15, absolute=True)),
        "integrated gradients of 50 points": (50, explain("integrated-gradients", steps=50)),
    }
    with tempfile.TemporaryDirectory() as folder:
        small = deepinside.Model(one_layer(folder), threads=arguments.threads)
        picture = rng.normal(size=small.input_shape).astype(np.float32)
        for _ in range(20):
            small.explain(picture, "gradient", 0)
        overhead = statistics.median(seconds(lambda: small.explain(picture, "gradient", 0)) for _ in range(1000))
    for _, call in calls.values():
        call()
    times = {name: [] for name in calls}
    passes = []
    for _ in range(arguments.rounds):
        passes.append(engine())
        for name, (_, call) in calls.items():
            times[name].append(seconds(call))
    own = statistics.median(passes)
    print(f"The engine's own pass forward and back: {1e3 * own:.2f} ms ({1e3 * min(passes):.2f} to {1e3 * max(passes):.2f}).\n")
    print("| call | ms | spread | engine's share |\n|---|---|---|---|")
    for name, (count, _) in calls.items():
        found = times[name]
        middle = statistics.median(found)
        print(f"| {name} | {1e3 * middle:.1f} | {1e3 * min(found):.1f} to {1e3 * max(found):.1f} | {count * own / middle:.2f} |")
    print(f"| one call on a one-layer network of 3 × 227 × 227, median of 1000 | {1e3 * overhead:.3f} | | |")


if __name__ == "__main__":
    main()
