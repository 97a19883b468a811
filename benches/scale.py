"""How fast data sets are explained, and what that is made of: the numbers of docs/scale.md.

    python3 benches/scale.py target/release/deepinside COUNT [MODEL…]

Needs NumPy and Pillow. Makes COUNT photographs (benches/make_photographs.py), and for each model and format runs `batch explain` on all
cores; the run itself says what a photograph took in each of its stages. The memory is the process's peak. A MODEL is what -m takes;
without one, the built-in network.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(program, model, photographs, form, method, folder):
    out = Path(folder) / f"{form}-{method}"
    command = [program, "batch", "explain", str(photographs), "--method", method, "--out", str(out), "--format", form, "--json"]
    command += ["-m", *model.split()] if model else []
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    written = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return json.loads(text), usage, written


def main():
    program, count, models = str(Path(sys.argv[1]).resolve()), int(sys.argv[2]), sys.argv[3:] or [""]
    cores = os.cpu_count()
    print("| network | method | written as | photographs/s | decode ms | network ms | encode ms | rate × stages ÷ cores | CPU s per photograph | MB at most | kB each |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        photographs = Path(folder) / "photographs"
        subprocess.run([sys.executable, ROOT / "benches" / "make_photographs.py", photographs, str(count)], check=True)
        for model in models:
            for method, form in [("gradient", "webdataset"), ("gradient", "png"), ("gradient", "parquet"), ("grad-cam", "webdataset")]:
                try:
                    found, usage, written = run(program, model, photographs, form, method, folder)
                except SystemExit as error:
                    print(error, file=sys.stderr)
                    continue
                stages = [found[f"seconds_{stage}"] for stage in ("decode", "network", "encode")]
                rate = found["done"] / found["seconds"]
                cpu = (usage.ru_utime + usage.ru_stime) / found["done"]
                print(
                    f"| {Path(model.split()[0]).stem if model else 'built-in'} | {method} | {form} | {rate:.1f} | "
                    + " | ".join(f"{1e3 * stage:.1f}" for stage in stages)
                    + f" | {rate * sum(stages) / cores:.2f} | {cpu:.4f} | {usage.ru_maxrss / 1024:.0f} | {written / count / 1e3:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
