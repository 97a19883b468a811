"""Does what README.md and docs/ say, word for word, as a newcomer would.

In a fresh clone, with an empty home, every block marked `sh` (and `python`) of README.md and docs/ is run in the order of the
page, and so is every command in a sentence that names one of the example photographs. Each must end with exit code 0, and no picture that it makes may be constant, nor any panel of a figure.

What a block needs is written behind its language: `sh needs=squeezenet-1.1` is run where that network is at hand
($DEEPINSIDE_SHARED), `sh needs=internet` never. Such blocks are named when they are left out. Blocks marked `text` are for
reading. A block that is a `deepinside serve` alone starts a server, which serves the rest of its page.

    python3 .ci/follow_documents.py [PAGE ...]      # needs NumPy and Pillow
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = os.environ.get("DEEPINSIDE_SHARED")
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A whole command in a sentence, as below most pictures.
INLINE = re.compile(r"`(deepinside [^`]*\bexamples/[^`]*)`")
PICTURES = {".png", ".gif", ".webp", ".jpg", ".jpeg", ".apng"}
# Grey levels by which the middle of a picture or a panel must differ.
LEAST_CONTRAST = 4
SECONDS = 1200


def install_squeezenet(home):
    """Puts SqueezeNet v1.1 where `deepinside model pull` would; says whether that was possible."""
    source = Path(SHARED or "/nonexistent") / "models" / "squeezenet_v1.1"
    if not source.is_dir():
        return False
    folder = home / ".cache" / "deepinside" / "models" / "squeezenet-1.1"
    folder.mkdir(parents=True)
    for name in ["deploy.prototxt", "squeezenet_v1.1.caffemodel"]:
        shutil.copy(source / name, folder / name)
    (folder / "model.toml").write_text(
        'name = "SqueezeNet v1.1"\nnetwork = "deploy.prototxt"\n'
        'weights = "squeezenet_v1.1.caffemodel"\nlabels = "ilsvrc2012"\n'
    )
    return True


def empty_home(home):
    """The environment of a user who has installed nothing but Rust."""
    kept = {name: value for name, value in os.environ.items() if name in {"LANG", "LC_ALL", "TERM"}}
    real = Path(os.environ.get("HOME", "/root"))
    rust = {
        "CARGO_HOME": os.environ.get("CARGO_HOME", str(real / ".cargo")),
        "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(real / ".rustup")),
        # What was built for the tests need not be built again.
        "CARGO_TARGET_DIR": os.environ.get("CARGO_TARGET_DIR", str(REPOSITORY / "target")),
        "CARGO_INSTALL_ROOT": str(home / ".cargo"),
    }
    path = f"{home}/.cargo/bin:{os.environ['PATH']}"
    return kept | rust | {"HOME": str(home), "PATH": path}


def pictures_in(folder):
    """The pictures that are not part of the repository, with the time of their last change."""
    listed = subprocess.run(
        ["git", "ls-files", "--others", "-z"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    paths = [folder / name for name in listed.split("\0") if name]
    return {path: path.stat().st_mtime_ns for path in paths if path.suffix.lower() in PICTURES}


def constant_part(path):
    """Which part of a picture shows nothing; none if all do. A wide picture is a figure with its panels side by side."""
    with Image.open(path) as picture:
        levels = numpy.asarray(picture.convert("RGB")).astype(int)
    height, width = levels.shape[:2]
    if levels.max() - levels.min() < LEAST_CONTRAST:
        return "the whole picture"
    panels = round(width / height)
    if not 2 <= panels <= 4:
        return None
    for index in range(panels):
        left = index * width // panels
        middle = levels[height // 4 : height * 3 // 4, left + width // (4 * panels) : left + 3 * width // (4 * panels)]
        if middle.max() - middle.min() < LEAST_CONTRAST:
            return f"panel {index + 1} of {panels}"
    return None


class Server:
    """A server that a page starts, until the page ends."""

    def __init__(self, command, clone, environment):
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=clone,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self.process.stdout.readline()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def run_block(language, text, clone, environment):
    """Runs a block; returns what is wrong with it, or nothing."""
    before = pictures_in(clone)
    interpreter = ["bash", "-euo", "pipefail", "-c", text] if language == "sh" else [sys.executable, "-c", text]
    try:
        done = subprocess.run(
            interpreter, cwd=clone, env=environment, stdin=subprocess.DEVNULL, timeout=SECONDS,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
    except subprocess.TimeoutExpired:
        return f"took more than {SECONDS} s"
    if done.returncode != 0:
        return f"exit code {done.returncode}:\n{done.stdout[-4000:]}"
    for path, changed in pictures_in(clone).items():
        if before.get(path) != changed and (part := constant_part(path)):
            return f"{path.relative_to(clone)}: {part} is one colour"
    return None


def commands_of(text):
    """What a page asks to be run, in its order: language, what it needs, and the text."""
    found = [(match.start(), match[1], set(re.findall(r"needs=(\S+)", match[2])), match[3]) for match in BLOCK.finditer(text)]
    blank = BLOCK.sub(lambda match: " " * len(match[0]), text)
    found += [(match.start(), "sh", set(), " ".join(match[1].split())) for match in INLINE.finditer(blank)]
    # A caption above the installation shows a command that works after it.
    for _, language, needs, text in sorted(found, key=lambda command: (not command[3].startswith("cargo install"), command[0])):
        if language in {"sh", "python"}:
            yield language, needs | ({"squeezenet-1.1"} & set(text.split())), text


def follow(page, clone, environment, has_squeezenet, counts):
    """Does what one page says."""
    faults = []
    server = None
    for language, needs, text in commands_of((clone / page).read_text()):
        where = f"{page}: {text.strip().splitlines()[0]}"
        if "internet" in needs or ("squeezenet-1.1" in needs and not has_squeezenet):
            print(f"left out ({', '.join(sorted(needs))} is not at hand)  {where}", flush=True)
            counts["left out"] += 1
            continue
        if text.startswith("cargo test"):
            print(f"left out (.ci/run does it)  {where}", flush=True)
            counts["left out"] += 1
            continue
        start = time.monotonic()
        if text.startswith("deepinside serve"):
            server = Server(text.strip(), clone, environment)
            # The page's other blocks speak to this address.
            fault = None if ":7878" in server.address else f"port 7878 must be free; it printed {server.address!r}"
        else:
            fault = run_block(language, text, clone, environment)
        counts["run"] += 1
        print(f"{'FAULT' if fault else 'ok'} {time.monotonic() - start:.1f} s  {where}", flush=True)
        if fault:
            print(fault, flush=True)
            faults.append(where)
    if server and (code := server.stop()):
        faults.append(f"{page}: the server ended with exit code {code}")
    return faults


def main():
    """Follows the pages named, or all."""
    with tempfile.TemporaryDirectory() as folder:
        home, clone = Path(folder) / "home", Path(folder) / "deepinside"
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)
        pages = sys.argv[1:] or [
            "README.md", *sorted(str(path.relative_to(clone)) for path in (clone / "docs").rglob("*.md"))
        ]
        environment = empty_home(home)
        has_squeezenet = install_squeezenet(home)
        if not shutil.which("deepinside", path=environment["PATH"]) and "README.md" not in pages:
            subprocess.run(
                ["cargo", "install", "--quiet", "--locked", "--path", "crates/cli"], cwd=clone, env=environment, check=True
            )
        counts = {"run": 0, "left out": 0}
        faults = []
        for page in pages:
            faults += follow(page, clone, environment, has_squeezenet, counts)
    print(f"{counts['run']} blocks run, {counts['left out']} left out, {len(faults)} with faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
