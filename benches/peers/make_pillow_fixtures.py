"""Makes crates/vision/tests/fixtures/pillow: pictures as Pillow resizes and greys them, and whole inputs of networks as
torchvision prepares them (Resize, CenterCrop, ToTensor, Normalize).

Pictures of 8 bits are stored as PNG files and must be met to the level; what is not rounded is stored as .npy."""

import pathlib

import numpy
from PIL import Image
from torchvision import transforms

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "crates/vision/tests/fixtures"
FOLDER = FIXTURES / "pillow"

MODES = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}

# Heights and widths of resized pictures: smaller, larger, both, one axis alone, much smaller, and a single pixel.
SIZES = [(20, 31), (70, 99), (90, 23), (53, 30), (29, 41), (5, 7), (1, 1)]

# Heights and widths of photographs, whose longer side and whose margins round in different ways.
PHOTOGRAPHS = [(120, 160), (51, 77), (77, 50), (45, 46), (33, 97), (38, 37)]


def noise(shape):
    """Levels of all kinds, a third of them black or white, so that a cubic's values beyond both are cut off."""
    random = numpy.random.default_rng(1)
    levels = random.integers(0, 256, shape)
    return numpy.where(random.random(shape) < 1 / 3, 255 * random.integers(0, 2, shape), levels).astype(numpy.uint8)


def write_resized():
    pictures = {"colour": Image.fromarray(noise((53, 41, 3))), "grey": Image.fromarray(noise((53, 41)))}
    for name, picture in pictures.items():
        picture.save(FOLDER / f"{name}.png")
        for mode, filter in MODES.items():
            for height, width in SIZES:
                picture.resize((width, height), filter).save(FOLDER / f"{name}_{height}x{width}_{mode}.png")
    for mode, filter in MODES.items():
        values = Image.fromarray(noise((53, 41)).astype(numpy.float32) / 255, "F")
        numpy.save(FOLDER / f"values_20x60_{mode}.npy", numpy.asarray(values.resize((60, 20), filter)))


def write_inputs():
    cat = Image.open(FIXTURES / "chelsea_decoded.png").convert("RGB")
    cat.convert("L").save(FOLDER / "chelsea_grey.png")
    normalise = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    for mode, filter in MODES.items():
        prepare = [transforms.Resize(37, interpolation=filter), transforms.CenterCrop(32), transforms.ToTensor()]
        for height, width in PHOTOGRAPHS:
            photograph = cat.crop((0, 0, width, height))
            seen = transforms.Compose([*prepare, normalise])(photograph).numpy()
            numpy.save(FOLDER / f"input_{height}x{width}_{mode}.npy", seen.astype(numpy.float32))
        grey = transforms.Compose([transforms.Lambda(lambda picture: picture.convert("L")), *prepare])
        numpy.save(FOLDER / f"input_grey_{mode}.npy", grey(cat.crop((0, 0, 77, 50))).numpy())


FOLDER.mkdir(exist_ok=True)
write_resized()
write_inputs()
