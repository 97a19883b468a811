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


def make_detector():
    """As torchvision's detectors are exported: each class's scores above a threshold, and the choice among their boxes in a branch. The
    boxes and the scores before all that are what ONNX Runtime computes."""
    name, places = "thresholded_detector", 16
    tensors = {"w": random.normal(0, 0.3, (7, 3, 4, 4)).astype(np.float32), "boxes shape": np.array([places, 4], np.int64),
               "scores shape": np.array([places, 3], np.int64), "most": np.array(5, np.int64), "overlap": np.array(0.5, np.float32),
               "threshold": np.array(0.3, np.float32), "three": np.array([0, 1, 2], np.int64), "two": np.array([1, 2], np.int64),
               "none": np.array(0, np.int64), "ends": np.array([4, 3], np.int64), "axis": np.array([1], np.int64), "axes": np.array([0, 1], np.int64)}
    body = [
        node("Conv", ["image", "w"], ["map"], strides=[4, 4]),
        node("Transpose", ["map"], ["last"], perm=[0, 2, 3, 1]),
        node("Split", ["last", "ends"], ["raw boxes", "raw scores"], axis=3),
        node("Reshape", ["raw boxes", "boxes shape"], ["boxes"]),
        node("Reshape", ["raw scores", "scores shape"], ["logits"]),
        node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    parts = {"boxes": [], "scores": []}
    for label in (1, 2):
        tensors[f"label {label}"] = np.array(label, np.int64)
        body += [
            node("Gather", ["scores", f"label {label}"], [f"scores {label}"], axis=1),
            node("Greater", [f"scores {label}", "threshold"], [f"high {label}"]),
            node("NonZero", [f"high {label}"], [f"places {label}"]),
            node("Transpose", [f"places {label}"], [f"rows {label}"]),
            node("GatherND", [f"scores {label}", f"rows {label}"], [f"kept scores {label}"]),
            node("GatherND", ["boxes", f"rows {label}"], [f"kept boxes {label}"]),
        ]
        parts["boxes"].append(f"kept boxes {label}")
        parts["scores"].append(f"kept scores {label}")
    body += [node("Concat", parts["boxes"], ["kept boxes"], axis=0), node("Concat", parts["scores"], ["kept scores"], axis=0)]
    branch = lambda nodes, result: helper.make_graph(nodes, result, [], [helper.make_tensor_value_info(result, WHOLE, [None])])
    choice = branch([node("Unsqueeze", ["kept boxes", "first axis"], ["some boxes"]), node("Unsqueeze", ["kept scores", "axes"], ["some scores"]),
                     node("NonMaxSuppression", ["some boxes", "some scores", "most", "overlap"], ["places"]),
                     node("Gather", ["places", "column"], ["chosen"], axis=1)], "chosen")
    empty = branch([node("Constant", [], ["nothing"], value=numpy_helper.from_array(np.zeros(0, np.int64)))], "nothing")
    tensors |= {"first axis": np.array([0], np.int64), "column": np.array(2, np.int64)}
    body += [
        node("Size", ["kept scores"], ["count"]), node("Greater", ["count", "none"], ["any"]),
        node("If", ["any"], ["which"], then_branch=choice, else_branch=empty),
        node("Gather", ["kept boxes", "which"], ["result boxes"]), node("Gather", ["kept scores", "which"], ["result scores"]),
    ]
    used = {key for one in [*body, *choice.node] for key in one.input}
    graph = helper.make_graph(
        body, name, [helper.make_tensor_value_info("image", FLOAT, (1, 3, SIDE, SIDE))],
        [helper.make_tensor_value_info("result boxes", FLOAT, [None, 4]), helper.make_tensor_value_info("result scores", FLOAT, [None])],
        [numpy_helper.from_array(value, key) for key, value in tensors.items() if key in used])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    watched = onnx.ModelProto.FromString(model.SerializeToString())
    watched.graph.output.extend(helper.make_tensor_value_info(key, FLOAT, None) for key in ("boxes", "scores"))
    # Some boxes are chosen and some dropped.
    results = onnxruntime.InferenceSession(watched.SerializeToString()).run(None, {"image": PICTURE})
    assert 0 < len(results[1]) < 2 * places
    onnx.save(model, FOLDER / f"{name}.onnx")
    np.save(FOLDER / f"{name}-boxes.npy", results[2])
    np.save(FOLDER / f"{name}.npy", results[3])


make_detector()

# A reader of text: its columns are steps, which come before the pictures.
make("steps", [node("ReduceMean", ["map"], ["columns"], axes=[2], keepdims=0), node("Transpose", ["columns"], ["y"], perm=[2, 0, 1])],
     [("y", FLOAT, [SIDE - 2, 1, 8])], "y")

# Probabilities that were softmaxed again, and ranks that were taken for classes.
make("softmax_of_largest", [node("TopK", ["s", "k"], ["best", "i"], axis=1), node("Softmax", ["best"], ["y"], axis=1), node("Softmax", ["s"], ["q"], axis=1)],
     [("i", WHOLE, [1, 3]), ("y", FLOAT, [1, 3])], "q", {"k": np.array([3], np.int64)})
make("exponential_of_log", [node("LogSoftmax", ["s"], ["l"], axis=1), node("Exp", ["l"], ["y"])], [("y", FLOAT, [1, CLASSES])], "y")
make("two_of_one_sigmoid", [node("Gemm", ["p", "one"], ["t"]), node("Sigmoid", ["t"], ["q"]), node("Sub", ["whole", "q"], ["other"]),
                            node("Concat", ["other", "q"], ["y"], axis=1)], [("y", FLOAT, [1, 2])], "y",
     {"one": random.normal(0, 1, (8, 1)), "whole": np.array(1.0)})
make("class_and_confidence",
     [softmax, node("ArgMax", ["q"], ["class"], axis=1, keepdims=0), node("ReduceMax", ["q"], ["confidence"], axes=[1], keepdims=0)],
     [("class", WHOLE, [1]), ("confidence", FLOAT, [1])], "q")
make("percentages", [softmax, node("Mul", ["q", "hundred"], ["y"])], [("y", FLOAT, [1, CLASSES])], "q", {"hundred": np.array(100.0)})
