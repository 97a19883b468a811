"""Runs the network tests of the package `onnx` (simple, pytorch-converted, pytorch-operator, light) through `deepinside trace`.

Prints for each suite how many pass, are refused with a sentence, give other numbers, or have results that are no numbers.
"""

import argparse
import collections
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnx.backend.test
from onnx import numpy_helper

ROOT = pathlib.Path(onnx.backend.test.__file__).parent / "data"
NUMBERS = {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16}


def tests():
    for suite in ("simple", "pytorch-converted", "pytorch-operator"):
        for folder in sorted((ROOT / suite).iterdir()):
            yield suite, folder.name, folder / "model.onnx", folder / "test_data_set_0"
    for path in sorted((ROOT / "light").glob("*.onnx")):
        yield "light", path.stem, path, None


def run(path, data, binary):
    """(verdict, reason)."""
    model = onnx.load(str(path))
    known = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in known]
    kinds = [value.type.tensor_type.elem_type for value in [*inputs, *model.graph.output] if value.type.HasField("tensor_type")]
    if len(kinds) < len(inputs) + len(model.graph.output) or any(kind not in NUMBERS for kind in kinds):
        return "no numbers", "strings or sequences"
    if data is None:
        shapes = [[extent.dim_value for extent in value.type.tensor_type.shape.dim] for value in inputs]
        feeds = [numpy.arange(numpy.prod(shape)).reshape(shape) / numpy.prod(shape) for shape in shapes]
        expected = [onnx.load_tensor(str(path)[: -len(".onnx")] + "_output_0.pb")]
    else:
        feeds = [numpy_helper.to_array(onnx.load_tensor(str(data / f"input_{index}.pb"))) for index in range(len(inputs))]
        expected = [onnx.load_tensor(str(data / f"output_{index}.pb")) for index in range(len(model.graph.output))]
    with tempfile.TemporaryDirectory() as work:
        out = os.path.join(work, "out")
        command = [binary, "trace", "-m", str(path), "--out", out, "--threads", "1"]
        for index, (value, feed) in enumerate(zip(inputs, feeds)):
            file = os.path.join(work, f"input{index}.npy")
            numpy.save(file, numpy.asarray(feed, numpy.float32))
            command += ["--input", f"{value.name}={file}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if done.returncode:
            return ("refused" if done.returncode in (1, 2) else "wrong"), done.stderr.strip().splitlines()[-1][-200:]
        for value, tensor in zip(model.graph.output, expected):
            file = os.path.join(out, "data_" + value.name.replace("/", "__") + ".npy")
            if not os.path.exists(file):
                return "wrong", f"no result '{value.name}'"
            found, wanted = numpy.load(file), numpy_helper.to_array(tensor).astype(numpy.float32)
            if found.shape != wanted.shape or not numpy.allclose(found, wanted, rtol=1e-3, atol=1e-5, equal_nan=True):
                return "wrong", f"'{value.name}' of {found.shape} instead of {wanted.shape}, or other numbers"
    return "pass", ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default="target/release/deepinside")
    parser.add_argument("--only", default="", help="only tests whose name contains this")
    arguments = parser.parse_args()
    counts = collections.defaultdict(collections.Counter)
    for suite, name, path, data in tests():
        if arguments.only in name:
            verdict, why = run(path, data, arguments.binary)
            counts[suite][verdict] += 1
            if verdict in ("refused", "wrong"):
                print(f"{verdict} {suite}/{name}: {why}")
    for suite, verdicts in counts.items():
        print(suite, dict(verdicts))
    return 1 if any(verdicts["wrong"] for verdicts in counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
