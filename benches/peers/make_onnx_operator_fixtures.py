"""Makes small ONNX networks for single operators and forms of files in `crates/cli/tests/fixtures/onnx`.

As `make_onnx_fixtures.py`, whose functions it uses: PyTorch exports them, ONNX Runtime gives the scores and PyTorch the
gradient in double precision; what PyTorch does not write is made by hand.
"""

import pathlib
import sys

import numpy
import torch
from onnx import helper
from torch import nn
from torch.nn import functional

from make_onnx_fixtures import exported, made, save


class Tokens(nn.Module):
    """Patches as tokens, and a head on their mean."""

    def __init__(self, width=16):
        super().__init__()
        self.patches, self.position = nn.Conv2d(3, width, 4, 4), nn.Parameter(torch.randn(1, 16, width) / 4)
        self.joint, self.head = nn.Linear(width, 3 * width), nn.Linear(width, 5)

    def tokens(self, x):
        return self.patches(x).flatten(2).transpose(1, 2) + self.position

    def heads(self, x, count):
        n, places, width = x.shape
        return self.joint(x).reshape(n, places, 3, count, width // count).permute(2, 0, 3, 1, 4)


class MaskedAttention(Tokens):
    """Attention with a mask of truth values, whose softmax the exporter guards by IsNaN."""

    def __init__(self):
        super().__init__()
        mask = torch.rand(16, 16) > 0.3
        mask[3] = torch.arange(16) == 5
        self.register_buffer("mask", mask)

    def forward(self, x):
        x = self.tokens(x)
        q, k, v = self.heads(x, 2)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=self.mask)
        return self.head((x + y.transpose(1, 2).flatten(2)).mean(1))


class GroupedAttention(Tokens):
    """Several heads of queries for one of keys and values, a causal mask, and a bias that is computed."""

    def forward(self, x):
        x = self.tokens(x)
        q, k, v = self.heads(x, 4)
        y = functional.scaled_dot_product_attention(q, k[:, :2], v[:, :2], is_causal=True, enable_gqa=True)
        bias = (x @ x.transpose(1, 2))[:, None] * 0.1
        y = y + functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=0.3)
        return self.head((x + y.transpose(1, 2).flatten(2)).mean(1))


class Normalised(Tokens):
    """Normalisation by the root of the mean square, and rotated positions."""

    def __init__(self):
        super().__init__()
        self.norm = nn.RMSNorm(16)
        angles = torch.arange(16)[:, None] * 0.7 ** torch.arange(4)
        self.register_buffer("cosines", angles.cos())
        self.register_buffer("sines", angles.sin())

    def rotated(self, x):
        first, second = x.chunk(2, -1)
        return torch.cat([first * self.cosines - second * self.sines, first * self.sines + second * self.cosines], -1)

    def forward(self, x):
        x = self.norm(self.tokens(x))
        q, k, v = self.heads(x, 2)
        y = functional.scaled_dot_product_attention(self.rotated(q), self.rotated(k), v)
        return self.head((x + y.transpose(1, 2).flatten(2)).mean(1))


class Indexing(nn.Module):
    """Rows and columns at known positions, a mask made by assignment, and the nearest element exactly."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 6, 3, 2, 1), nn.Linear(6, 5)
        self.register_buffer("rows", torch.tensor([[0], [5], [-1], [2]]))
        self.register_buffer("columns", torch.tensor([[1, 1, 7]]))

    def forward(self, x):
        x = self.first(x)
        mask = torch.zeros(8, 8)
        mask[2:5, :3] = 1.0
        mask[:, -2:] = -0.5
        x = x * (1 + mask.to(x.dtype))
        y = x[:, :, self.rows, self.columns]
        z = functional.interpolate(x, scale_factor=0.6, mode="nearest-exact")
        return self.last(y.mean((2, 3)) + z.amax((2, 3)))


class ComputedIndices(nn.Module):
    """The strongest places of a map, read, gathered and written by positions that depend on the picture."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 6, 3, 2, 1), nn.Linear(6, 5)

    def forward(self, x):
        x = self.first(x).flatten(2)
        strongest = x.abs().sum(1).topk(7, 1).indices
        index = strongest[:, None].expand(-1, 6, -1)
        picked = x.gather(2, index)
        written = x.scatter(2, index, picked * 2).scatter_add(2, index.flip(2), picked)
        best = x.argmax(2, keepdim=True)
        return self.last(written.logsumexp(2) + x.take_along_dim(best, 2).squeeze(2))


class Trigonometry(nn.Module):
    """Functions of angles, inverse and hyperbolic ones, and running sums of activations and of positions."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 12, 3, 2, 1), nn.Linear(12, 5)

    def forward(self, x):
        x = self.first(x)
        places = torch.ones(1, 8, 8, dtype=x.dtype).cumsum(2) / 8
        a, b, c, d = x.chunk(4, 1)
        a = torch.sin(a) + torch.cos(a * places) + torch.tan(torch.tanh(a))
        b = torch.asin(torch.tanh(b) * 0.9) + torch.acos(torch.tanh(b) * 0.8) + torch.atan(b)
        c = torch.sinh(c) + torch.cosh(c) + torch.asinh(c)
        d = torch.acosh(1.1 + d.abs()) + torch.atanh(torch.tanh(d) * 0.7) + d.cumsum(3)
        return self.last(torch.cat([a, b, c, d], 1).mean((2, 3)))


class StandardisedWeights(nn.Module):
    """Filters normalised by their own mean and variance, as a batch normalisation in training (BiT, NFNet)."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3), nn.Linear(8, 5)
        self.gain = nn.Parameter(torch.rand(8) + 0.5)

    def forward(self, x):
        for layer in (self.first, self.second):
            weights = layer.weight.reshape(1, len(layer.weight), -1)
            weights = functional.batch_norm(weights, None, None, weight=self.gain, training=True, momentum=0.0, eps=1e-6)
            x = functional.silu(functional.conv2d(x, weights.reshape_as(layer.weight), layer.bias, layer.stride, layer.padding))
        return self.last(x.mean((2, 3)))


class ComputedFilters(nn.Module):
    """Filters and biases mixed by what the picture says, forward and transposed, and a picture as its own filter."""

    def __init__(self):
        super().__init__()
        self.route, self.bank = nn.Linear(3, 3), nn.Parameter(torch.randn(3, 8 * 3 * 3 * 3) / 5)
        self.biases, self.groups = nn.Parameter(torch.randn(3, 8)), nn.Parameter(torch.randn(3, 8 * 4 * 3 * 3) / 5)
        self.up, self.last = nn.Parameter(torch.randn(3, 8 * 3 * 2 * 2) / 5), nn.Linear(12, 5)

    def forward(self, x):
        shares = torch.sigmoid(self.route(x.mean((2, 3)))).mean(0, keepdim=True)
        mixed = lambda bank, *shape: (shares @ bank).reshape(shape)
        x = functional.conv2d(x, mixed(self.bank, 8, 3, 3, 3), mixed(self.biases, 8), stride=2, padding=1)
        x = functional.conv2d(torch.relu(x), mixed(self.groups, 8, 4, 3, 3), groups=2, dilation=2)
        up = functional.conv_transpose2d(x, mixed(self.up, 8, 3, 2, 2), stride=2, groups=2)
        seen = functional.conv2d(up[:, :6], up[:1, :6, 2:5, 2:5].transpose(0, 1), groups=6, padding=1)
        return self.last(torch.cat([up, torch.tanh(seen)], 1).mean((2, 3)))


class SpatialTransformer(nn.Module):
    """A picture turned by what it says itself, sampled in every way."""

    def __init__(self):
        super().__init__()
        self.where, self.first, self.last = nn.Linear(3, 6), nn.Conv2d(3, 4, 3, 2, 1), nn.Linear(4, 5)

    def forward(self, x):
        theta = self.where(x.mean((2, 3))).reshape(-1, 2, 3) + torch.eye(2, 3, dtype=x.dtype) * 1.3
        x = self.first(x)
        grid = functional.affine_grid(theta, [x.shape[0], 4, 7, 6], align_corners=False)
        y = functional.grid_sample(x, grid, align_corners=False)
        y = y + functional.grid_sample(x, grid, "bicubic", "border", align_corners=True)
        y = y + functional.grid_sample(x, grid, "nearest", "reflection", align_corners=False)
        return self.last(y.mean((2, 3)))


class Windows(nn.Module):
    """Windows cut out and put together again, maxima put back where they stood."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3, 1, 1), nn.Linear(4, 5)

    def forward(self, x):
        x = self.first(x)
        columns = functional.unfold(x, 3, padding=1, stride=2)
        pooled, places = functional.max_pool2d(x, 2, return_indices=True)
        y = functional.fold(torch.tanh(columns), 16, 3, padding=1, stride=2)
        return self.last((y + functional.interpolate(torch.sigmoid(pooled) + places / 100, scale_factor=2)).mean((2, 3)))


class Resized(nn.Module):
    """Resized by factors that give no whole sizes, with corners on corners: the last place lies on the last."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3, 1, 1), nn.Linear(4, 5)

    def forward(self, x):
        x = self.first(x)
        larger = functional.interpolate(x, scale_factor=1.7, mode="bilinear", align_corners=True)
        smaller = functional.interpolate(torch.tanh(larger), scale_factor=0.3, mode="bicubic", align_corners=True)
        return self.last(torch.sigmoid(smaller).amax((2, 3)))


def by_hand(folder):
    rng = numpy.random.default_rng(6)
    node = helper.make_node

    def noise(*shape):
        return rng.standard_normal(shape).astype(numpy.float32)

    picture = {"images": noise(2, 3, 8, 8)}
    filters = noise(4, 3, 3, 3)
    convolution_of = lambda source: node("Conv", [source, "w"], ["c"], kernel_shape=[3, 3])
    convolution = convolution_of("images")

    save(folder, "masks_and_ones", made([
        convolution, node("Trilu", ["c", "one"], ["lower"], upper=0), node("Softmax", ["lower"], ["s"], axis=-1),
        node("Hardmax", ["s"], ["h"], axis=1), node("ArgMax", ["s"], ["i"], axis=2, keepdims=0),
        node("OneHot", ["i", "depth", "values"], ["o"], axis=2), node("EyeLike", ["square"], ["eye"], k=1, dtype=1),
        node("MatMul", ["o", "eye"], ["t"]), node("Sum", ["s", "h", "t"], ["x"]), node("Shrink", ["x"], ["y"], bias=0.1, lambd=0.2),
        node("CumSum", ["y", "axis"], ["u"], exclusive=1, reverse=1), node("ReduceMean", ["u"], ["scores"], axes=[2, 3], keepdims=0),
    ], {"w": filters, "one": numpy.int64(1), "depth": numpy.int64(6), "values": numpy.float32([-0.5, 2]), "square": noise(6, 6), "axis": numpy.int64(3)}, opset=14), picture)

    pooled, unpooled = ["m", "places"], {"kernel_shape": [2, 2], "strides": [2, 2]}
    save(folder, "maxima_put_back", made([
        convolution, node("MaxPool", ["c"], pooled, **unpooled), node("Exp", ["m"], ["e"]),
        node("MaxUnpool", ["e", "places"], ["u"], **unpooled), node("CenterCropPad", ["u", "size"], ["p"], axes=[2, 3]),
        node("Compress", ["p", "kept"], ["k"], axis=2), node("ReduceSum", ["k", "axes"], ["scores"], keepdims=0),
    ], {"w": filters, "size": numpy.int64([7, 3]), "kept": numpy.array([True, False, True, True, True]), "axes": numpy.int64([2, 3])}, opset=18), picture)

    both = ["scale", "zero"]
    narrow = lambda name, source, *parameters: [node("QuantizeLinear", [source, *parameters], [name + "_q"]), node("DequantizeLinear", [name + "_q", *parameters], [name])]
    save(folder, "quantised_activations", made([
        *narrow("x", "images", *both), node("DequantizeLinear", ["q", "qs"], ["w"]), convolution_of("x"),
        *narrow("r", "c", "scale_c", "zero_c"), node("GlobalAveragePool", ["r"], ["p"]), node("Flatten", ["p"], ["scores"]),
    ], {"q": rng.integers(-120, 120, (4, 3, 3, 3)).astype(numpy.int8), "qs": numpy.float32(0.01), "scale": numpy.float32(0.03125), "zero": numpy.int8(3), "scale_c": numpy.float32(0.0625), "zero_c": numpy.uint8(0)}), picture)

    # Of converters to the first operator sets; ONNX Runtime still computes them.
    save(folder, "experimental_operators", made([
        node("ImageScaler", ["images"], ["i"], scale=0.5, bias=[0.1, -0.2, 0.3]), node("Crop", ["i"], ["k"], border=[1, 0, 0, 2]), convolution_of("k"),
        node("ScaledTanh", ["c"], ["t"], alpha=2.0, beta=0.5), node("Affine", ["t"], ["a"], alpha=1.5, beta=0.1),
        node("ReduceMean", ["a"], ["scores"], axes=[2, 3], keepdims=0),
    ], {"w": filters}, opset=7), picture)

    model = made([
        node("Constant", [], ["half"], value_float=0.5), convolution, node("Relu", ["c"], ["r"]), node("Mul", ["r", "half"], ["h"]),
        node("Tanh", ["h"], ["t"]), node("ReduceMax", ["t"], ["scores"], axes=[2, 3], keepdims=0),
    ], {"w": filters})
    save(folder, "nodes_out_of_order", model, picture)
    # The checker refuses it, and ONNX Runtime sorts it.
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    (folder / "nodes_out_of_order" / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    save(folder, "nodes_out_of_order", None, picture)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "crates/cli/tests/fixtures/onnx")
    exported(folder, "masked_attention_dynamo", MaskedAttention, True, opset=20, size=16)
    exported(folder, "attention_opset_23_dynamo", GroupedAttention, True, opset=23, size=16)
    exported(folder, "normalised_opset_23_dynamo", Normalised, True, opset=23, size=16)
    exported(folder, "indexing_dynamo", Indexing, True, opset=18, size=16)
    exported(folder, "computed_indices_dynamo", ComputedIndices, True, opset=18, size=16)
    exported(folder, "trigonometry_dynamo", Trigonometry, True, size=16)
    exported(folder, "standardised_weights", StandardisedWeights, False, size=16)
    exported(folder, "computed_filters", ComputedFilters, False, size=16, open_batch=False)
    exported(folder, "spatial_transformer_dynamo", SpatialTransformer, True, opset=20, size=16)
    exported(folder, "resized_by_factors", Resized, False, size=16)
    exported(folder, "windows", Windows, False, opset=18, size=16)
    by_hand(folder)


if __name__ == "__main__":
    main()
