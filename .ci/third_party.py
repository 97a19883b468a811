"""Writes THIRD-PARTY.txt: whose work the program is made of, and under which licence. With --check, tells whether it is up to date.

    python3 .ci/third_party.py [--check]

What is listed: the crates that a default build of the program links, by `cargo metadata`; the page's scripts, by web/package.json;
the font and the weights that are part of the program. Each notice stands once, however many crates have it.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "THIRD-PARTY.txt"
NOTICES = re.compile(r"(licen[cs]e|copying|notice|unlicense)", re.IGNORECASE)


def linked():
    """The packages that are linked into the program, without those of this repository."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    first = next(id for id, package in packages.items() if package["name"] == "deepinside-cli")
    found, open_ = set(), [first]
    while open_:
        id = open_.pop()
        if id in found:
            continue
        found.add(id)
        for dependency in nodes[id]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                open_.append(dependency["pkg"])
    return sorted((packages[id] for id in found if packages[id]["source"]), key=lambda p: (p["name"], p["version"]))


def notices(package):
    """The texts of a package: the one of the MIT licence where it may be chosen, and what must be kept beside it."""
    folder = Path(package["manifest_path"]).parent
    files = sorted(path for path in folder.iterdir() if path.is_file() and NOTICES.search(path.name))
    chosen = [path for path in files if "mit" in path.name.lower()] or files
    chosen += [path for path in files if "notice" in path.name.lower() and path not in chosen]
    return [path.read_text(encoding="utf-8", errors="replace").strip() for path in chosen]


def main():
    packages = linked()
    lines = [
        "Third-party software, fonts and weights in the program deepinside",
        "",
        "Made by .ci/third_party.py. deepinside itself is under MIT OR Apache-2.0 (LICENSE-MIT, LICENSE-APACHE).",
        "",
        "Crates",
        "======",
        "",
    ]
    texts = {}
    for package in packages:
        name = f"{package['name']} {package['version']}"
        lines.append(f"{name}: {package['license'] or 'see below'}, {package['repository'] or 'no repository named'}")
        for text in notices(package):
            texts.setdefault(text, []).append(name)
    script = json.loads((ROOT / "web/package.json").read_text())["dependencies"]
    lines += ["", "Scripts of the page", "===================", ""]
    lines += [f"{name} {version}: MIT (web/public/notices.txt)" for name, version in sorted(script.items())]
    texts.setdefault((ROOT / "web/public/notices.txt").read_text().strip(), []).append("the page")
    lines += ["", "Fonts and weights", "=================", ""]
    for what, file in [
        ("DejaVu Sans, a subset", "crates/drawing/assets/DejaVu-LICENSE.txt"),
        ("EfficientNet-Lite0's weights", "crates/builtin/data/LICENSE-WEIGHTS"),
    ]:
        lines.append(f"{what}: {file}")
        texts.setdefault((ROOT / file).read_text().strip(), []).append(what)
    for text, owners in texts.items():
        lines += ["", "-" * 80, ", ".join(owners), "-" * 80, "", text]
    made = "\n".join(line.rstrip() for line in "\n".join(lines).splitlines()) + "\n"
    if "--check" in sys.argv:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != made:
            sys.exit("THIRD-PARTY.txt is not what the dependencies say: run python3 .ci/third_party.py and commit")
        return
    TARGET.write_text(made, encoding="utf-8")
    without = [package["name"] for package in packages if not notices(package)]
    print(f"{len(packages)} crates, {len(texts)} texts; without a text of their own: {', '.join(without) or 'none'}")


if __name__ == "__main__":
    main()
