"""Makes networks with the preparation of their pictures inside, or whose inputs leave odd extents open, in `crates/cli/tests/fixtures/pictures`.

What each network must be fed of `picture.png` follows from its graph: bytes, signed bytes, or levels of 0 to 255. ONNX Runtime gives the
scores of just that.
"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

HEIGHT, WIDTH = 10, 12
NAMES = ["an apple", 'a "bee"', "cat"]
node = helper.make_node


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "crates/cli/tests/fixtures/pictures")
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(8)
    levels = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    Image.fromarray(levels).save(folder / "picture.png")
    grey = levels[:, :, :1].repeat(3, 2)
    Image.fromarray(grey[:, :, 0]).save(folder / "grey.png")

    def noise(*shape):
        return (rng.standard_normal(shape) / 2).astype(np.float32)

    constants = {
        "filters": noise(4, 3, 3, 3), "grey filters": noise(4, 1, 3, 3), "matrix": noise(4, 5), "size": np.array([1, 3, 6, 7], np.int64),
        "axis": np.array([0], np.int64), "highest": np.float32(255), "mean": np.array([0.5, 0.4, 0.3], np.float32).reshape(1, 3, 1, 1),
        "deviation": np.array([0.2, 0.25, 0.3], np.float32).reshape(1, 3, 1, 1), "levels": np.array([125, 115, 100], np.float32).reshape(1, 3, 1, 1),
        "small": np.float32(1 / 58), "scale": np.float32(1 / 64), "black": np.int8(-128), "reverse": np.array([2, 1, 0], np.int64),
        "variance": np.array([3000, 3600, 4000], np.float32), "means": np.array([125, 115, 100], np.float32), "one": np.ones(3, np.float32),
        "zero": np.zeros(3, np.float32),
    }

    def case(name, body, shape, elements, fed, filters="filters"):
        nodes = [*body, node("Conv", ["x" if body else "picture", filters], ["c"]), node("Relu", ["c"], ["r"]), node("GlobalAveragePool", ["r"], ["p"]),
                 node("Flatten", ["p"], ["f"]), node("MatMul", ["f", "matrix"], ["scores"])]
        first = nodes[0].input[0]
        used = {key for one in nodes for key in one.input}
        graph = helper.make_graph(
            nodes, name, [helper.make_tensor_value_info(first, elements, shape)], [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 5])],
            [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items() if key in used])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        onnx.save(model, folder / f"{name}.onnx")
        [scores] = onnxruntime.InferenceSession(model.SerializeToString()).run(["scores"], {first: fed})
        np.save(folder / f"{name}.npy", scores)

    FLOAT, BYTES, SIGNED = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT8
    picture = levels[None]
    planes = picture.transpose(0, 3, 1, 2)
    to_floats = [node("Cast", ["picture"], ["floats"], to=FLOAT)]
    to_first = [*to_floats, node("Transpose", ["floats"], ["first"], perm=[0, 3, 1, 2])]
    normalised = [node("Div", ["first", "highest"], ["share"]), node("Sub", ["share", "mean"], ["centred"]), node("Div", ["centred", "deviation"], ["x"])]
    resize = node("Resize", ["first", "", "", "size"], ["resized"], mode="linear", coordinate_transformation_mode="half_pixel")
    last = ["N", HEIGHT, WIDTH, 3]
    case("bytes", [*to_first, *normalised], last, BYTES, picture)
    # Nothing tells what the numbers are but the type of the input.
    case("bytes_alone", [*to_floats, node("Mul", ["floats", "small"], ["scaled"]), node("Relu", ["scaled"], ["x"])], ["N", 3, HEIGHT, WIDTH], BYTES, planes)
    case("bytes_of_open_size", [*to_first, *normalised], ["N", "H", "W", 3], BYTES, picture)
    case("bytes_without_batch", [node("Cast", ["picture"], ["floats"], to=FLOAT), node("Unsqueeze", ["floats", "axis"], ["batch"]),
                                 node("Transpose", ["batch"], ["first"], perm=[0, 3, 1, 2]), *normalised], ["H", "W", 3], BYTES, levels)
    case("signed_bytes", [node("DequantizeLinear", ["picture", "scale", "black"], ["x"])], ["N", 3, HEIGHT, WIDTH], SIGNED,
         (planes.astype(np.int32) - 128).astype(np.int8))
    case("signed_grey_bytes", [node("DequantizeLinear", ["picture", "scale", "black"], ["x"])], ["N", 1, HEIGHT, WIDTH], SIGNED,
         (grey[None, :, :, :1].transpose(0, 3, 1, 2).astype(np.int32) - 128).astype(np.int8), "grey filters")
    resized = [resize, node("Sub", ["resized", "levels"], ["centred"]), node("Mul", ["centred", "small"], ["x"])]
    floats = planes.astype(np.float32)
    case("resized_floats", [node("Identity", ["picture"], ["first"]), *resized], ["N", 3, HEIGHT, WIDTH], FLOAT, floats)
    case("reversed_floats", [node("Gather", ["picture", "reverse"], ["first"], axis=1), *resized], ["N", 3, HEIGHT, WIDTH], FLOAT, floats)
    case("normalised_batch", [node("BatchNormalization", ["picture", "one", "zero", "means", "variance"], ["x"])], ["N", 3, HEIGHT, WIDTH], FLOAT, floats)
    custom_vision(folder, noise, planes)
    mean_as_input(folder, noise)
    # Only the filters tell how many channels there are.
    grey_floats = grey[None, :, :, :1].transpose(0, 3, 1, 2).astype(np.float32) / 255
    case("open_channels", [], ["N", "channels", HEIGHT, WIDTH], FLOAT, grey_floats, "grey filters")
    case("open_everything", [], ["N", "channels", "H", "W"], FLOAT, grey_floats, "grey filters")
    case("no_shape", [], None, FLOAT, grey_floats, "grey filters")


def custom_vision(folder, noise, planes):
    """As Azure Custom Vision exports: blue, green, red from 0 to 255, said in metadata; a class's name and a table of probabilities."""
    tensors = {"filters": noise(4, 3, 3, 3) / 100, "matrix": noise(4, 3)}
    nodes = [
        node("ZipMap", ["probabilities"], ["loss"], domain="ai.onnx.ml", classlabels_strings=NAMES),
        node("ArrayFeatureExtractor", ["labels", "likeliest"], ["name"], domain="ai.onnx.ml"), node("Reshape", ["name", "one"], ["classLabel"]),
        node("Conv", ["data", "filters"], ["c"]), node("Relu", ["c"], ["r"]), node("GlobalAveragePool", ["r"], ["p"]), node("Flatten", ["p"], ["f"]),
        node("MatMul", ["f", "matrix"], ["s"]), node("Softmax", ["s"], ["probabilities"], axis=1), node("ArgMax", ["s"], ["likeliest"], axis=1),
    ]
    nodes = [*nodes[3:], *nodes[:3]]
    text = onnx.TensorProto(name="labels", data_type=TensorProto.STRING, dims=[1, 3], string_data=[name.encode() for name in NAMES])
    table = helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, None)))
    graph = helper.make_graph(
        nodes, "custom_vision", [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["None", 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info("classLabel", TensorProto.STRING, [None]), helper.make_value_info("loss", table)],
        [*(numpy_helper.from_array(value, key) for key, value in tensors.items()), numpy_helper.from_array(np.array([1], np.int64), "one"), text])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12), helper.make_opsetid("ai.onnx.ml", 1)], ir_version=7)
    helper.set_model_props(model, {"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "NominalRange_0_255"})
    onnx.save(model, folder / "custom_vision.onnx")
    fed = np.ascontiguousarray(planes[:, ::-1]).astype(np.float32)
    [probabilities] = onnxruntime.InferenceSession(model.SerializeToString()).run(["loss"], {"data": fed})[0]
    np.save(folder / "custom_vision.npy", np.array([probabilities[name] for name in NAMES], np.float32))


def mean_as_input(folder, noise):
    """As Keras exports EfficientNet through tf2onnx: the mean of its normalisation is left as an input, whose axes a picture's could be."""
    nodes = [node("Sub", ["picture", "mean"], ["centred"]), node("Transpose", ["centred"], ["x"], perm=[0, 3, 1, 2]), node("Conv", ["x", "w"], ["c"]),
             node("GlobalAveragePool", ["c"], ["p"]), node("Flatten", ["p"], ["scores"])]
    float_info = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "mean_as_input", [float_info("picture", ["N", HEIGHT, WIDTH, 3]), float_info("mean", [1, 1, 1, 3])],
                              [float_info("scores", ["N", 4])], [numpy_helper.from_array(noise(4, 3, 3, 3), "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), folder / "mean_as_input.onnx")


if __name__ == "__main__":
    main()
