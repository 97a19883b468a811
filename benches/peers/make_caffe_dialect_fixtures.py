"""Makes a small network for each layer type of Caffe's forks, with what PyTorch makes of the same numbers.

    python benches/peers/make_caffe_dialect_fixtures.py

writes crates/cli/tests/fixtures/dialects/NAME: model.prototxt, weights.caffemodel, data.npy, expected.npy, seed.npy and gradient.npy (of the
result's product with the seed, from the definition in double precision).
"""

import struct
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

FOLDER = Path(__file__).parents[2] / "crates/cli/tests/fixtures/dialects"
random = np.random.default_rng(5)


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def caffemodel(layer, kind, arrays):
    """A NetParameter with one layer: name, type and arrays with their shapes."""
    blobs = b""
    for array in arrays:
        shape = field(7, field(1, b"".join(map(varint, array.shape))))
        blobs += field(7, shape + field(5, struct.pack(f"<{array.size}f", *array.reshape(-1))))
    return field(100, field(1, layer.encode()) + field(2, kind.encode()) + blobs)


def noise(*shape):
    return random.normal(0, 1, shape).astype(np.float32)


def make(name, kind, settings, arrays, compute, shapes=((1, 4, 5, 6),)):
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    inputs = [noise(*shape) for shape in shapes]
    names = ["data", "more", "most"][: len(shapes)]
    text = "".join(
        f'layer {{ name: "{own}" type: "Input" top: "{own}" input_param {{ shape {{ {" ".join(f"dim: {extent}" for extent in shape)} }} }} }}\n'
        for own, shape in zip(names, shapes))
    bottoms = " ".join(f'bottom: "{own}"' for own in names)
    text += f'layer {{ name: "own" type: "{kind}" {bottoms} top: "y" {settings} }}\n'
    (folder / "model.prototxt").write_text("force_backward: true\n" + text)
    (folder / "weights.caffemodel").write_bytes(caffemodel("own", kind, arrays))
    values = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in inputs]
    result = compute(*values, *[torch.tensor(array, dtype=torch.float64) for array in arrays])
    seed = noise(*result.shape)
    result.backward(torch.tensor(seed, dtype=torch.float64))
    for own, array in zip(names, inputs):
        np.save(folder / f"{own}.npy", array)
    np.save(folder / "expected.npy", result.detach().numpy().astype(np.float32))
    np.save(folder / "seed.npy", seed)
    np.save(folder / "gradient.npy", values[0].grad.numpy().astype(np.float32))


def normalised(x, mean, variance, eps):
    column = lambda array: array.reshape(1, -1, 1, 1)
    return (x - column(mean)) / torch.sqrt(column(variance) + eps)


column = lambda array: array.reshape(1, -1, 1, 1)
positive = np.abs(noise(4)) + 0.5
one = np.ones(1, np.float32)
make("batch_norm_nvidia", "BatchNorm", "batch_norm_param { scale_bias: true eps: 0.01 }", [noise(4), positive, one, noise(4), noise(4)],
     lambda x, m, v, f, s, b: normalised(x, m, v, 0.01) * column(s) + column(b))
make("bn_pspnet", "BN", "bn_param { eps: 0.01 slope_filler { type: \"constant\" value: 1 } }",
     [array.reshape(1, 4, 1, 1) for array in (noise(4), noise(4), noise(4), positive)],
     lambda x, s, b, m, v: normalised(x, m, v, 0.01) * s + b)
make("bn_segnet", "BN", "bn_param { bn_mode: INFERENCE }", [noise(1, 4, 1, 1), noise(1, 4, 1, 1)], lambda x, s, b: x * s + b)
make("depthwise", "DepthwiseConvolution", "convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 }",
     [noise(4, 1, 3, 3), noise(4)], lambda x, w, b: functional.conv2d(x, w, b, 2, 1, groups=4))
make("depthwise_said", "ConvolutionDepthwise", "convolution_param { num_output: 4 group: 4 kernel_size: 3 bias_term: false }",
     [noise(4, 1, 3, 3)], lambda x, w: functional.conv2d(x, w, groups=4))
make("relu6", "ReLU6", "", [], lambda x: functional.relu6(x))
make("axpy", "Axpy", "", [], lambda a, x, y: column(a) * x + y, ((1, 4), (1, 4, 5, 6), (1, 4, 5, 6)))
make("shuffle", "ShuffleChannel", "shuffle_channel_param { group: 2 }", [],
     lambda x: x.unflatten(1, (2, 3)).transpose(1, 2).flatten(1, 2), ((1, 6, 2, 3),))
make("permute", "Permute", "permute_param { order: 0 order: 2 order: 3 }", [], lambda x: x.permute(0, 2, 3, 1))
make("normalize", "Normalize", "norm_param { across_spatial: false channel_shared: false eps: 0.25 }", [noise(4)],
     lambda x, s: x / torch.sqrt((x * x).sum(1, keepdim=True) + 0.25) * column(s))
make("normalize_whole", "Normalize", "", [noise(1)], lambda x, s: x / torch.sqrt((x * x).sum((1, 2, 3), keepdim=True) + 1e-10) * s)
make("interp", "Interp", "interp_param { height: 9 width: 4 }", [],
     lambda x: functional.interpolate(x, (9, 4), mode="bilinear", align_corners=True))
make("interp_zoom", "Interp", "interp_param { zoom_factor: 3 pad_beg: 0 pad_end: -1 }", [],
     lambda x: functional.interpolate(x[:, :, :-1, :-1], (10, 13), mode="bilinear", align_corners=True))
make("upsample", "Upsample", "upsample_param { scale: 3 }", [], lambda x: functional.interpolate(x, scale_factor=3, mode="nearest"))
