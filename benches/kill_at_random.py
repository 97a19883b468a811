"""Kills long commands at random moments with SIGKILL, and looks at what is left: nothing half-written under its final name, and a run that
goes on ends with the files of an undisturbed one.

    python3 benches/kill_at_random.py target/release/deepinside [KILLS [COMMAND…]]

COMMAND is a name of COMMANDS; without one, all take turns. Batches are of 500 small photographs by a small network of the tests. Each is
also killed in every one of four shards, which are then merged, and run on a disk that is full at half of its results, which is enlarged
afterwards (a tmpfs, where this user may mount one). Needs NumPy and Pillow. A kill *hits a write* where the temporary file of an unfinished
result is left, or some of the results are there and not all of them. Moments are drawn from the time in which the undisturbed run wrote, so
that most kills fall into it.
"""

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from make_photographs import photograph

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"


def ground_truth(folder):
    entries = []
    for index, name in enumerate(["cat.png", "coffee.png", "rocket.jpg"] * 3):
        file = f"{index}-{name}"
        shutil.copy(EXAMPLES / name, folder / file)
        width, height = Image.open(folder / file).size
        entries.append({"file": file, "width": width, "height": height, "class_index": 281,
                        "boxes": [[10, 10, width - 10, height - 10]]})
    (folder / "truth.json").write_text(json.dumps(entries))


BATCH_PHOTOGRAPHS = 500
BATCH_SIZE = (96, 72)
NETWORK = ROOT / "crates" / "cli" / "tests" / "fixtures" / "onnx" / "shuffle" / "model.onnx"
SHARDS = 4


def batch(task, form):
    return ["batch", *task, "../photographs", "-m", str(NETWORK), "--out", "out", "--format", form, "--rows-per-file", "60"]


COMMANDS = {
    "layers": ["layers", str(EXAMPLES / "cat.png"), "-o", "out", "--raw", "raw"],
    "atlas": ["atlas", "--classes", "1-6", "--iterations", "4", "-o", "atlas.png"],
    "evaluate": ["evaluate", "classification", "--ground-truth", "truth.json", "--details", "details.jsonl",
                 "--csv", "table.csv", "--markdown", "table.md"],
    "class-model": ["class-model", "281", "--iterations", "12", "-o", "model.png", "--frames", "frames.gif"],
    "batch-classify-jsonl": batch(["classify"], "jsonl"),
    "batch-explain-png": batch(["explain"], "png"),
    "batch-explain-jpeg": batch(["explain"], "jpeg"),
    "batch-explain-npy": batch(["explain"], "npy"),
    "batch-explain-webdataset": batch(["explain"], "webdataset"),
    "batch-explain-zarr": batch(["explain"], "zarr"),
    "batch-explain-parquet": batch(["explain"], "parquet"),
}


def start(program, name, folder, more=()):
    command = [program, *COMMANDS[name], *more]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def differing(expected, folder):
    found = {path.relative_to(folder): comparable(path) for path in results(folder)[0]}
    return sorted(str(path) for path in expected.keys() | found.keys() if expected.get(path) != found.get(path))


def killed_in_shards(program, name, home, whole, expected, generator):
    """Kills each shard once, lets it go on, and merges them; the faults that were found."""
    folders = []
    for index in range(SHARDS):
        folder = home / f"shard-{index}"
        folder.mkdir()
        child = start(program, name, folder, ["--shard", f"{index}/{SHARDS}"])
        time.sleep(generator.uniform(0, whole / SHARDS))
        child.send_signal(signal.SIGKILL)
        child.wait()
        if start(program, name, folder, ["--shard", f"{index}/{SHARDS}"]).wait() != 0:
            return [f"shard {index} does not go on"]
        folders.append(folder)
    merged = home / "merged"
    merged.mkdir()
    merge = [program, "batch", "merge", *(str(folder / "out") for folder in folders), "--out", "out"]
    if subprocess.run(merge, cwd=merged, capture_output=True).returncode != 0:
        return ["shards cannot be merged"]
    faults = [f"merged shards differ: {other}" for other in differing(expected, merged)]
    for folder in [*folders, merged]:
        shutil.rmtree(folder)
    return faults


def on_a_full_disk(program, name, home, expected, size):
    """Runs on a disk with half of the space that is needed, then on one with enough; the faults, or None where no disk can be mounted."""
    disk = home / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={max(size // 2, 1 << 16)}", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        return None
    try:
        if start(program, name, disk).wait() == 0:
            return ["a full disk is no failure"]
        subprocess.run(["mount", "-o", f"remount,size={8 * size + (64 << 20)}", str(disk)], check=True)
        if start(program, name, disk).wait() != 0:
            return ["does not go on after a full disk"]
        return [f"after a full disk differs: {other}" for other in differing(expected, disk)]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
        disk.rmdir()


def results(folder):
    """Files under their final names, and temporary ones."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    given = {"truth.json"} | {path.name for path in files if path.name[0].isdigit() and "-" in path.name and path.parent == folder}
    parts = [path for path in files if path.name.endswith(".part")]
    # A batch's own notes: its journal, which has times and is read by its checksums, and what waits for its part.
    own = [path for path in files if path.name == "journal.jsonl" or path.suffix == ".waiting"]
    return [path for path in files if path not in parts + own and path.name not in given], parts + own


def expect_whole(path):
    """Reads a file to its end, as its kind is read."""
    if path.suffix in (".png", ".gif"):
        with Image.open(path) as picture:
            for frame in range(getattr(picture, "n_frames", 1)):
                picture.seek(frame)
                picture.load()
    elif path.suffix == ".npy":
        np.load(path)
    elif path.suffix == ".jsonl":
        # The last line may be unfinished: the next run drops it.
        [json.loads(line) for line in path.read_text().split("\n")[:-1]]
    elif path.suffix == ".json":
        json.loads(path.read_text())


def comparable(path):
    """The content without what tells how long something took."""
    if path.suffix != ".jsonl":
        return path.read_bytes()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line.pop("seconds", None)
    return sorted(json.dumps(line, sort_keys=True) for line in lines)


def main():
    program, kills = str(Path(sys.argv[1]).resolve()), int(sys.argv[2]) if len(sys.argv) > 2 else 200
    generator = random.Random(0)
    names = sys.argv[3:] or list(COMMANDS)
    if subprocess.run([program, "batch", "explain", "x", "--format", "parquet", "--out", tempfile.mkdtemp() + "/x"],
                      capture_output=True, text=True).stderr.find("built without Parquet") >= 0:
        names = [name for name in names if name != "batch-explain-parquet"]
        print("left out: batch-explain-parquet, for the program was built without Parquet")
    faults = 0
    for name in names:
        with tempfile.TemporaryDirectory() as home:
            home = Path(home)
            if name.startswith("batch"):
                (home / "photographs").mkdir()
                for number in range(BATCH_PHOTOGRAPHS):
                    photograph(number, BATCH_SIZE).save(home / "photographs" / f"{number:03}.jpg", quality=90)
                (home / "photographs" / "007-broken.jpg").write_bytes(b"\xff\xd8 broken")
            undisturbed = home / "undisturbed"
            undisturbed.mkdir()
            ground_truth(undisturbed)
            begin, first = time.monotonic(), None
            child = start(program, name, undisturbed)
            while child.poll() is None:
                if first is None and any(results(undisturbed)):
                    first = time.monotonic() - begin
                time.sleep(0.001)
            whole = time.monotonic() - begin
            assert child.returncode == 0, f"{name} fails undisturbed"
            expected = {path.relative_to(undisturbed): comparable(path) for path in results(undisturbed)[0]}
            # A write that takes less than a look at the folder is aimed at from before it.
            since = min(first or whole, 0.9 * whole)
            hits = 0
            for kill in range(kills // len(names)):
                folder = home / "killed"
                folder.mkdir()
                ground_truth(folder)
                child = start(program, name, folder)
                time.sleep(generator.uniform(0.97 * since, whole))
                child.send_signal(signal.SIGKILL)
                child.wait()
                left, parts = results(folder)
                hits += bool(parts) or 0 < len(left) < len(expected) or (
                    name == "evaluate" and child.returncode < 0 and any(path.suffix == ".jsonl" for path in left))
                for path in left:
                    try:
                        expect_whole(path)
                    except Exception as error:
                        faults += 1
                        print(f"{name}: {path.name} is half-written: {error}")
                again = start(program, name, folder)
                if again.wait() != 0:
                    faults += 1
                    print(f"{name}: does not go on after kill {kill}")
                if name.startswith("batch") and any(path.suffix == ".part" or path.suffix == ".waiting" for path in results(folder)[1]):
                    faults += 1
                    print(f"{name}: leaves temporary files behind")
                if other := differing(expected, folder):
                    faults += 1
                    print(f"{name}: differs from an undisturbed run: {', '.join(other)}")
                shutil.rmtree(folder)
            print(f"{name}: {kills // len(names)} kills between {0.97 * since:.2f} and {whole:.2f} s, {hits} of them hit a write", flush=True)
            if name.startswith("batch"):
                found = killed_in_shards(program, name, home, whole, expected, generator)
                size = sum(path.stat().st_size for path in (undisturbed / "out").rglob("*") if path.is_file())
                full = on_a_full_disk(program, name, home, expected, size)
                for fault in found + (full or []):
                    faults += 1
                    print(f"{name}: {fault}")
                told = "no disk can be mounted, so none was full" if full is None else "one full disk"
                print(f"{name}: {SHARDS} shards killed and merged; {told}", flush=True)
    print("no fault" if faults == 0 else f"{faults} faults")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
