"""Runs the operator tests of the package `onnx` through `deepinside trace` and says which pass.

The tests give an operator's parameters (weights, axes, bounds) as inputs of the graph; networks have them as
initialisers. Every input that is not data for its operator is therefore made an initialiser first, and where operators
take several data operands, each test runs once with all of them fed.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnx.backend.test
from onnx import numpy_helper

# The operators that networks for image classification use, and that this project set out to compute.
EXPECTED = """
Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast
CastLike Ceil Celu CenterCropPad Clip Col2Im Compress Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh
CumSum DepthToSpace DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather
GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization
HardSigmoid HardSwish Hardmax Identity If InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less
LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul Max MaxPool MaxUnpool Mean MeanVarianceNormalization Min Mish
Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow QuantizeLinear RMSNormalization RNN Range Reciprocal ReduceL1 ReduceL2
ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize
ReverseSequence RotaryEmbedding Round Scatter ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size
Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK
Transpose Trilu Unsqueeze Upsample Where Xor
""".split()

# All inputs of these are data; of every other operator only the first is.
ALL_DATA = set(
    "Add Sub Mul Div Mod Pow BitShift BitwiseAnd BitwiseOr BitwiseXor Max Min Mean Sum And Or Xor Equal Greater GreaterOrEqual Less LessOrEqual Where MatMul Gemm Concat "
    "Einsum Attention".split()
)
# These need every input known: shapes and numbers that files compute with.
NO_DATA = set("Range ConstantOfShape NonZero EyeLike QuantizeLinear DequantizeLinear If Constant".split())

FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}
WHOLE = {
    onnx.TensorProto.UINT8, onnx.TensorProto.INT8, onnx.TensorProto.UINT16, onnx.TensorProto.INT16,
    onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.BOOL, onnx.TensorProto.UINT32,
    onnx.TensorProto.UINT64, onnx.TensorProto.UINT4, onnx.TensorProto.INT4,
}


# The numbers stand in crates/graph/src/budget.rs.
WRITTEN_OUT = """## What is written in other operators first

- Functions that a model brings along (`FunctionProto`) are written out where they are called, attributes of the caller and defaults
  included; written out they are at most 200,000 nodes. Names that two branches share are made distinct.
- `QLinearConv`, `QLinearMatMul`, `ConvInteger`, `MatMulInteger`, `DynamicQuantizeLinear`, and ONNX Runtime's `QLinearAdd`, `QLinearMul`,
  `QLinearAveragePool`, `QLinearGlobalAveragePool`, `QLinearWhere`, `QLinearSigmoid`, `QLinearLeakyRelu`, `QLinearSoftmax`, `QLinearConcat`, `QGemm`,
  `MatMulIntegerToFloat`, `DynamicQuantizeMatMul` are computed in single precision on the numbers that the quantised ones stand for.
  Gradients pass a rounding as if it were not there (straight-through) and stop at its bounds; a scale that is computed passes none.
- Of what ONNX Runtime fuses (`com.microsoft`): `FusedConv`, `FusedGemm`, `FusedMatMul`, `FusedMatMulActivation`, `TransposeMatMul`, `Gelu`,
  `BiasGelu`, `FastGelu`, `QuickGelu`, `BiasSplitGelu`, `BiasAdd`, `SkipLayerNormalization`, `SkipSimplifiedLayerNormalization`,
  `SimplifiedLayerNormalization`, `GroupNorm`, `SkipGroupNorm`, `NhwcConv`, `NhwcMaxPool`, `Attention`, `MultiHeadAttention` (also packed),
  `QAttention`, `RotaryEmbedding`. Files saved at its default level, `all`, have their filters laid out for one machine (`com.microsoft.nchwc`)
  and do not say in blocks of how many channels (8 or 16): they are refused, with the level to save them at.
- `ImageScaler`, `Affine`, `ScaledTanh` and `Crop`, which early converters wrote and ONNX dropped.
- `MatMulNBits` (2, 4 or 8 bits) and `MatMulBnb4`, of published variants of 4 bits: their weights are unpacked while the file is read.
- `LSTM`, `GRU` and `RNN`, step by step, in both directions, with peepholes, coupled gates and initial states: about a dozen small nodes a step,
  whose memory counts in the budget below. Their weights must be constant, all sequences as long as there are steps, and nothing be clipped.
- `ZipMap`, `ArrayFeatureExtractor` of texts and `LabelEncoder` (`ai.onnx.ml`) at the end of a network, which name classes, are left out; the probabilities
  that they read become a result, and the names are kept.
- `NonMaxSuppression`, also in a branch, and what depends on it are left out: the boxes and scores that it reads become results. Where boxes below
  a threshold are dropped before (`NonZero`, as torchvision's detectors do), that is left out with it.

`Resize` with corners on corners at a scale that makes no whole number of positions is read differently by ONNX's evaluator, which divides by the length before
it is rounded, and by ONNX Runtime, PyTorch and TensorFlow, which lay the last place on the last. Files of PyTorch and tf2onnx are read as these mean them; others
are refused, with the advice to state sizes in place of scales.

Loops, sequences, optional values, text and random numbers are refused by name.

Of the package's network tests (`benches/peers/onnx_suites.py`, last run on 30 November 2026; `simple`, `pytorch-converted`, `pytorch-operator`, `light`) 133 pass, none
gives other numbers, 6 have results that are no numbers, and 10 of `simple` are refused: 8 of sequences, and 2 of the training domain's
`Gradient`. Inputs that settle shapes are constants of a trace.
"""

BUDGET = """\
## What is computed while a file is read

What does not depend on an input (shapes, tables of positions, dequantised and standardised \
weights) is computed once, while the file is read. A file of a few kilobytes could ask for any \
amount of it, so each import has a budget that grows with the file's size, data beside the file \
included:

| limit | for every file | for each byte of it |
|---|--:|--:|
| elements read and written (an exponential or a power counts as eight) | 134,217,728 | 32 |
| multiplications of matrix products | 1,073,741,824 | 128 |
| bytes of computed constants held at once | 268,435,456 | 32 |

Constants are freed behind their last reader. One number many times (`ConstantOfShape`, `Expand` \
of a number, and what is computed from them) is kept as that number, however large its shape. A \
file that needs more is refused with the node's name; storing the constants in the file, as \
onnxsim does, makes the file larger and its budget with it.
"""


def cases():
    folder = pathlib.Path(onnx.backend.test.__file__).parent / "data" / "node"
    return sorted(path for path in folder.iterdir() if (path / "model.onnx").is_file())


def tensor(path):
    return onnx.load_tensor(str(path))


def numbers(proto):
    array = numpy_helper.to_array(proto)
    return numpy.asarray(array).astype(numpy.float32)


def run_case(folder, binary):
    """(operators, verdict, reason); the verdict is pass, unsupported, wrong, other or not float."""
    model = onnx.load(str(folder / "model.onnx"))
    operators = [node.op_type for node in model.graph.node]
    own = operators[0] if len(operators) == 1 else None
    if own not in EXPECTED:
        return operators, "other", ""
    data = folder / "test_data_set_0"
    types = [
        value.type.tensor_type.elem_type if value.type.HasField("tensor_type") else None
        for value in list(model.graph.input) + list(model.graph.output)
    ]
    if any(kind not in FLOATS | WHOLE for kind in types):
        return operators, "not float", "tensors of strings, sequences, complex or 8-bit floating-point numbers"
    try:
        given = [tensor(data / f"input_{index}.pb") for index in range(len(model.graph.input))]
        outputs = [tensor(data / f"output_{index}.pb") for index in range(len(model.graph.output))]
    except Exception as error:  # sequences and optionals have other files
        return operators, "not float", str(error)
    node = model.graph.node[0]
    names = [value.name for value in model.graph.input]
    if own in ALL_DATA:
        data_names = set(names)
    elif own in NO_DATA:
        data_names = set()
    else:
        data_names = set(node.input[:1])
    feeds = {}
    initialised = []
    for name, value in zip(names, given):
        if name in data_names:
            feeds[name] = numbers(value)
        else:
            value.name = name
            initialised.append(value)
    kept = [value for value in model.graph.input if value.name in data_names]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.graph.initializer.extend(initialised)
    folded = not feeds or own in ("Shape", "Size")
    if folded:
        # Nothing is left to compute: an addition of zero makes it a network.
        for value in model.graph.output:
            kind = value.type.tensor_type.elem_type
            name = value.name
            model.graph.node.append(onnx.helper.make_node("Cast", [name], [name + "_float"], to=1))
            model.graph.node.append(onnx.helper.make_node("Add", [name + "_float", "zero"], [name + "_sum"]))
        model.graph.input.append(onnx.helper.make_tensor_value_info("zero", 1, [1]))
        feeds["zero"] = numpy.zeros([1], numpy.float32)
        output_names = [value.name + "_sum" for value in model.graph.output]
        del model.graph.output[:]
        model.graph.output.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in output_names)
    else:
        output_names = [value.name for value in model.graph.output]
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "model.onnx")
        onnx.save(model, path)
        command = [binary, "trace", "-m", path, "--out", os.path.join(work, "out"), "--threads", "1"]
        for index, (name, array) in enumerate(feeds.items()):
            file = os.path.join(work, f"input{index}.npy")
            numpy.save(file, array)
            command += ["--input", f"{name}={file}"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if run.returncode not in (0, 1, 2):
            return operators, "wrong", f"exit code {run.returncode}: {run.stderr.strip()[:200]}"
        if run.returncode != 0:
            return operators, "unsupported", reason(run.stderr, path)
        for name, expected, kind in zip(output_names, outputs, types[len(names):]):
            file = os.path.join(work, "out", "data_" + name.replace("/", "__") + ".npy")
            if not os.path.exists(file):
                return operators, "wrong", f"no result '{name}'"
            found, wanted = numpy.load(file), numbers(expected)
            if folded and found.size == wanted.size:
                found = found.reshape(wanted.shape)
            if found.shape != wanted.shape:
                return operators, "wrong", f"'{name}' has shape {found.shape} instead of {wanted.shape}"
            half = expected.data_type in (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
            tolerance = dict(rtol=1e-3, atol=1e-5)
            if half:
                tolerance = dict(rtol=1e-2, atol=1e-2)
            elif kind in WHOLE:
                tolerance = dict(rtol=0, atol=0)
            if not numpy.allclose(found, wanted, equal_nan=True, **tolerance):
                worst = numpy.nanmax(numpy.abs(found - wanted)) if found.size else 0
                return operators, "wrong", f"'{name}' differs by up to {worst:g}"
    return operators, "pass", ""


def reason(text, path):
    lines = [line for line in text.strip().splitlines() if line.startswith("error:")]
    line = (lines or text.strip().splitlines() or ["no reason"])[0]
    line = line.replace("error: ", "").replace(path + ": ", "")
    line = re.sub(r"\S*/input\d+\.npy holds an array of shape \[[\d, ]*\], which has no elements", "an input without elements", line)
    return line.split("): ", 1)[1] if line.startswith("node '") and "): " in line else line


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default="target/release/deepinside")
    parser.add_argument("--write", help="write the page with the table here")
    parser.add_argument("--only", help="only tests whose name contains this")
    arguments = parser.parse_args()
    folders = [folder for folder in cases() if not arguments.only or arguments.only in folder.name]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda folder: run_case(folder, arguments.binary), folders))
    table = collections.defaultdict(collections.Counter)
    reasons = collections.defaultdict(list)
    total = collections.Counter()
    for folder, (operators, verdict, why) in zip(folders, results):
        total[verdict] += 1
        if verdict == "other":
            continue
        table[operators[0]][verdict] += 1
        if verdict in ("unsupported", "wrong"):
            reasons[operators[0]].append((folder.name, verdict, why))
    page = write_page(table, reasons, total)
    if arguments.write:
        pathlib.Path(arguments.write).write_text(page)
    else:
        print(page)
    print(dict(total), file=sys.stderr)
    for operator, cases_of in reasons.items():
        for name, verdict, why in cases_of:
            if verdict == "wrong":
                print(f"WRONG {name}: {why}", file=sys.stderr)
    return 1 if total["wrong"] else 0


def write_page(table, reasons, total):
    lines = [
        "# ONNX operators",
        "",
        f"Made by `benches/peers/onnx_nodes.py` from the operator tests of the package `onnx` {onnx.__version__}: each is run "
        "through `deepinside trace`, and its results are compared with those that the package states (relative 1e-3, absolute "
        "1e-5; half precision 1e-2; whole numbers exactly). All computing is in single precision.",
        "",
        f"Of {sum(total.values())} tests {total['pass']} pass, {total['unsupported']} ask for something that is refused with a "
        f"sentence, and {total['wrong']} give other numbers. {total['not float']} are about tensors that are not numbers of the "
        f"kinds above, and {total['other']} about operators which networks for image classification do not use, or about "
        "several operators at once.",
        "",
        "Axes, bounds and shapes must be constant: initialisers, or computed from constants and shapes alone. Weights and indices may be computed.",
        "",
        "| operator | pass | refused | wrong | not float |",
        "|---|--:|--:|--:|--:|",
    ]
    for operator in sorted(table):
        row = table[operator]
        cells = [str(row[verdict] or "") for verdict in ("pass", "unsupported", "wrong", "not float")]
        lines.append(f"| {operator} | " + " | ".join(cells) + " |")
    lines += ["", *WRITTEN_OUT.splitlines(), "", *BUDGET.splitlines(), "", "## What is refused, and why", ""]
    for operator in sorted(reasons):
        grouped = collections.defaultdict(list)
        for name, _, why in reasons[operator]:
            grouped[why].append(name)
        lines.append(f"- **{operator}**")
        for why, names in grouped.items():
            lines.append(f"  - {', '.join(f'`{name}`' for name in names)}: {why}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
