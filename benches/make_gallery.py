"""Makes docs/gallery: what the default commands show of the six example photographs.

Four commands on each photograph with their defaults, by one of two networks: `saliency`, `localise`, `layers` (the sheet of
the layer in the middle) and `class-model` of the class that the photograph was given. Everything is reduced to the width at
which the page shows it.

    python3 benches/make_gallery.py DEEPINSIDE        # needs Pillow, and SqueezeNet v1.1 as `squeezenet-1.1`
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent
GALLERY = REPOSITORY / "docs" / "gallery"
PHOTOGRAPHS = {
    "cat.png": "built-in",
    "coffee.png": "squeezenet-1.1",
    "rocket.jpg": "built-in",
    "astronaut.jpg": "squeezenet-1.1",
    "cameraman.png": "squeezenet-1.1",
    "hopper.jpg": "built-in",
}
NETWORKS = {"built-in": [], "squeezenet-1.1": ["-m", "squeezenet-1.1"]}
WIDTH = 1000


def deepinside(*arguments):
    """Runs the program; returns what it printed."""
    command = [str(argument) for argument in [sys.argv[1], *arguments]]
    return subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout


def keep(picture, name):
    """Writes a picture into the gallery, no wider than the page shows it."""
    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    if image.width > WIDTH:
        image = image.resize((WIDTH, image.height * WIDTH // image.width), Image.Resampling.LANCZOS)
    image.save(GALLERY / name, quality=82)


def of_photograph(photograph, network, model, folder):
    """The four pictures of one photograph."""
    path = REPOSITORY / "examples" / photograph
    stem = f"{path.stem}-{network}"
    deepinside("saliency", path, *model, "-o", folder / "saliency.png")
    keep(folder / "saliency.png", f"{stem}-saliency.jpg")
    deepinside("localise", path, *model, "-o", folder / "localise.png")
    keep(folder / "localise.png", f"{stem}-localise.jpg")
    found = json.loads(deepinside("classify", path, *model, "--top", "1", "--json").splitlines()[0])
    best = found["top"][0]
    deepinside("class-model", best["index"], *model, "-o", folder / "class-model.png")
    keep(folder / "class-model.png", f"{stem}-class-model.jpg")
    layers = folder / "layers"
    deepinside("layers", path, *model, "-o", layers)
    sheets = sorted(file for file in layers.rglob("*.png") if "activation" in file.name)
    keep(sheets[len(sheets) // 2], f"{stem}-layers.jpg")
    return best["name"].split(",")[0]


def main():
    """Makes all pictures and the page that shows them."""
    GALLERY.mkdir(exist_ok=True)
    lines = [
        "# Gallery: what the default commands show",
        "",
        "Made by `benches/make_gallery.py`: six photographs, three by each of two networks, every command with",
        "its defaults. A class model is of the class that the network gives the photograph, and so are saliency and",
        "box; of the layers, the one in the middle is shown.",
    ]
    for photograph, network in PHOTOGRAPHS.items():
        with tempfile.TemporaryDirectory() as folder:
            name = of_photograph(photograph, network, NETWORKS[network], Path(folder))
        stem = f"gallery/{Path(photograph).stem}-{network}"
        lines += ["", f"## {Path(photograph).stem.capitalize()}, by {network}: *{name}*", ""]
        shown = ["saliency", "localise", "layers", "class-model"]
        lines += [f"![{what} of {photograph}]({stem}-{what}.jpg)" for what in shown]
    (REPOSITORY / "docs" / "gallery.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
