"""Exports what people open beside classifiers, with random weights, and compares `deepinside` with ONNX Runtime and PyTorch.

    python benches/peers/beyond_classifiers.py [NAME]... [--cache FOLDER] [--binary target/release/deepinside]

Detectors, segmentation, depth, half precision, quantised and optimised files, open sizes, pictures as bytes, data beside the file, odd
names, two inputs. Each case is opened, its results are compared with ONNX Runtime's (largest difference over the largest number), and one
target is explained: `explain --method gradient --target …` against PyTorch's gradient of that number in double precision (relative L2), or
the gradient of all results against central differences of ONNX Runtime's where PyTorch is not asked. What is refused is printed with its sentence.
"""

import argparse
import logging
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest.mock
import warnings

import numpy as np

from beyond_networks import CASES
from zoo import ROOT, relative


def pick(results, target):
    """The number that a target like `sum(map[15,:,:])` names, of results by their names."""
    reduce, name, index = re.fullmatch(r'(?:(sum|mean)\()?"?([^"\[]+?)"?(\[.*?\])?\)?', target).groups()
    value = results[name]
    if value.dim() > 1:
        value = value[0]
    chosen = eval(f"value{index}") if index else value
    return chosen.sum() if reduce == "sum" else chosen.mean()


def ours(binary, *arguments):
    ended = subprocess.run([str(binary), *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return ended.returncode, ended.stdout, ended.stderr.strip()


def compare(name, made, folder, binary):
    """One case, as a line of results."""
    import onnx
    import onnxruntime
    import torch

    line = {"name": name}
    feeds = []
    for index, (input_name, array) in enumerate(made.inputs.items()):
        np.save(folder / f"input-{index}.npy", array)
        feeds.append(f"--input={input_name}={folder / f'input-{index}.npy'}")
    status, said, error = ours(binary, "info", "-m", made.file, *feeds[1:])
    (folder / "info.txt").write_text(said + error)
    if status:
        return {**line, "refused": error}
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    status, said, error = ours(binary, "trace", "-m", made.file, *feeds, "--out", out, "--threads", "1")
    if status:
        return {**line, "refused": "trace: " + error}
    # What this program calls the results, ONNX Runtime computes: a detector's are the values before its selection.
    left_out = re.search(r"boxes and scores that it reads \((.*?)\)", error)
    model = onnx.load(str(made.peer), load_external_data=True)
    own = [output.name for output in model.graph.output]
    results = left_out.group(1).split(", ") if left_out else own
    for result in results:
        if result not in own:
            model.graph.output.append(onnx.ValueInfoProto(name=result))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    peer = folder / "peer.onnx"
    onnx.save(model, str(peer))
    session = onnxruntime.InferenceSession(str(peer), options)
    fed = {key: value for key, value in made.inputs.items()}
    expected = dict(zip(results, session.run(results, fed)))
    worst, compared = 0.0, []
    for result in results:
        file = out / f"data_{result.replace('/', '__')}.npy"
        files = [file] if file.exists() else list(out.glob(f"data_{re.sub('[^A-Za-z0-9._-]', '*', result)}.npy"))
        if not files or expected[result].dtype.kind != "f":
            line.setdefault("not compared", []).append(result)
            continue
        found = np.load(files[0]).reshape(expected[result].shape)
        worst = max(worst, float(np.abs(found - expected[result]).max() / max(np.abs(expected[result]).max(), 1e-30)))
        compared.append(result)
    line["forward"], line["results"] = worst, len(compared)
    if not made.target and compared:
        line["slopes"] = slopes(made, folder, binary, session, compared[0], expected[compared[0]], feeds)
    if made.target:
        raw = folder / "raw.npy"
        image = next(iter(made.inputs))
        status, said, error = ours(binary, "explain", "-m", made.file, "--array", folder / "input-0.npy", "--raw", raw, "--method", "gradient",
                                   f"--target={made.target}", *feeds[1:])
        if status:
            return {**line, "not explained": error}
        model, names = made.model
        tensors = {key: torch.tensor(value.astype(np.float64) if value.dtype.kind == "f" or key == image else value)
                   for key, value in made.inputs.items()}
        tensors[image].requires_grad_()
        with unittest.mock.patch("torch.Tensor.float", lambda self: self.double()):
            computed = model.double()(*tensors.values())
        computed = dict(zip(names, computed if isinstance(computed, tuple) else (computed,)))
        pick(computed, made.target).backward()
        found, wanted = np.load(raw).squeeze(), tensors[image].grad.numpy().squeeze()
        if wanted.shape[-1] == 3 and found.shape[0] == 3:  # Gradients have their channels first, whatever the network reads.
            wanted = wanted.transpose(2, 0, 1)
        if found.shape != wanted.shape:
            return {**line, "not explained": f"shapes {found.shape} and {wanted.shape}"}
        line["gradient"] = relative(found, wanted)
    return line


def slopes(made, folder, binary, session, result, expected, feeds, directions=4):
    """How far the gradient of a random sum of a result is from central differences of ONNX Runtime's, along random directions, over the
    largest of them. Steps are small, so that few maxima choose otherwise, and single precision leaves three digits."""
    rng = np.random.default_rng(1)
    seed = rng.standard_normal(expected.shape).astype(np.float32)
    np.save(folder / "seed.npy", seed)
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    status, _, error = ours(binary, "trace", "-m", made.file, *feeds, f"--seed={result}={folder / 'seed.npy'}", "--out", out, "--threads", "1")
    if status:
        return error
    image = next(iter(made.inputs))
    gradient = np.load(next(out.glob(f"diff_{re.sub('[^A-Za-z0-9._-]', '*', image)}.npy"))).reshape(made.inputs[image].shape)
    pairs = []
    for _ in range(directions):
        direction = rng.standard_normal(gradient.shape).astype(np.float32)
        ends = [(session.run([result], {**made.inputs, image: made.inputs[image] + sign * 1e-3 * direction})[0].astype(np.float64) * seed).sum()
                for sign in (1, -1)]
        pairs.append(((gradient * direction).sum(), (ends[0] - ends[1]) / 2e-3))
    found, wanted = np.array(pairs).T
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help="cases whose names begin so")
    parser.add_argument("--cache", type=pathlib.Path)
    parser.add_argument("--prepare", action="store_true", help="only export")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/deepinside")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    import torch

    torch.set_num_threads(1)
    for name, make in CASES.items():
        if arguments.names and not any(name.startswith(part) for part in arguments.names):
            continue
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            if arguments.cache:
                folder = arguments.cache / name
                folder.mkdir(parents=True, exist_ok=True)
            try:
                made = make(folder)
            except Exception as error:
                print(name, "not exported:", type(error).__name__, str(error)[:300], flush=True)
                continue
            if arguments.prepare:
                print(name, "exported", flush=True)
                continue
            print(compare(name, made, folder, arguments.binary), flush=True)


if __name__ == "__main__":
    main()
