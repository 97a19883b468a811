"""What the Python package adds to the engine's own time, as a table in Markdown.

    python3 benches/peers/python_overhead.py SQUEEZENET.onnx --program target/release/deepinside

Needs deepinside, NumPy and onnx. SQUEEZENET.onnx is any export of SqueezeNet 1.1 (`benches/peers/networks.py` makes one). Rounds are interleaved: each
measures everything once, medians are shown, and the share is of the engine's own time for as many passes, by `deepinside bench`: of sixteen inputs its
batch of sixteen. Where PyTorch, torchvision and Captum are installed, Captum's time for the same stands beside it, with the inner batch of 5, 10, 25
or 50 that is fastest. A machine that does anything else meanwhile measures that.
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


def captum_calls(images, targets, threads):
    """What Captum takes for the same calls, by name and size of its inner batch; none without it."""
    try:
        import captum.attr
        import torch
        import torchvision
    except ImportError:
        return {}
    torch.set_num_threads(threads)
    module = torchvision.models.squeezenet1_1(weights=None).eval().requires_grad_(False)
    # Where it overwrites its input, Captum's hooks fail.
    for part in module.modules():
        if isinstance(part, torch.nn.ReLU):
            part.inplace = False
    batch = torch.from_numpy(images)
    one, target = batch[:1], targets[0]
    gradients, path = captum.attr.Saliency(module), captum.attr.IntegratedGradients(module)
    noisy = captum.attr.NoiseTunnel(gradients)
    noise = {"nt_samples": 50, "stdevs": 0.15, "abs": False}
    calls = {("gradient of 16 inputs, one call", COUNT): lambda: gradients.attribute(batch, target=targets, abs=False)}
    for size in (5, 10, 25, 50):
        calls["SmoothGrad of 50 copies", size] = lambda size=size: noisy.attribute(one, target=target, nt_samples_batch_size=size, **noise)
        calls["integrated gradients of 50 points", size] = lambda size=size: path.attribute(one, target=target, n_steps=50, internal_batch_size=size)
    return calls


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

    def engine(network, batch=1):
        """The engine's own time of one pass forward and back, in seconds."""
        told = subprocess.run(
            [arguments.program, "bench", "-m", network, "--batch", str(batch), "--threads", str(arguments.threads), "--seconds", "0.5", "--json"],
            check=True, capture_output=True, text=True,
        )
        return json.loads(told.stdout)["forward_backward_ms"]["median"] / 1e3

    def explain(method, **parameters):
        return lambda: model.explain(images[0], method, targets[0], **parameters)

    # With as many passes as each makes of one picture; the first is one of sixteen.
    calls = {
        "gradient of 16 inputs, one call": (None, lambda: model.explain(images, "gradient", targets)),
        "SmoothGrad of 50 copies": (50, explain("smooth-grad", samples=50, deviation=0.15, absolute=True)),
        "integrated gradients of 50 points": (50, explain("integrated-gradients", steps=50)),
    }
    with tempfile.TemporaryDirectory() as folder:
        network = one_layer(folder)
        small = deepinside.Model(network, threads=arguments.threads)
        picture = rng.normal(size=small.input_shape).astype(np.float32)
        for _ in range(20):
            small.explain(picture, "gradient", 0)
        overheads, own_overheads = [], []
        for _ in range(5):
            own_overheads.append(engine(network))
            overheads += [seconds(lambda: small.explain(picture, "gradient", 0)) for _ in range(200)]
    peers = captum_calls(images, targets, arguments.threads)
    for call in [call for _, call in calls.values()] + list(peers.values()):
        call()
    times = {name: [] for name in [*calls, *peers]}
    passes, batches = [], []
    for _ in range(arguments.rounds):
        passes.append(engine(arguments.network))
        batches.append(engine(arguments.network, COUNT))
        for name, (_, call) in calls.items():
            times[name].append(seconds(call))
        for name, call in peers.items():
            times[name].append(seconds(call))
    print("| call | ms | spread | the engine's own ms | engine's share | Captum's ms |\n|---|---|---|---|---|---|")
    for name, (count, _) in calls.items():
        found, own = times[name], [count * one for one in passes] if count else batches
        middle, engines = statistics.median(found), statistics.median(own)
        captums = min((statistics.median(times[peer]) for peer in peers if peer[0] == name), default=None)
        peer = "" if captums is None else f"{1e3 * captums:.0f}"
        print(f"| {name} | {1e3 * middle:.1f} | {1e3 * min(found):.1f} to {1e3 * max(found):.1f} | {1e3 * engines:.1f} | {engines / middle:.2f} | {peer} |")
    overhead, own = statistics.median(overheads), statistics.median(own_overheads)
    print(f"| one call on a one-layer network of 3 × 227 × 227, median of 1000 | {1e3 * overhead:.2f} | | {1e3 * own:.2f} | {1e3 * (overhead - own):.2f} ms more | |")
    print(f"\nThe engine's own pass forward and back of one picture: {1e3 * statistics.median(passes):.2f} ms ({1e3 * min(passes):.2f} to {1e3 * max(passes):.2f}).")


if __name__ == "__main__":
    main()
