"""How much memory a job over very many photographs takes, and whether that grows.

    python3 benches/memory.py target/release/deepinside FOLDER [COUNT…]

FOLDER has photographs (benches/make_photographs.py); for each COUNT, `batch explain --method gradient` looks at so many of them and the
process's peak of resident memory is printed. A model and more flags may follow `--`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main():
    words = sys.argv[1:]
    more = words[words.index("--") + 1 :] if "--" in words else []
    program, folder, *counts = words[: words.index("--")] if "--" in words else words
    print("| photographs | MB at most |\n|---|---|")
    for count in counts or ["1000", "10000"]:
        home = Path(tempfile.mkdtemp())
        command = [program, "batch", "explain", folder, "--method", "gradient", "--limit", count, "--out", str(home / "out"), *more]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        shutil.rmtree(home)
        if status != 0:
            raise SystemExit(f"{' '.join(command)} failed")
        print(f"| {count} | {usage.ru_maxrss / 1024:.0f} |", flush=True)


if __name__ == "__main__":
    main()
