"""Makes small ONNX networks of what ONNX Runtime's transformer optimiser and its quantisers write, in `crates/cli/tests/fixtures/onnx`.

As `make_onnx_composite_fixtures.py`, whose functions it uses. ONNX Runtime has kernels for packed attention, `NhwcConv`, `GroupNorm`,
`SkipGroupNorm` and `BiasSplitGelu` on graphics processors only: the scores of those networks are PyTorch's.
"""

import pathlib
import sys

import numpy
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

from make_onnx_composite_fixtures import MICROSOFT, double, gradient, node, noise, rng, rounded, unchecked
from make_onnx_fixtures import made


def fuse(kind, *arguments, **attributes):
    return node(kind, *arguments, domain=MICROSOFT, **attributes)


def of_microsoft(nodes, initialisers, **settings):
    model = made(nodes, initialisers, **settings)
    model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    return model


def attended(queries, keys, values, heads, bias=0.0, scale=None):
    """Attention of pictures × places × width, whose heads lie side by side."""
    split = lambda part: part.unflatten(2, (heads, -1)).transpose(1, 2)
    queries, keys, values = map(split, (queries, keys, values))
    scores = queries @ keys.transpose(2, 3) * (scale or queries.shape[3] ** -0.5) + bias
    return (scores.softmax(3) @ values).transpose(1, 2).flatten(2)


TO_TOKENS = [node("Reshape", ["images", "tokens"], ["t"]), node("Transpose", ["t"], ["x"], perm=[0, 2, 1])]
TO_SCORES = [node("MatMul", ["s", "table"], ["y"]), node("ReduceMean", ["y"], ["scores"], axes=[1], keepdims=0)]
TOKENS = numpy.int64([0, 12, 16])


def attention(folder):
    """Projections inside, biases, a mask, and another width of the values."""
    picture = noise(2, 3, 8, 8)
    parts = {
        "w": noise(12, 24) / 3, "b": noise(24) / 4, "bias": noise(1, 2, 16, 16), "mask": (rng.random((2, 16)) > 0.3).astype(numpy.int32),
        "w2": noise(8, 16) / 3, "b2": noise(16) / 4, "b3": noise(24) / 4, "table": noise(8, 5) / 2,
    }
    model = of_microsoft([
        *TO_TOKENS,
        fuse("Attention", ["x", "w", "b", "mask", "", "bias"], ["a"], num_heads=2, mask_filter_value=-50.0),
        fuse("Attention", ["a", "w2", "b2"], ["c"], num_heads=2, qkv_hidden_sizes=[4, 4, 8], scale=0.7),
        fuse("MultiHeadAttention", ["a", "c", "c", "b3", "", "bias"], ["d"], num_heads=2),
        fuse("MultiHeadAttention", ["d", "c", "a", "", "mask"], ["e"], num_heads=2, scale=0.4),
        node("Add", ["d", "e"], ["s"]), *TO_SCORES,
    ], parts | {"tokens": TOKENS}, shape=(2, 3, 8, 8), opset=17)

    def network(x):
        p = {key: double(array) for key, array in parts.items()}
        left_out = (1 - p["mask"])[:, None, None]
        x = x.reshape(2, 12, 16).transpose(1, 2)
        a = attended(*(x @ p["w"] + p["b"]).split(8, 2), 2, p["bias"] - 50 * left_out)
        c = attended(*(a @ p["w2"] + p["b2"]).split((4, 4, 8), 2), 2, scale=0.7)
        add = p["b3"].split(8)
        d = attended(a + add[0], c + add[1], c + add[2], 2, p["bias"])
        e = attended(d, c, a, 2, -10000 * left_out, scale=0.4)
        return ((d + e) @ p["table"]).mean(1)

    unchecked(folder, "attention_by_onnx_runtime", model, picture, gradient(network, picture))


def packed_attention(folder):
    """Queries, keys and values, or keys and values, in one tensor with an axis for them behind the heads."""
    picture = noise(2, 3, 8, 8)
    parts = {"w": noise(12, 24) / 3, "b": noise(24) / 4, "cross": noise(8, 16) / 3, "table": noise(8, 5) / 2}
    shapes = {"tokens": TOKENS, "qkv": numpy.int64([0, 16, 2, 3, 4]), "kv": numpy.int64([0, 16, 2, 2, 4])}
    model = of_microsoft([
        *TO_TOKENS, node("MatMul", ["x", "w"], ["p"]), node("Reshape", ["p", "qkv"], ["all"]),
        fuse("MultiHeadAttention", ["all", "", "", "b"], ["d"], num_heads=2), node("MatMul", ["d", "cross"], ["k"]),
        node("Reshape", ["k", "kv"], ["keys"]), fuse("MultiHeadAttention", ["d", "keys"], ["s"], num_heads=2, scale=0.4), *TO_SCORES,
    ], parts | shapes, shape=(2, 3, 8, 8), opset=17)

    def network(x):
        p = {key: double(array) for key, array in parts.items()}
        x = x.reshape(2, 12, 16).transpose(1, 2)
        unpacked = lambda packed, count: [part.flatten(2) for part in packed.reshape(2, 16, 2, count, 4).unbind(3)]
        d = attended(*(part + bias for part, bias in zip(unpacked(x @ p["w"], 3), p["b"].split(8))), 2)
        return (attended(d, *unpacked(d @ p["cross"], 2), 2, scale=0.4) @ p["table"]).mean(1)

    by_torch(folder, "packed_attention_by_onnx_runtime", model, picture, network)


def by_torch(folder, name, model, picture, network):
    """A network whose scores are PyTorch's, in double precision."""
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    numpy.save(folder / "images.npy", picture)
    numpy.save(folder / "scores.npy", network(double(picture)).numpy().astype(numpy.float32))
    numpy.save(folder / "gradient.npy", gradient(network, picture).astype(numpy.float32))


def quantised_attention(folder):
    picture = rng.integers(0, 256, (2, 3, 8, 8)).astype(numpy.float32)
    whole = lambda *shape: rng.integers(-120, 120, shape).astype(numpy.int8)
    weights, scales, bias, table = whole(12, 24), (2.0 ** rng.integers(-9, -6, 24)).astype(numpy.float32), noise(24) / 4, noise(8, 5)
    model = of_microsoft([
        *TO_TOKENS, node("QuantizeLinear", ["x", "step", "z"], ["q"]),
        fuse("QAttention", ["q", "w", "b", "step", "ws", "", "z", "wz"], ["s"], num_heads=2), *TO_SCORES,
    ], {"tokens": TOKENS, "step": numpy.float32(0.015625), "z": numpy.uint8(128), "w": weights, "b": bias, "ws": scales,
        "wz": numpy.zeros(24, numpy.int8), "table": table}, shape=(2, 3, 8, 8), opset=17)

    def network(x):
        x = rounded(x.reshape(2, 12, 16).transpose(1, 2), 0.015625, 128, 0, 255)
        return (attended(*(x @ (double(weights) * double(scales)) + double(bias)).split(8, 2), 2) @ double(table)).mean(1)

    picture = (picture - 128) / 64
    unchecked(folder, "quantised_attention", model, picture, gradient(network, picture))


def channels_last(folder):
    picture = noise(2, 3, 8, 8)
    filters, bias = noise(8, 3, 3, 3), noise(8)
    p = {"scale": noise(8), "shift": noise(8), "skip": noise(8), "split": noise(8)}
    model = of_microsoft([
        node("Transpose", ["images"], ["x"], perm=[0, 2, 3, 1]),
        fuse("NhwcConv", ["x", "w", "b"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 0, 0], strides=[2, 1]),
        fuse("GroupNorm", ["c", "scale", "shift"], ["g"], groups=2, epsilon=1e-3, activation=1, channels_last=1),
        fuse("SkipGroupNorm", ["g", "scale", "shift", "c", "skip"], ["h", "sum"], groups=4, epsilon=1e-3, activation=0, channels_last=1),
        node("Add", ["h", "sum"], ["a"]), fuse("BiasSplitGelu", ["a", "split"], ["d"]),
        node("ReduceMean", ["d"], ["scores"], axes=[1, 2], keepdims=0),
    ], p | {"w": numpy.ascontiguousarray(filters.transpose(0, 2, 3, 1)), "b": bias}, shape=(2, 3, 8, 8), opset=17)

    def network(x):
        q = {key: double(array) for key, array in p.items()}
        c = functional.conv2d(functional.pad(x, (1, 0, 1, 0)), double(filters), double(bias), (2, 1))
        g = functional.silu(functional.group_norm(c, 2, q["scale"], q["shift"], 1e-3))
        total = g + c + q["skip"][:, None, None]
        a = functional.group_norm(total, 4, q["scale"], q["shift"], 1e-3) + total + q["split"][:, None, None]
        first, second = a.split(4, 1)
        return (first * functional.gelu(second)).mean((2, 3))

    by_torch(folder, "channels_last_by_onnx_runtime", model, picture, network)


def packed_weights(folder):
    """Weights of 4 and 8 bits in blocks, with and without zero points, and places in a table of 16 numbers."""
    picture = noise(2, 3, 8, 8)
    whole = lambda *shape: rng.integers(0, 256, shape).astype(numpy.uint8)
    positive = lambda *shape: (rng.random(shape) / 100 + 0.001).astype(numpy.float32)
    p = {
        "w": whole(40, 12, 8), "s": positive(480), "z": whole(40 * 6), "w8": whole(20, 3, 16), "s8": positive(60), "b8": noise(20),
        "z8": rng.integers(100, 150, 60).astype(numpy.uint8), "nf": whole(160, 1), "ns": positive(20), "fp": whole(40, 1), "fs": positive(5),
    }
    model = of_microsoft([
        node("Flatten", ["images"], ["x"]),
        fuse("MatMulNBits", ["x", "w", "s", "z"], ["a"], K=192, N=40, bits=4, block_size=16),
        fuse("MatMulNBits", ["a", "w8", "s8", "z8", "", "b8"], ["b"], K=40, N=20, bits=8, block_size=16),
        fuse("MatMulBnb4", ["b", "nf", "ns"], ["c"], K=20, N=16, block_size=16, quant_type=1),
        fuse("MatMulBnb4", ["c", "fp", "fs"], ["scores"], K=16, N=5, block_size=16, quant_type=0),
    ], p, opset=17)

    # ONNX Runtime gives the scores; for the gradient its matrices are those that it multiplies the unit vectors with.
    def matrix(operands, inputs, **attributes):
        kind = "MatMulBnb4" if "quant_type" in attributes else "MatMulNBits"
        only = {name: p[name] for name in operands if name}
        graph = helper.make_graph(
            [fuse(kind, ["unit", *operands], ["row"], K=inputs, **attributes)], "row",
            [helper.make_tensor_value_info("unit", TensorProto.FLOAT, [inputs, inputs])],
            [helper.make_tensor_value_info("row", TensorProto.FLOAT, None)], [numpy_helper.from_array(array, name) for name, array in only.items()])
        one = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)], ir_version=8)
        session = onnxruntime.InferenceSession(one.SerializeToString(), providers=["CPUExecutionProvider"])
        return double(session.run(None, {"unit": numpy.eye(inputs, dtype=numpy.float32)})[0])

    first = matrix(["w", "s", "z"], 192, N=40, bits=4, block_size=16)
    second = matrix(["w8", "s8", "z8"], 40, N=20, bits=8, block_size=16)
    third = matrix(["nf", "ns"], 20, N=16, block_size=16, quant_type=1)
    last = matrix(["fp", "fs"], 16, N=5, block_size=16, quant_type=0)
    network = lambda x: ((x.flatten(1) @ first) @ second + double(p["b8"])) @ third @ last
    unchecked(folder, "packed_weights", model, picture, gradient(network, picture))


def zero_points(folder):
    """The type of a zero point decides at which numbers a quantisation is cut off, wherever the file holds it: as a constant, a cast, or a
    scale for each block of weights."""
    picture = 3 * noise(2, 3, 8, 8)
    filters, blocks = noise(4, 3, 3, 3), rng.integers(-8, 8, (4, 8)).astype(numpy.int8)
    scales = (2.0 ** rng.integers(-5, -2, (4, 2))).astype(numpy.float32)
    constant = lambda name, array: node("Constant", [], [name], value=numpy_helper.from_array(array))
    model = made([
        constant("z", numpy.int8(-7)), node("Cast", ["seven"], ["cast"], to=TensorProto.INT8),
        node("QuantizeLinear", ["images", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["x"]),
        node("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3]), node("QuantizeLinear", ["c", "s", "cast"], ["qc"]),
        node("DequantizeLinear", ["qc", "s", "cast"], ["d"]), node("GlobalAveragePool", ["d"], ["p"]), node("Flatten", ["p"], ["f"]),
        node("QuantizeLinear", ["f", "fs"], ["qf"], output_dtype=TensorProto.INT8), node("DequantizeLinear", ["qf", "fs"], ["df"]),
        node("DequantizeLinear", ["m", "ms"], ["matrix"], axis=1, block_size=4), node("MatMul", ["df", "matrix"], ["scores"]),
    ], {"s": numpy.float32(0.03125), "fs": numpy.float32(0.03), "seven": numpy.float32(7), "w": filters, "m": blocks, "ms": scales}, opset=21, ir_version=10)

    def network(x):
        x = rounded(x, 0.03125, -7, -128, 127)
        c = rounded(functional.conv2d(x, double(filters)), 0.03125, 7, -128, 127)
        # Means of 36 numbers would lie halfway between two steps of the same scale.
        f = rounded(c.mean((2, 3)), float(numpy.float32(0.03)), 0, -128, 127)
        return f @ (double(blocks) * double(scales).repeat_interleave(4, 1))

    # ONNX Runtime's optimiser moves a rounding of this network by a step; without it, its scores are these.
    by_torch(folder, "zero_points_of_constants", model, picture, network)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "crates/cli/tests/fixtures/onnx")
    onnxruntime.set_default_logger_severity(3)
    for make in (attention, packed_attention, quantised_attention, channels_last, packed_weights, zero_points):
        make(folder)


if __name__ == "__main__":
    main()
