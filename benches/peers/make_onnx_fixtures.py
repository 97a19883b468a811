"""Makes the small ONNX networks of `crates/cli/tests/fixtures/onnx`, with what ONNX Runtime and PyTorch make of them.

Two kinds: blocks of well-known architectures, exported from PyTorch (scores by ONNX Runtime, the gradient of one score with
respect to the input by PyTorch in double precision), and files written by hand in forms that importers trip over (scores
by ONNX Runtime alone).
"""

import json
import pathlib
import sys
import warnings

import numpy
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

CLASS = 2


class Residual(nn.Module):
    """ResNet: a projection beside two convolutions, both normalised."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        self.body = nn.Sequential(nn.Conv2d(8, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU(inplace=True), nn.Conv2d(12, 12, 3, 1, 1, bias=False), nn.BatchNorm2d(12))
        self.side = nn.Sequential(nn.Conv2d(8, 12, 1, 2, bias=False), nn.BatchNorm2d(12))
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        x = self.stem(x)
        x = torch.relu(self.body(x) + self.side(x))
        return self.head(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))


class Inverted(nn.Module):
    """MobileNetV3: depthwise 5×5, squeeze-and-excitation with a hard sigmoid, hard swish."""

    def __init__(self):
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(3, 16, 1, bias=False), nn.BatchNorm2d(16), nn.Hardswish())
        self.depthwise = nn.Sequential(nn.Conv2d(16, 16, 5, 2, 2, groups=16, bias=False), nn.BatchNorm2d(16), nn.Hardswish())
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 4, 1), nn.ReLU(), nn.Conv2d(4, 16, 1), nn.Hardsigmoid())
        self.head = nn.Sequential(nn.Conv2d(16, 10, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(10, 5))

    def forward(self, x):
        x = self.depthwise(self.expand(x))
        return self.head(x * self.squeeze(x))


class Shuffle(nn.Module):
    """ShuffleNet: grouped convolutions and the shuffle of their channels; DenseNet's and GoogLeNet's joining."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 12, 3, 2, 1), nn.Conv2d(12, 12, 3, 1, 1, groups=3)
        self.pool, self.third = nn.AvgPool2d(3, 2, 1, ceil_mode=True), nn.Conv2d(24, 5, (1, 3), padding=(0, 1), dilation=1)

    def forward(self, x):
        x = functional.leaky_relu(self.first(x), 0.1)
        y = functional.silu(self.second(x))
        n, c, h, w = y.shape
        y = y.view(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w)
        left, right = torch.cat([x, y], 1).chunk(2, 1)
        x = self.third(self.pool(torch.cat([right, left], 1)))
        return functional.log_softmax(x.mean([2, 3]), 1)


class Next(nn.Module):
    """ConvNeXt: normalisation over channels that lie last, GELU, a learnt scale."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 12, 4, 4), nn.LayerNorm(12)
        self.depthwise, self.wide, self.narrow = nn.Conv2d(12, 12, 7, 1, 3, groups=12), nn.Linear(12, 24), nn.Linear(24, 12)
        self.scale, self.head = nn.Parameter(torch.rand(12, 1, 1)), nn.Linear(12, 5)

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.narrow(functional.gelu(self.wide(y))).permute(0, 3, 1, 2)
        return self.head((x + self.scale * y).mean([-2, -1]))


class Attention(nn.Module):
    """ViT: patches as tokens, a class token, one layer of attention."""

    def __init__(self):
        super().__init__()
        self.patches, self.token, self.position = nn.Conv2d(3, 12, 8, 8), nn.Parameter(torch.randn(1, 1, 12)), nn.Parameter(torch.randn(1, 17, 12))
        self.first, self.second = nn.LayerNorm(12), nn.LayerNorm(12)
        self.joint, self.out = nn.Linear(12, 36), nn.Linear(12, 12)
        self.wide, self.narrow, self.head = nn.Linear(12, 24), nn.Linear(24, 12), nn.Linear(12, 5)

    def forward(self, x):
        n = x.shape[0]
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(n, -1, -1), x], 1) + self.position
        q, k, v = self.joint(self.first(x)).reshape(n, 17, 3, 3, 4).permute(2, 0, 3, 1, 4)
        weights = ((q @ k.transpose(-2, -1)) * 0.5).softmax(-1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(n, 17, 12))
        x = x + self.narrow(functional.gelu(self.wide(self.second(x)), approximate="tanh"))
        return self.head(x[:, 0])


class Rotary(nn.Module):
    """Tokens turned by angles of their positions in all their numbers, where the code allows for fewer: what is not turned has no elements."""

    def __init__(self):
        super().__init__()
        self.patches, self.head = nn.Conv2d(3, 12, 8, 8), nn.Linear(12, 5)
        self.register_buffer("angle", torch.outer(torch.arange(16.0), torch.exp(-torch.arange(6.0))).repeat(1, 2))

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        turned, kept = x[..., :12], x[..., 12:]
        half = torch.cat([-turned[..., 6:], turned[..., :6]], -1)
        x = torch.cat([turned * self.angle.cos() + half * self.angle.sin(), kept], -1)
        return self.head((x @ x.transpose(1, 2) * 0.3).softmax(-1).matmul(x).mean(1))


class Segmenter(nn.Module):
    """Resizing, transposed convolution, padding, instance and group normalisation, PReLU, ELU and pixel shuffling."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(8, affine=True)
        self.up, self.group, self.prelu = nn.ConvTranspose2d(8, 8, 3, 2, 1, 1), nn.GroupNorm(2, 8), nn.PReLU(8)
        self.last = nn.Conv2d(2, 5, 1)

    def forward(self, x):
        x = functional.elu(self.norm(self.first(functional.max_pool2d(x, 4))))
        x = self.prelu(self.group(self.up(x)))
        x = functional.interpolate(x, scale_factor=1.5, mode="bilinear", align_corners=False)
        x = functional.pixel_shuffle(x, 2)
        x = functional.interpolate(x, size=(20, 18), mode="bicubic", align_corners=True)
        return functional.pad(self.last(x), (1, 2, 0, 1)).amax([2, 3])


def save(folder, name, model, inputs, gradient=None):
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(model, onnx.ModelProto):
        onnx.checker.check_model(model)
        (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    (scores,) = session.run(["scores"], inputs)
    for key, array in inputs.items():
        numpy.save(folder / f"{key}.npy", array)
    numpy.save(folder / "scores.npy", scores.astype(numpy.float32))
    if gradient is not None:
        numpy.save(folder / "gradient.npy", gradient.astype(numpy.float32))


def exported(folder, name, model, dynamo, opset=None, size=32, open_batch=True):
    torch.manual_seed(3)
    model = model()
    model.train()
    with torch.no_grad():
        for _ in range(20):
            model(torch.randn(16 if open_batch else 2, 3, size, size))
    model.eval()
    picture = torch.randn(2, 3, size, size)
    (folder / name).mkdir(parents=True, exist_ok=True)
    path = folder / name / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            shapes = ({0: torch.export.Dim("N")},) if open_batch else None
            torch.onnx.export(model, (picture,), str(path), dynamo=True, opset_version=opset, verbose=False, external_data=False, input_names=["images"], output_names=["scores"], dynamic_shapes=shapes)
        else:
            axes = {"images": {0: "N"}} if open_batch else None
            torch.onnx.export(model, (picture,), str(path), dynamo=False, opset_version=opset or 17, input_names=["images"], output_names=["scores"], dynamic_axes=axes)
    proto = onnx.load(str(path))
    # Nothing of the machine that exported it, and less to store.
    for node in proto.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    for value in [*proto.graph.value_info, *proto.graph.input, *proto.graph.output]:
        del value.metadata_props[:]
    del proto.metadata_props[:], proto.graph.metadata_props[:]
    del proto.graph.value_info[:]
    for function in proto.functions:
        function.ClearField("doc_string")
    single = picture.numpy()
    double = model.double()
    argument = picture.double().requires_grad_()
    double(argument)[:, CLASS].sum().backward()
    save(folder, name, proto, {"images": single}, argument.grad.numpy())


def made(nodes, initialisers, shape=("N", 3, 8, 8), opset=13, ir_version=8, inputs=None):
    tensors = [numpy_helper.from_array(array, key) for key, array in initialisers.items()]
    graph = helper.make_graph(
        nodes, "made by hand",
        inputs or [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", "C"])], tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = ir_version
    return model


def by_hand(folder):
    rng = numpy.random.default_rng(5)
    node = helper.make_node

    def noise(*shape):
        return rng.standard_normal(shape).astype(numpy.float32)

    picture = {"images": noise(2, 3, 8, 8)}
    filters, matrix, bias = noise(4, 3, 3, 3), noise(4 * 36, 5) / 10, noise(5)
    convolution = node("Conv", ["images", "w"], ["c"], kernel_shape=[3, 3])

    save(folder, "shape_arithmetic", made([
        convolution, node("Shape", ["c"], ["s"]), node("Gather", ["s", "zero"], ["n"], axis=0),
        node("Unsqueeze", ["n", "axes"], ["n1"]), node("Concat", ["n1", "minus"], ["target"], axis=0),
        node("Reshape", ["c", "target"], ["flat"]), node("MatMul", ["flat", "m"], ["product"]),
        node("Add", ["product", "b"], ["scores"]),
    ], {"w": filters, "m": matrix, "b": bias, "zero": numpy.int64(0), "axes": numpy.int64([0]), "minus": numpy.int64([-1])}), picture)

    scale, statistics = noise(4), {"g": noise(4), "d": noise(4), "mu": noise(4), "v": abs(noise(4)) + 0.5}
    save(folder, "operator_set_7", made([
        convolution, node("BatchNormalization", ["c", "g", "d", "mu", "v"], ["n"], epsilon=1e-3),
        node("Clip", ["n"], ["r"], min=0.0, max=6.0), node("Upsample", ["r"], ["u"], mode="nearest", scales=[1.0, 1.0, 2.0, 2.0]),
        node("Slice", ["u"], ["cut"], axes=[2, 3], starts=[1, -11], ends=[9223372036854775807, -2]),
        node("GlobalAveragePool", ["cut"], ["p"]), node("Squeeze", ["p"], ["q"], axes=[2, 3]), node("Softmax", ["q"], ["scores"]),
    ], {"w": filters, **statistics}, opset=8, ir_version=3, inputs=[
        helper.make_tensor_value_info("images", TensorProto.FLOAT, [2, 3, 8, 8]),
        # Files of the first versions list their weights among the inputs.
        helper.make_tensor_value_info("w", TensorProto.FLOAT, filters.shape),
        *(helper.make_tensor_value_info(key, TensorProto.FLOAT, [4]) for key in statistics),
    ]), picture)

    save(folder, "channels_last", made([
        node("Transpose", ["images"], ["first"], perm=[0, 3, 1, 2]), node("Conv", ["first", "w"], ["c"], auto_pad="SAME_UPPER", strides=[2, 2], kernel_shape=[3, 3]),
        node("Relu", ["c"], ["r"]), node("Transpose", ["r"], ["last"], perm=[0, 2, 3, 1]),
        node("ReduceMean", ["last"], ["p"], axes=[1, 2], keepdims=0), node("Gemm", ["p", "m", "b"], ["scores"], alpha=0.5, beta=2.0, transB=1),
    ], {"w": filters, "m": noise(5, 4), "b": bias}, shape=("N", 9, 9, 3)), {"images": noise(2, 9, 9, 3)})

    quantised = rng.integers(-120, 120, (4, 3, 3, 3)).astype(numpy.int8)
    save(folder, "narrow_weights", made([
        node("DequantizeLinear", ["q", "qs", "qz"], ["w"], axis=0), node("Cast", ["half"], ["m"], to=TensorProto.FLOAT),
        node("Conv", ["images", "w"], ["c"], kernel_shape=[3, 3]), node("Flatten", ["c"], ["f"]), node("MatMul", ["f", "m"], ["scores"]),
    ], {"q": quantised, "qs": abs(noise(4)) / 50, "qz": numpy.int8([1, 0, -3, 5]), "half": matrix.astype(numpy.float16)}), picture)

    branch = lambda name, operator: helper.make_graph([node(operator, ["c"], [name])], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4, 6, 6])])
    save(folder, "branch_and_constants", made([
        convolution, node("Constant", [], ["yes"], value=numpy_helper.from_array(numpy.array(True))),
        node("If", ["yes"], ["r"], then_branch=branch("taken", "Relu"), else_branch=branch("other", "Neg")),
        node("Constant", [], ["half"], value_float=0.5), node("Constant", [], ["parts"], value_ints=[1, 3]),
        node("Mul", ["r", "half"], ["h"]), node("Split", ["h", "parts"], ["a", "b"], axis=1), node("Mul", ["a", "b"], ["p"]),
        node("Resize", ["p", "", "scales"], ["u"], mode="linear", coordinate_transformation_mode="half_pixel"),
        node("Pad", ["u", "borders", "value"], ["v"], mode="constant"), node("ReduceMax", ["v"], ["scores"], axes=[2, 3], keepdims=0),
    ], {"w": filters, "scales": numpy.float32([1, 1, 1.7, 0.6]), "borders": numpy.int64([0, 1, 0, 0, 0, 1, 0, -1]), "value": numpy.float32(-0.3)}), picture)

    external = made([convolution, node("Flatten", ["c"], ["f"]), node("MatMul", ["f", "m"], ["scores"])], {"w": filters, "m": matrix})
    (folder / "external_data").mkdir(parents=True, exist_ok=True)
    onnx.save(external, folder / "external_data" / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    save(folder, "external_data", None, picture)

    save(folder, "attention_by_einsum", made([
        convolution, node("Reshape", ["c", "tokens"], ["t"]), node("Einsum", ["t", "t"], ["a"], equation="nci,ncj->nij"),
        node("Softmax", ["a"], ["s"], axis=-1), node("Einsum", ["s", "t"], ["o"], equation="nij,ncj->nic"),
        node("Gather", ["o", "picked"], ["g"], axis=1), node("Where", ["mask", "g", "low"], ["x"]), node("ReduceLogSumExp", ["x"], ["scores"], axes=[1], keepdims=0),
    ], {"w": filters / 8, "tokens": numpy.int64([0, 4, 36]), "picked": numpy.int64([0, -1, 7, 7]), "mask": numpy.array([[True], [False], [True], [True]]), "low": numpy.float32(-1)}), picture)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "crates/cli/tests/fixtures/onnx")
    for model in (Residual, Inverted, Shuffle, Next, Attention, Segmenter, Rotary):
        exported(folder, model.__name__.lower(), model, False)
    for model in (Residual, Shuffle, Next, Attention):
        exported(folder, model.__name__.lower() + "_dynamo", model, True)
    by_hand(folder)
    print(json.dumps({"bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())}))


if __name__ == "__main__":
    main()
