"""Makes photographs for measuring: JPEG files of 500 × 375 pixels with structure of all sizes, as ImageNet's have.

    python3 benches/make_photographs.py FOLDER COUNT [WIDTH HEIGHT]

Needs NumPy and Pillow. The same number gives the same files.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (500, 375)
# So many are made from noise of their own, those that follow from these: drawing noise takes ten times as long as encoding it.
OWN = 300


def photograph(number, size=SIZE, made={}):
    """One of the first, or one of them turned over, moved round its edges and with other colours."""
    own = made.setdefault((number % OWN, size), None)
    if own is None:
        own = made[number % OWN, size] = noise_photograph(number % OWN, size)
    if number < OWN:
        return own
    generator = np.random.default_rng(number)
    pixels = np.roll(np.asarray(own), [int(generator.integers(size[1])), int(generator.integers(size[0]))], (0, 1))
    pixels = pixels[:, :: generator.choice([-1, 1]), generator.permutation(3)]
    return Image.fromarray(np.ascontiguousarray(pixels))


def noise_photograph(number, size):
    """Coloured noise at six scales, the coarse ones strongest: the spectrum of natural pictures falls in the same way."""
    generator = np.random.default_rng(number)
    total = np.zeros((size[1], size[0], 3), np.float32)
    for octave in range(6):
        cells = (4 << octave, 3 << octave)
        noise = generator.integers(0, 256, (cells[1], cells[0], 3), dtype=np.uint8)
        total += np.asarray(Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC), np.float32) / 2**octave
    low, high = total.min(), total.max()
    return Image.fromarray(((total - low) * (255 / (high - low))).astype(np.uint8))


def main():
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    size = (int(sys.argv[3]), int(sys.argv[4])) if len(sys.argv) > 4 else SIZE
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{number:06}.jpg"
        if not path.exists():
            photograph(number, size).save(path, quality=90)


if __name__ == "__main__":
    main()
