"""Writes what the program is made of as a CycloneDX 1.5 document, for scanners: crates, the page's scripts, and the built-in network.

    python3 .ci/sbom.py > deepinside.cdx.json
"""

import hashlib
import json
import sys
import tomllib
from pathlib import Path

from third_party import ROOT, linked


def crates():
    """The linked crates, each with the checksum that the lock file holds."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(own["name"], own["version"]): own.get("checksum") for own in lock["package"]}
    for package in linked():
        name, version = package["name"], package["version"]
        component = {"type": "library", "name": name, "version": version, "purl": f"pkg:cargo/{name}@{version}"}
        if package["license"]:
            component["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        if checksum := checksums.get((name, version)):
            component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        yield component


def scripts():
    """What is bundled into the page."""
    lock = json.loads((ROOT / "web/package-lock.json").read_text())["packages"]
    for name, version in json.loads((ROOT / "web/package.json").read_text())["dependencies"].items():
        licence = lock[f"node_modules/{name}"]["license"]
        yield {"type": "library", "name": name, "version": version, "purl": f"pkg:npm/{name}@{version}", "licenses": [{"expression": licence}]}


def weights():
    """The networks whose weights are in the program."""
    for path in sorted((ROOT / "crates/builtin").rglob("*.onnx")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        yield {"type": "machine-learning-model", "name": path.stem, "hashes": [{"alg": "SHA-256", "content": digest}]}


def main():
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    program = {"type": "application", "name": "deepinside", "version": version, "licenses": [{"expression": "MIT OR Apache-2.0"}]}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": program},
        "components": [*crates(), *scripts(), *weights()],
    }
    json.dump(document, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
