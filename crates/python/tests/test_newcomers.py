"""What people do who meet the package in a notebook: pictures of every mode, settings of their own, Ctrl-C, results that outlive what made them."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import deepinside
from deepinside import captum

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "crates/deepinside/tests/fixtures/attribution"
CAT = ROOT / "examples/cat.png"


@pytest.fixture(scope="module")
def model():
    return deepinside.Model(FIXTURES / "residual.onnx")


@pytest.fixture(scope="module")
def x():
    return np.load(FIXTURES / "x.npy")


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16", "YCbCr"])
def test_pillow_images_of_every_mode_are_what_their_colours_are(model, tmp_path, mode):
    image = pytest.importorskip("PIL.Image")
    with image.open(CAT) as picture:
        small = picture.convert("RGB").resize((40, 30))
    if mode == "I;16":
        grey = np.asarray(small.convert("L"))
        given = image.fromarray(grey.astype(np.uint16) * 257)
        wanted = model.prepare(grey)
        assert given.mode == mode
    else:
        given = small.convert(mode)
        wanted = model.prepare(np.asarray(given.convert("RGB")))
    np.testing.assert_allclose(model.prepare(given), wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pillow_images_of_any_numbers_get_a_sentence(model, mode):
    image = pytest.importorskip("PIL.Image")
    with pytest.raises(ValueError, match=f"mode '{mode}' does not say"):
        model.prepare(image.new(mode, (40, 30), 7))


class OnlyDlpack:
    """What has DLPack and nothing else, as arrays of other libraries do."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **arguments):
        return self._array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class OnlyInterface:
    def __init__(self, array):
        self.__array_interface__ = array.__array_interface__
        self._array = array


def test_arrays_of_other_libraries_are_taken(model, x):
    wanted = model.explain(x[0], "gradient", 2).values
    for kind in (OnlyDlpack, OnlyInterface):
        np.testing.assert_array_equal(model.explain(kind(x[0]), "gradient", 2).values, wanted)
        assert len(model.explain(kind(np.concatenate([x, x])), "gradient", 2)) == 2


def test_a_batch_of_floats_is_not_copied(model, x):
    batch = np.concatenate([x, -x, 2 * x])
    for image in batch:
        assert np.shares_memory(model.prepare(image), batch)


def test_a_result_keeps_what_it_showed_when_its_array_is_changed(model, x):
    array = x[0].copy()
    wanted = model.explain(x[0], "gradient", 2)
    found = model.explain(array, "gradient", 2)
    array[:] = 0
    np.testing.assert_array_equal(found.pixels, wanted.pixels)
    assert found.pixels.dtype == np.uint8 and found.pixels.shape == (*model.input_shape[1:], 3)


def test_a_pickled_result_runs_nothing_of_ours_and_has_its_picture(model, x):
    found = model.explain(x[0], "gradient", 2)
    # Without the package's own code but for the class itself, and without any model.
    text = pickle.dumps(found)
    again = pickle.loads(text)
    np.testing.assert_array_equal(again.pixels, found.pixels)
    assert again.png() == found.png()
    assert b"NativeModel" not in text and b"_shown" not in text


def test_settings_say_what_becomes_of_photographs(x):
    names = [f"class {index}, it's \"quoted\"" for index in range(5)]
    mean, scale = [0.5, 0.4, 0.3], [4.0, 5.0, 2.0]
    model = deepinside.Model(
        FIXTURES / "residual.onnx", labels=names, raw_scale=1, mean=mean, scale=scale, channel_order="rgb", resize=(16, 16), crop="centre",
        interpolation="pillow-bilinear",
    )
    assert model.classes == names
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    wanted = (np.moveaxis(pixels, -1, 0) / 255 - np.reshape(mean, (3, 1, 1))) * np.reshape(scale, (3, 1, 1))
    np.testing.assert_allclose(model.prepare(pixels), wanted, atol=1e-5)
    again = pickle.loads(pickle.dumps(model))
    assert again.classes == names
    np.testing.assert_array_equal(again.prepare(pixels), model.prepare(pixels))
    for settings, part in [
        ({"meen": mean}, "there are weights, labels"), ({"crop": "middle"}, "crop"), ({"channel_order": "gbr"}, "bgr, rgb or grey"),
        ({"interpolation": "cubic"}, "interpolation"), ({"resize": (1, 2, 3)}, "resize"), ({"mean": [1, 2]}, "mean"),
    ]:
        with pytest.raises((TypeError, ValueError), match=part):
            deepinside.Model(FIXTURES / "residual.onnx", **settings)


def test_each_input_has_its_own_baseline_and_segments(model, x):
    batch = np.concatenate([x, -x])
    baselines = np.stack([np.full(x[0].shape, 0.5, np.float32), np.zeros_like(x[0])])
    found = captum.IntegratedGradients(model).attribute(batch, baselines, target=2, n_steps=8)
    for row in range(2):
        alone = captum.IntegratedGradients(model).attribute(batch[row : row + 1], baselines[row : row + 1], target=2, n_steps=8)
        np.testing.assert_array_equal(found[row], alone[0])
    assert not np.array_equal(found[0], captum.IntegratedGradients(model).attribute(batch, target=2, n_steps=8)[0])
    mask = np.load(FIXTURES / "segments.npy")
    masks = np.stack([mask, mask.T])[:, None]
    found = captum.FeatureAblation(model).attribute(batch, target=2, feature_mask=masks)
    for row in range(2):
        alone = captum.FeatureAblation(model).attribute(batch[row : row + 1], target=2, feature_mask=masks[row])
        np.testing.assert_array_equal(found[row], alone[0])


def test_noise_around_saliency_means_magnitudes(model, x):
    gradient = captum.Saliency(model).attribute(x, target=2, abs=False)
    tunnel = captum.NoiseTunnel(captum.Saliency(model))
    np.testing.assert_allclose(tunnel.attribute(x, stdevs=0.0, target=2), np.abs(gradient), rtol=1e-6)
    signed, magnitudes = (tunnel.attribute(x, nt_samples=40, stdevs=1.0, target=2, abs=own) for own in (False, True))
    assert (magnitudes >= 0).all() and (signed < 0).any() and magnitudes.sum() > np.abs(signed).sum()
    assert (tunnel.attribute(x, "vargrad", nt_samples=10, target=2) >= 0).all()


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signal")
def test_ctrl_c_ends_a_long_computation_at_once():
    program = textwrap.dedent(f"""
        import signal, deepinside
        # Where the tests run in the background of a shell, the signal would be ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        model = deepinside.Model({str(FIXTURES / 'residual.onnx')!r})
        print("ready", flush=True)
        try:
            model.explain({str(CAT)!r}, "rise", 1, samples=100_000)
        except KeyboardInterrupt:
            # The model goes on working.
            print("stopped", model.explain({str(CAT)!r}, "gradient", 1).values.shape, flush=True)
    """)
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    time.sleep(1)
    begin = time.monotonic()
    child.send_signal(signal.SIGINT)
    assert child.stdout.readline().startswith("stopped")
    assert time.monotonic() - begin < 10
    assert child.wait(30) == 0


def test_paths_that_are_no_pictures_get_a_sentence(model, tmp_path):
    with pytest.raises(FileNotFoundError):
        model.explain(tmp_path / "nothing.png", "gradient", 0)
    with pytest.raises(ValueError, match="it is a folder"):
        model.explain(tmp_path, "gradient", 0)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError):
        model.explain(tmp_path / "text.png", "gradient", 0)
    with pytest.raises((ValueError, OSError)):
        deepinside.Model(tmp_path)


def test_a_warning_of_an_input_names_the_line_of_the_caller(model):
    unprepared = np.full((1, 3, *model.input_shape[1:]), 200, dtype=np.float32)
    with pytest.warns(UserWarning, match="200") as told:
        model.explain(unprepared, "gradient", 1)
    assert [os.path.basename(warning.filename) for warning in told] == ["test_newcomers.py"]


def test_a_batch_is_its_images_one_after_the_other():
    # Two rounds of three on a thread each, and one left over.
    model = deepinside.Model(FIXTURES / "residual.onnx", threads=3)
    images = np.random.default_rng(0).normal(size=(7, *model.input_shape)).astype(np.float32)
    for targets in ([1, 0, 1, 1, 0, 0, 1], None):
        for method in ("gradient", "smooth-grad", "grad-cam"):
            together = model.explain(images, method, targets)
            for position, found in enumerate(together):
                alone = model.explain(images[position], method, None if targets is None else targets[position])
                assert found.target == alone.target and found.number == alone.number
                assert np.array_equal(found.values, alone.values)
