"""Times deepinside beside PyTorch and ONNX Runtime on the same networks, pictures and threads, and compares what they compute.

Every round runs each engine for a moment, one after the other, so that a machine that is slower for a while is so for all of
them; ratios are taken within a round, and their median and extremes are reported. PyTorch runs eagerly with frozen weights, in
its two layouts, of which the better one counts. `--write docs/performance.md` replaces the table between its markers.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time
import warnings

import numpy
import onnxruntime
import torch

import networks

CLASS = 281
ROOT = pathlib.Path(__file__).resolve().parents[2]


def export(model, pictures, path):
    # Its fused attention, which it takes where no gradient is wanted, has no ONNX operator.
    torch.backends.mha.set_fastpath_enabled(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (pictures,), str(path), dynamo=False, opset_version=17, input_names=["images"], output_names=["scores"])


class Torch:
    """PyTorch in one layout."""

    def __init__(self, model, pictures, memory_format):
        self.model = model.to(memory_format=memory_format)
        self.pictures = pictures.clone().contiguous(memory_format=memory_format).requires_grad_()

    def run(self):
        """Milliseconds of a forward pass, and of one with the gradient."""
        self.pictures.grad = None
        start = time.perf_counter()
        scores = self.model(self.pictures)
        middle = time.perf_counter()
        scores[:, CLASS].sum().backward()
        end = time.perf_counter()
        return [1e3 * (middle - start), 1e3 * (end - start)]


def for_a_moment(run, seconds):
    """Medians of repeated runs."""
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        times.append(run())
    return [statistics.median(column) for column in zip(*times)]


def torch_round(engines, seconds):
    """The better layout, for forward and for both passes."""
    medians = [for_a_moment(engine.run, seconds) for engine in engines]
    return [min(column) for column in zip(*medians)]


def runtime_round(session, pictures, seconds):
    def run():
        start = time.perf_counter()
        session.run(None, {"images": pictures})
        return [1e3 * (time.perf_counter() - start)]

    return for_a_moment(run, seconds)[0]


def own_round(program, path, batch, precision, threads, seconds):
    arguments = [program, "bench", "-m", path, "--batch", batch, "--precision", precision, "--threads", threads, "--seconds", seconds, "--json"]
    arguments += ["--array", path.with_suffix(".npy")]
    result = json.loads(subprocess.run([str(a) for a in arguments], check=True, capture_output=True, text=True).stdout)
    return result["forward_ms"]["median"], result["forward_backward_ms"]["median"], result["peak_rss_mb"]


def errors(program, path, model, pictures, folder):
    """Relative L2 errors against double precision: of our scores and gradient, exact and fast, and of PyTorch's gradient."""
    one = pictures[:1].clone()
    numpy.save(folder / "images.npy", one.numpy())
    seed = numpy.zeros((1, 1000), numpy.float32)
    seed[0, CLASS] = 1
    numpy.save(folder / "seed.npy", seed)
    ours = []
    for precision in ("exact", "fast"):
        arguments = [program, "trace", "-m", path, "--input", f"images={folder / 'images.npy'}", "--seed", f"scores={folder / 'seed.npy'}"]
        arguments += ["--precision", precision, "--out", folder / "trace"]
        subprocess.run([str(a) for a in arguments], check=True, capture_output=True)
        ours.append([numpy.load(folder / "trace" / f"{what}.npy") for what in ("data_scores", "diff_images")])

    def torch_run(model, one):
        one = one.clone().requires_grad_()
        scores = model(one)
        scores[0, CLASS].backward()
        return scores.detach().numpy(), one.grad.numpy()

    _, single = torch_run(model, one)
    scores, exact = torch_run(model.double(), one.double())
    model.float()
    relative = lambda found, wanted: float(numpy.linalg.norm(found - wanted) / numpy.linalg.norm(wanted))
    errors = [relative(*pair) for own in ours for pair in zip(own, (scores, exact))]
    return *errors, relative(single, exact)


def peak_of_torch(name, batch, threads):
    """The peak memory of a process that does nothing else."""
    script = (
        "import sys, torch; sys.path.insert(0, sys.argv[1]); import networks;"
        "torch.set_num_threads(int(sys.argv[4])); model = networks.network(sys.argv[2]);"
        "x = networks.picture(int(sys.argv[3]), networks.SIDES[sys.argv[2]], 1).requires_grad_();"
        f"[model(x)[:, {CLASS}].sum().backward() for _ in range(2)];"
        "print(next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM')) / 1024)"
    )
    arguments = [sys.executable, "-c", script, str(pathlib.Path(__file__).parent), name, str(batch), str(threads)]
    return float(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)


def spread(ratios):
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def compare(name, batch, options, folder):
    model = networks.network(name)
    pictures = networks.picture(batch, networks.SIDES[name], seed=1)
    path = folder / f"{name}-{batch}.onnx"
    export(model, pictures, path)
    numpy.save(path.with_suffix(".npy"), pictures.numpy())
    zeros = networks.zeros_before_first_linear(model, pictures)
    measured = errors(options.program, path, model, pictures, folder) if batch == 1 else None
    engines = [Torch(networks.network(name), pictures, layout) for layout in (torch.contiguous_format, torch.channels_last)]
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    array = pictures.numpy()
    precisions = ["exact", "fast"] if batch == 1 else ["exact"]
    rounds = []
    for _ in range(options.rounds):
        own = {precision: own_round(options.program, path, batch, precision, options.threads, options.seconds) for precision in precisions}
        rounds.append((own, torch_round(engines, options.seconds / 2), runtime_round(session, array, options.seconds / 2)))
    del engines, session, model
    middle = lambda values: statistics.median(values)
    row = {"network": name, "batch": batch, "zeros": zeros, "errors": measured, "torch_mb": peak_of_torch(name, batch, options.threads)}
    row["torch"] = [middle(r[1][i] for r in rounds) for i in (0, 1)]
    row["runtime"] = middle(r[2] for r in rounds)
    for precision in precisions:
        row[precision] = {
            "forward": middle(r[0][precision][0] for r in rounds),
            "both": middle(r[0][precision][1] for r in rounds),
            "mb": max(r[0][precision][2] for r in rounds),
            "to_torch": [r[0][precision][1] / r[1][1] for r in rounds],
            "to_runtime": [r[0][precision][0] / r[2] for r in rounds],
        }
    path.unlink()
    path.with_suffix(".npy").unlink()
    return row


def table(rows):
    lines = [
        "| network | batch | precision | forward | ONNX Runtime, forward | ratio | forward + backward | PyTorch | ratio | memory | PyTorch's |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        for precision in ("exact", "fast"):
            if own := row.get(precision):
                lines.append(
                    f"| {row['network']} | {row['batch']} | {precision} | {own['forward']:.1f} ms | {row['runtime']:.1f} ms | {spread(own['to_runtime'])} "
                    f"| {own['both']:.1f} ms | {row['torch'][1]:.1f} ms | **{spread(own['to_torch'])}** | {own['mb']:.0f} MB | {row['torch_mb']:.0f} MB |"
                )
    lines += ["", "| network | zeros before the first fully connected layer | our scores | our gradient | scores, `fast` | gradient, `fast` | PyTorch's gradient |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        if row["errors"]:
            zeros = "–" if row["zeros"] is None else f"{100 * row['zeros']:.0f} %"
            lines.append(f"| {row['network']} | {zeros} | " + " | ".join(f"{error:.1e}" for error in row["errors"]) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", help=f"of {', '.join(networks.SIDES)}; all by default")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="per engine and round")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "target/release/deepinside")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "target/peers-speed", help="where networks are exported to")
    parser.add_argument("--write", type=pathlib.Path, help="the page whose table is replaced")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for batch in options.batches:
        for name in options.networks or networks.SIDES:
            rows.append(compare(name, batch, options, options.folder))
            print(table(rows[-1:]), flush=True)
    versions = f"PyTorch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}, {options.threads} threads, {options.rounds} rounds."
    text = f"{table(rows)}\n\n{versions}"
    print(text)
    if options.write:
        page = options.write.read_text()
        begin, end = "<!-- table: benches/peers/speed.py -->", "<!-- end of the table -->"
        before, rest = page.split(begin)
        options.write.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}")


if __name__ == "__main__":
    main()
