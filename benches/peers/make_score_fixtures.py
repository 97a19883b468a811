"""Makes small networks whose results have to be told apart from class scores, with the probabilities of ONNX Runtime.

    python benches/peers/make_score_fixtures.py

writes crates/deepinside/tests/fixtures/scores: NAME.onnx, picture.npy and, for each network, NAME.npy with the
probabilities of its classes for that picture.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parents[2] / "crates/deepinside/tests/fixtures/scores"
SIDE = 16
CLASSES = 6
random = np.random.default_rng(0)
FLOAT, WHOLE = TensorProto.FLOAT, TensorProto.INT64


def make(name, nodes, results, probabilities, constants=(), classes=CLASSES, picture=(1, 3, SIDE, SIDE), further=()):
    """A network of a convolution, a spatial mean 'p' (1 × 8), a class layer 's', and the given nodes behind it."""
    weights = {
        "w": random.normal(0, 1, (8, 3, 3, 3)),
        "v": random.normal(0, 3, (classes, 8)),
        "c": random.normal(0, 1, (classes,)),
        **dict(constants),
    }
    first = [helper.make_node("Unsqueeze", ["image", "zero"], ["x"])] if len(picture) == 3 else []
    body = [
        *first,
        helper.make_node("Conv", ["x" if first else "image", "w"], ["map"]),
        helper.make_node("Relu", ["map"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["p"]),
        helper.make_node("Gemm", ["p", "v", "c"], ["s"], transB=1),
        *nodes,
    ]
    initializers = [
        numpy_helper.from_array(value if value.dtype == np.int64 else value.astype(np.float32), key)
        for key, value in weights.items()
    ]
    reads_zero = any("zero" in node.input for node in body)
    initializers += [numpy_helper.from_array(np.array([0], np.int64), "zero")] if reads_zero else []
    described = [helper.make_tensor_value_info(*result) for result in results]
    graph = helper.make_graph(
        body, name, [helper.make_tensor_value_info("image", FLOAT, picture)] +
        [helper.make_tensor_value_info(key, FLOAT, array.shape) for key, array in dict(further).items()], described, initializers
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    # The checker's copy has a further result: the probabilities.
    watched = onnx.ModelProto.FromString(model.SerializeToString())
    if probabilities not in [result[0] for result in results]:
        watched.graph.output.append(helper.make_tensor_value_info(probabilities, FLOAT, None))
    session = onnxruntime.InferenceSession(watched.SerializeToString())
    picture_values = PICTURE if len(picture) == 4 else PICTURE[0]
    expected = session.run([probabilities], {"image": picture_values, **dict(further)})[0]
    onnx.save(model, FOLDER / f"{name}.onnx")
    np.save(FOLDER / f"{name}.npy", expected.astype(np.float32).reshape(-1))


def node(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs, outputs, **attributes)


FOLDER.mkdir(parents=True, exist_ok=True)
PICTURE = random.uniform(-1, 1, (1, 3, SIDE, SIDE)).astype(np.float32)
np.save(FOLDER / "picture.npy", PICTURE[0])

softmax = node("Softmax", ["s"], ["q"], axis=1)
three = {"three": np.array([3], np.int64)}
make("top_k", [softmax, node("TopK", ["q", "three"], ["values", "positions"])],
     [("values", FLOAT, [1, 3]), ("positions", WHOLE, [1, 3])], "q", three)
make("arg_max", [softmax, node("ArgMax", ["q"], ["class"], axis=1, keepdims=0)], [("class", WHOLE, [1])], "q")
make("embedding", [softmax], [("s", FLOAT, [1, CLASSES]), ("p", FLOAT, [1, 8])], "q")
make("scaled_beside", [softmax, node("Mul", ["s", "half"], ["aux"])],
     [("s", FLOAT, [1, CLASSES]), ("aux", FLOAT, [1, CLASSES])], "q", {"half": np.array(0.5)})
make("map_beside", [softmax], [("s", FLOAT, [1, CLASSES]), ("map", FLOAT, [1, 8, 14, 14])], "q")
make("log_of_softmax", [softmax, node("Log", ["q"], ["l"])], [("l", FLOAT, [1, CLASSES])], "q")
make("clipped", [softmax, node("Clip", ["q", "low", "high"], ["y"])], [("y", FLOAT, [1, CLASSES])], "y",
     {"low": np.array(1e-7), "high": np.array(1 - 1e-7)})
make("written_out",
     [node("ReduceMax", ["s"], ["largest"], axes=[1]), node("Sub", ["s", "largest"], ["d"]), node("Exp", ["d"], ["e"]),
      node("ReduceSum", ["e", "one"], ["sum"]), node("Div", ["e", "sum"], ["y"])],
     [("y", FLOAT, [1, CLASSES])], "y", {"one": np.array([1], np.int64)})
make("ensemble",
     [softmax, node("Mul", ["s", "half"], ["s2"]), node("Softmax", ["s2"], ["q2"], axis=1), node("Add", ["q", "q2"], ["sum"]),
      node("Mul", ["sum", "half"], ["y"])],
     [("y", FLOAT, [1, CLASSES])], "y", {"half": np.array(0.5)})
make("mean_of_maps",
     [node("Softmax", ["map"], ["m"], axis=1), node("GlobalAveragePool", ["m"], ["g"]), node("Flatten", ["g"], ["y"])],
     [("y", FLOAT, [1, 8])], "y")
make("labels_last", [node("Reshape", ["s", "last"], ["t"]), node("Softmax", ["t"], ["y"], axis=3)],
     [("y", FLOAT, [1, 1, 1, CLASSES])], "y", {"last": np.array([1, 1, 1, CLASSES], np.int64)})
make("multi_label", [node("Sigmoid", ["s"], ["y"])], [("s", FLOAT, [1, CLASSES]), ("y", FLOAT, [1, CLASSES])], "y")
make("single_sigmoid", [node("Sigmoid", ["s"], ["y"])], [("y", FLOAT, [1, 1])], "y", classes=1)
make("single_of_batch", [node("Squeeze", ["s", "last"], ["y"]), node("Sigmoid", ["y"], ["q"])], [("y", FLOAT, [1])], "q",
     {"last": np.array([-1], np.int64)}, classes=1)
make("unbatched", [softmax, node("Squeeze", ["s", "zero"], ["y"])], [("y", FLOAT, [CLASSES])], "q",
     picture=(3, SIDE, SIDE))
make("boxes",
     [node("Reshape", ["map", "flat"], ["f"]), node("Sigmoid", ["f"], ["y0"]), node("Slice", ["y0", "zero", "nine", "two"], ["y"])],
     [("y", FLOAT, [1, 8, 16])], "y",
     {"flat": np.array([1, 8, 196], np.int64), "nine": np.array([16], np.int64), "two": np.array([2], np.int64)})
make("segmentation", [node("Resize", ["map", "", "", "sizes"], ["y"], mode="nearest")], [("y", FLOAT, [1, 8, SIDE, SIDE])],
     "y", {"sizes": np.array([1, 8, SIDE, SIDE], np.int64)})

# A further input, which scales the scores.
sigma = np.array([[0.25, 0.5, 1, 2, -1, 0]], np.float32)
np.save(FOLDER / "sigma.npy", sigma)
make("further_input", [node("Mul", ["s", "sigma"], ["scaled"]), node("Softmax", ["scaled"], ["q"], axis=1)],
     [("q", FLOAT, [1, CLASSES])], "q", further={"sigma": sigma})
