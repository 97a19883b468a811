"""Writes small ONNX files that no training ends with: weights and gradients that are not finite, and names that steer terminals.

    python make_hostile_fixtures.py ../../crates/cli/tests/fixtures/hostile

Each is a convolution, a rectifier, the mean over positions and a fully connected layer of ten classes, for pictures of 3 x 16 x 16.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ESCAPES = "\x1b]0;title\x07\x1b[31m<script>alert(1)</script>\nerror: forged\u202e\x9b2J\"|`=1+1"


def network(path, kernel, activation=("Relu",), names=("conv", "activation"), classes=None):
    """Saves one; `activation` are operators of one operand between the convolution and the mean."""
    random = np.random.RandomState(0)
    classes = random.randn(10, kernel.shape[0]).astype(np.float32) if classes is None else classes
    conv, last = names
    nodes = [helper.make_node("Conv", ["picture", "kernel"], [conv], name=conv, pads=[1, 1, 1, 1])]
    before = conv
    for index, operator in enumerate(activation):
        after = last if index == len(activation) - 1 else f"{operator.lower()}{index}"
        nodes.append(helper.make_node(operator, [before], [after], name=after))
        before = after
    nodes += [
        helper.make_node("GlobalAveragePool", [before], ["mean"], name="mean"),
        helper.make_node("Flatten", ["mean"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "classes"], ["scores"], name="scores", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 10])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(classes, "classes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)


def many_classes(path):
    """Saves one whose result says the same number of 134 million classes."""
    nodes = [
        helper.make_node("ReduceMean", ["picture"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Expand", ["mean", "shape"], ["scores"], name="scores"),
    ]
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 1 << 27])],
        [numpy_helper.from_array(np.array([1, 1 << 27]), "shape")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def giants(folder):
    """Saves some of a kilobyte that ask for gigabytes, or for minutes: what is between the picture and the scores is enlarged, or computed many
    times from filters of one number."""
    tail = [
        helper.make_node("GlobalAveragePool", ["large"], ["mean"], name="mean"),
        helper.make_node("Flatten", ["mean"], ["flat"], name="flat"),
        helper.make_node("MatMul", ["flat", "classes"], ["scores"], name="scores"),
    ]
    classes = numpy_helper.from_array(np.random.RandomState(2).randn(3, 5).astype(np.float32), "classes")

    def save(name, nodes, constants):
        graph = helper.make_graph(
            nodes + tail,
            name,
            [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, 8, 8])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 5])],
            [classes, *(numpy_helper.from_array(np.array(numbers), label) for label, numbers in constants.items())],
        )
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / f"{name}.onnx")

    enlarge = helper.make_node("Resize", ["picture", "", "factors"], ["enlarged"], name="enlarged", mode="nearest")
    # 3 x 16384 x 8192 numbers.
    nearest = helper.make_node("Resize", ["picture", "", "factors"], ["large"], name="large", mode="nearest")
    save("enlarged", [nearest], {"factors": np.float32([1, 1, 2048, 1024])})
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1e-3])
    filters = helper.make_node("ConstantOfShape", ["shape"], ["filters"], name="filters", value=one)
    layers = [
        helper.make_node("Conv", [f"x{index}" if index else "enlarged", "filters"], [f"x{index + 1}"], name=f"conv{index}", pads=[4] * 4)
        for index in range(100)
    ]
    last = helper.make_node("Identity", ["x100"], ["large"], name="last")
    save("shared_filters", [enlarge, filters, *layers, last], {"factors": np.float32([1, 1, 28, 28]), "shape": np.int64([3, 3, 9, 9])})
    sines = [
        helper.make_node("Sin", [f"x{index}" if index else "enlarged"], [f"x{index + 1}"], name=f"sine{index}") for index in range(100)
    ]
    save("sines", [enlarge, *sines, last], {"factors": np.float32([1, 1, 128, 128])})
    weights = helper.make_node("ConstantOfShape", ["shape"], ["weights"], name="weights", value=one)
    many = [
        weights,
        helper.make_node("Flatten", ["picture"], ["row"], name="row"),
        helper.make_node("MatMul", ["row", "weights"], ["wide"], name="wide"),
        helper.make_node("Reshape", ["wide", "extents"], ["large"], name="large"),
    ]
    save("one_number", many, {"shape": np.int64([192, 3 << 16]), "extents": np.int64([1, 3, 256, 256])})


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    kernel = np.random.RandomState(1).randn(4, 3, 3, 3).astype(np.float32)
    broken = kernel.copy()
    broken[1, 2, 0, 0] = np.nan
    network(folder / "nan_weights.onnx", broken)
    # Products of 1e38 and sums of them leave single precision.
    network(folder / "overflow.onnx", np.abs(kernel) * np.float32(1e38), ("Abs",))
    # The slope of a root at zero is infinite, and that times the kernel's zeros NaN; the scores are zero.
    network(folder / "infinite_gradient.onnx", 0 * kernel, ("Abs", "Sqrt"))
    network(folder / "names.onnx", kernel, names=(ESCAPES, "../../../../" + "x" * 300))
    # Longer than what a line of a table is padded to.
    network(folder / "long_name.onnx", kernel, names=("y" * 70_000, "activation"))
    many_classes(folder / "many_classes.onnx")
    giants(folder)
    (folder / "labels.txt").write_text("\n".join([
        "=cmd|' /C calc'!A0", "\x1b]0;title\x07\x1b[31mred", "<b>bold</b>", "a|b`c*d_e[f](g)", "\u202egpj.exe",
        "@SUM(1)", "+1", "-1+2", "\ttab", "plain",
    ]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
