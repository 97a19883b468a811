"""Makes what transformers' image processors feed to a network, each beside its settings.

    python benches/peers/make_image_processor_fixtures.py

writes crates/deepinside/tests/fixtures/processors/NAME: preprocessor_config.json as `save_pretrained` writes it, and expected.npy of the upper
left 51 × 77 pixels of crates/vision/tests/fixtures/chelsea_decoded.png. Made with transformers 5.24.0 and torchvision 0.29.2.
"""

import pathlib

import numpy as np
import transformers
from PIL import Image

ROOT = pathlib.Path(__file__).parents[2]
# Sizes whose middle lies on whole pixels: where half of one is left, transformers rounds it down and torchvision to the even one.
SQUARE, SHORTER, CROP = {"height": 32, "width": 32}, {"shortest_edge": 32}, {"height": 32, "width": 32}
PROCESSORS = {
    "BitImageProcessor": dict(size={"shortest_edge": 36}, crop_size=CROP),
    "ConvNextImageProcessor": dict(size=SHORTER, crop_pct=0.875),
    "DeiTImageProcessor": dict(size={"height": 36, "width": 36}, crop_size=CROP),
    "EfficientNetImageProcessor": dict(size=SQUARE),
    "EfficientNetImageProcessor-offset": dict(size=SQUARE, rescale_offset=True, rescale_factor=1 / 127.5, include_top=False),
    "LevitImageProcessor": dict(size=SHORTER, crop_size=CROP),
    "MobileViTImageProcessor": dict(size={"shortest_edge": 36}, crop_size=CROP),
    "PerceiverImageProcessor": dict(size=SQUARE, crop_size={"height": 36, "width": 36}),
    "PoolFormerImageProcessor": dict(size=SHORTER, crop_size=CROP, crop_pct=0.888),
    "SegformerImageProcessor": dict(size=SQUARE),
    "ViTImageProcessor": dict(size=SQUARE),
}


def main():
    picture = Image.open(ROOT / "crates/vision/tests/fixtures/chelsea_decoded.png").convert("RGB").crop((0, 0, 77, 51))
    for name, settings in PROCESSORS.items():
        folder = ROOT / "crates/deepinside/tests/fixtures/processors" / name
        folder.mkdir(parents=True, exist_ok=True)
        processor = getattr(transformers, name.split("-")[0])(**settings)
        processor.save_pretrained(folder)
        values = np.asarray(processor(picture, return_tensors="np")["pixel_values"], dtype=np.float32)
        assert values.shape == (1, 3, 32, 32), (name, values.shape)
        np.save(folder / "expected.npy", values)


if __name__ == "__main__":
    main()
