"""Makes small ONNX networks with functions, branches, quantised operators and what ONNX Runtime fuses, in
`crates/cli/tests/fixtures/onnx`.

As `make_onnx_fixtures.py`, whose functions it uses: ONNX Runtime gives the scores, and PyTorch the gradient in double precision of the
same network written out; a rounding passes its gradient as if it were not there. Scales are powers of two, so that no product is rounded.
"""

import pathlib
import sys

import numpy
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch.nn import functional

from make_onnx_fixtures import made, save

MICROSOFT = "com.microsoft"
node = helper.make_node
rng = numpy.random.default_rng(3)


def noise(*shape):
    return rng.standard_normal(shape).astype(numpy.float32)


def gradient(network, picture):
    """The gradient of class 2, summed over the pictures, in double precision."""
    x = torch.tensor(picture, dtype=torch.float64, requires_grad=True)
    network(x)[:, 2].sum().backward()
    return x.grad.numpy()


def double(array):
    return torch.tensor(array, dtype=torch.float64)


def rounded(x, scale, zero, low, high):
    """Quantised and back; the gradient passes the rounding, and stops at the bounds."""
    q = x / scale
    q = q + (torch.round(q) - q).detach()
    return (torch.clamp(q + zero, low, high) - zero) * scale


def fused(folder):
    picture = noise(2, 3, 8, 8)
    filters, bias, matrix, weight = noise(4, 3, 3, 3), noise(4), noise(5, 4), noise(4)
    beta, skip = noise(4), noise(4)
    fuse = lambda kind, *arguments, **attributes: node(kind, *arguments, domain=MICROSOFT, **attributes)
    model = made([
        fuse("FusedConv", ["images", "w", "b"], ["c"], kernel_shape=[3, 3], activation="LeakyRelu", activation_params=[0.2]),
        fuse("FusedConv", ["images", "w", "b", "c"], ["d"], kernel_shape=[3, 3], activation="HardSwish"),
        node("Reshape", ["d", "flat"], ["tokens"]), node("Transpose", ["tokens"], ["t"], perm=[0, 2, 1]),
        fuse("SkipLayerNormalization", ["t", "t", "weight", "beta", "skip"], ["n", "", "", "sum"], epsilon=1e-3),
        fuse("BiasGelu", ["n", "b"], ["g"]), fuse("QuickGelu", ["g"], ["q"], alpha=1.5), fuse("FastGelu", ["q", "beta"], ["f"]),
        node("Add", ["f", "sum"], ["a"]),
        fuse("FusedMatMul", ["a", "matrix"], ["m"], transB=1, alpha=0.5), node("ReduceMean", ["m"], ["scores"], axes=[1], keepdims=0),
    ], {"w": filters, "b": bias, "matrix": matrix, "weight": weight, "beta": beta, "skip": skip, "flat": numpy.int64([0, 0, -1])}, opset=17)
    model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))

    def network(x):
        w, b, m = double(filters), double(bias), double(matrix)
        c = functional.conv2d(x, w, b)
        d = functional.hardswish(c + functional.leaky_relu(c, 0.2))
        t = d.flatten(2).transpose(1, 2)
        s = t + t + double(skip)
        g = functional.gelu(functional.layer_norm(s, [4], double(weight), double(beta), 1e-3) + b)
        q = g * torch.sigmoid(1.5 * g)
        return (functional.gelu(q + double(beta), approximate="tanh") + s).matmul(m.T).mul(0.5).mean(1)

    unchecked(folder, "fused_by_onnx_runtime", model, picture, gradient(network, picture))


def unchecked(folder, name, model, picture, gradient):
    """Operators of other domains are unknown to ONNX's checker."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    save(folder, name, None, {"images": picture}, gradient)


def quantised(folder):
    picture = noise(2, 3, 8, 8)
    filters = rng.integers(-120, 120, (4, 3, 3, 3)).astype(numpy.int8)
    scales = numpy.float32([0.0078125, 0.015625, 0.0078125, 0.00390625])
    bias = rng.integers(-900, 900, 4).astype(numpy.int32)
    matrix = rng.integers(-120, 120, (4, 5)).astype(numpy.int8)
    model = made([
        node("QuantizeLinear", ["images", "s", "z"], ["x"]),
        node("QLinearConv", ["x", "s", "z", "w", "ws", "wz", "cs", "cz", "b"], ["c"], kernel_shape=[3, 3]),
        node("QLinearAdd", ["c", "cs", "cz", "c", "cs", "cz", "as", "az"], ["a"], domain=MICROSOFT),
        node("QLinearGlobalAveragePool", ["a", "as", "az", "ps", "pz"], ["p"], domain=MICROSOFT),
        node("Flatten", ["p"], ["f"]),
        node("QLinearMatMul", ["f", "ps", "pz", "m", "ms", "mz", "ys", "yz"], ["y"]),
        node("DequantizeLinear", ["y", "ys", "yz"], ["scores"]),
    ], {
        "s": numpy.float32(0.03125), "z": numpy.uint8(128), "w": filters, "ws": scales, "wz": numpy.zeros(4, numpy.int8), "b": bias,
        "cs": numpy.float32(0.125), "cz": numpy.uint8(100), "as": numpy.float32(0.25), "az": numpy.uint8(100),
        "ps": numpy.float32(0.0625), "pz": numpy.uint8(120), "m": matrix, "ms": numpy.float32(0.0078125), "mz": numpy.int8(0),
        "ys": numpy.float32(0.03125), "yz": numpy.uint8(128),
    })
    model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))

    def network(x):
        x = rounded(x, 0.03125, 128, 0, 255)
        w = double(filters) * double(scales)[:, None, None, None]
        c = rounded(functional.conv2d(x, w, double(bias) * 0.03125 * double(scales)), 0.125, 100, 0, 255)
        a = rounded(c + c, 0.25, 100, 0, 255)
        p = rounded(a.mean((2, 3)), 0.0625, 120, 0, 255)
        return rounded(p.matmul(double(matrix) * 0.0078125), 0.03125, 128, 0, 255)

    unchecked(folder, "quantised_operators", model, picture, gradient(network, picture))

    # What onnxruntime.quantization.quantize_dynamic writes. The pictures hold 0 to 255, so that the scale is 1.
    picture = rng.integers(0, 256, (1, 3, 8, 8)).astype(numpy.float32)
    picture.flat[0], picture.flat[1] = 0, 255
    model = made([
        node("DynamicQuantizeLinear", ["images"], ["x", "xs", "xz"]),
        node("ConvInteger", ["x", "w", "xz", "wz"], ["c"], kernel_shape=[3, 3]), node("Cast", ["c"], ["cf"], to=TensorProto.FLOAT),
        node("Mul", ["xs", "ws"], ["scale"]), node("Mul", ["cf", "scale"], ["cm"]), node("Tanh", ["cm"], ["h"]),
        node("GlobalAveragePool", ["h"], ["p"]), node("Flatten", ["p"], ["f"]),
        node("DynamicQuantizeLinear", ["f"], ["fq", "fs", "fz"]), node("MatMulInteger", ["fq", "m", "fz"], ["mi"]),
        node("Cast", ["mi"], ["mf"], to=TensorProto.FLOAT), node("Mul", ["fs", "ms"], ["mscale"]), node("Mul", ["mf", "mscale"], ["scores"]),
    ], {"w": filters, "ws": numpy.float32(0.0001), "wz": numpy.int8(3), "m": matrix, "ms": numpy.float32(0.01)}, shape=(1, 3, 8, 8))

    def dynamic(x):
        low, high = x.detach().min().clamp(max=0), x.detach().max().clamp(min=0)
        scale = (high - low) / 255
        return rounded(x, scale, torch.round(-low / scale), 0, 255)

    def network(x):
        c = functional.conv2d(dynamic(x), double(filters.astype(numpy.float32)) - 3) * 0.0001
        return dynamic(torch.tanh(c).mean((2, 3))).matmul(double(matrix) * 0.01)

    save(folder, "dynamically_quantised", model, {"images": picture}, gradient(network, picture))


def functions(folder):
    """A function that calls another twice, with attributes of its caller and of its own, and branches that call their results the same."""
    picture = noise(2, 3, 8, 8)
    filters, other = noise(3, 3, 3, 3), noise(3, 3, 3, 3)
    domain, sets = "own", [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    leaky = node("LeakyRelu", ["y"], ["z"])
    reference = onnx.AttributeProto(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    leaky.attribute.append(reference)
    layer = helper.make_function(
        domain, "Layer", ["x", "w"], ["z"], [node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]), leaky], sets, ["slope"])
    call = node("Layer", ["y", "b"], ["t"], domain=domain)
    call.attribute.append(onnx.AttributeProto(name="slope", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT))
    block = helper.make_function(
        domain, "Block", ["x", "a", "b"], ["r"],
        [node("Layer", ["x", "a"], ["y"], domain=domain, slope=0.25), call, node("Add", ["t", "x"], ["r"])], sets,
        attribute_protos=[helper.make_attribute("slope", 0.125)])

    def branches(name, factor):
        scaled = [node("Constant", [], ["k"], value_float=factor), node("Mul", ["r", "k"], ["inner"])]
        then = helper.make_graph(scaled, "then", [], [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)])
        otherwise = helper.make_graph(
            [node("Identity", ["r"], ["inner"])], "else", [], [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)])
        return node("If", ["yes"], [name], then_branch=then, else_branch=otherwise)

    model = made([
        node("Block", ["images", "w", "v"], ["r"], domain=domain), branches("one", 2.0), branches("two", 3.0),
        node("Sum", ["one", "two", "images"], ["s"]), node("ReduceMean", ["s"], ["scores"], axes=[2, 3], keepdims=0),
    ], {"w": filters, "v": other, "yes": numpy.array(True)}, opset=17)
    model.functions.extend([layer, block])
    model.opset_import.append(helper.make_opsetid(domain, 1))

    def network(x):
        y = functional.leaky_relu(functional.conv2d(x, double(filters), padding=1), 0.25)
        t = functional.leaky_relu(functional.conv2d(y, double(other), padding=1), 0.125)
        return (5 * (t + x) + x).mean((2, 3))

    unchecked(folder, "functions_and_branches", model, picture, gradient(network, picture))


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "crates/cli/tests/fixtures/onnx")
    onnxruntime.set_default_logger_severity(3)
    functions(folder)
    fused(folder)
    quantised(folder)


if __name__ == "__main__":
    main()
