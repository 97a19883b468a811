"""The Python package with NumPy alone: arrays against Captum's, kept in the crate's fixtures; mistakes of users; pickling; threads."""

import json
import multiprocessing
import pickle
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import deepinside
from deepinside import captum, grad_cam, xplique

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "crates/deepinside/tests/fixtures/attribution"
CAT = ROOT / "examples/cat.png"


@pytest.fixture(scope="module")
def model():
    return deepinside.Model(FIXTURES / "residual.onnx")


@pytest.fixture(scope="module")
def x():
    return np.load(FIXTURES / "x.npy")


def expected(case):
    for entry in json.loads((FIXTURES / "index.json").read_text()):
        if entry["case"].split(" ")[0] == case:
            return np.load(FIXTURES / entry["file"])
    raise KeyError(case)


def near(found, wanted):
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_captum_s_arrays(model, x):
    assert captum.Saliency(model).attribute(x, target=2, abs=False).shape == x.shape
    near(captum.Saliency(model).attribute(x, target=2, abs=False)[0], expected("gradient"))
    near(captum.InputXGradient(model).attribute(x, target=2)[0], expected("input-x-gradient"))
    near(captum.GuidedBackprop(model).attribute(x, target=2)[0], expected("guided"))
    near(captum.Deconvolution(model).attribute(x, target=2)[0], expected("deconvnet"))
    values, delta = captum.IntegratedGradients(model).attribute(x, target=2, n_steps=20, return_convergence_delta=True)
    near(values[0], expected("integrated-gradients"))
    assert delta.shape == (1,)
    near(captum.Occlusion(model).attribute(x, (3, 4, 4), strides=(3, 3, 3), target=2)[0, 0], expected("occlusion"))
    mask = np.load(FIXTURES / "segments.npy")
    near(captum.FeatureAblation(model).attribute(x, target=2, feature_mask=mask)[0, 0], expected("feature-ablation"))
    near(captum.LayerGradCam(model, "/relus.2/Relu_output_0").attribute(x, target=2)[0], expected("grad-cam"))


def test_captum_s_layers_and_differences(model, x):
    layer = "/relus.2/Relu_output_0"
    values, delta = captum.DeepLift(model).attribute(x, target=2, return_convergence_delta=True)
    near(values[0], expected("deep-lift"))
    assert abs(delta[0]) < 1e-4
    noise = np.load(FIXTURES / "noise.npy")
    mean = np.mean([captum.DeepLift(model).attribute(x, own[None], target=2) for own in noise], axis=0)
    near(captum.DeepLiftShap(model).attribute(x, noise, target=2), mean)
    near(captum.LayerConductance(model, layer).attribute(x, target=2, n_steps=20)[0], expected("layer-conductance"))
    near(captum.InternalInfluence(model, layer).attribute(x, target=2, n_steps=20)[0], expected("internal-influence"))
    near(captum.LayerGradientXActivation(model, layer).attribute(x, target=2)[0], expected("layer-gradient-x-activation"))
    slopes = captum.IntegratedGradients(model, multiply_by_inputs=False).attribute(x, target=2, n_steps=20)
    near(slopes * x, captum.IntegratedGradients(model).attribute(x, target=2, n_steps=20))
    assert captum.DeepLift(model, multiply_by_inputs=False).attribute(x, target=2).shape == x.shape
    assert captum.GradientShap(model, multiply_by_inputs=False).attribute(x, noise, target=2).shape == x.shape
    with pytest.raises(ValueError, match="multiply_by_inputs"):
        captum.IntegratedGradients(model, False).attribute(x, target=2, return_convergence_delta=True)
    with pytest.raises(ValueError, match="multiply_by_inputs"):
        captum.NoiseTunnel(captum.IntegratedGradients(model, False))
    mask = np.load(FIXTURES / "segments.npy")
    change = model.explain(x[0], "deep-lift", 2).completeness[1]
    per_segment = captum.ShapleyValueSampling(model).attribute(x, target=2, feature_mask=mask, n_samples=3)[0, 0]
    assert abs(sum(per_segment[mask == own][0] for own in np.unique(mask)) - change) < 1e-4


def test_presets_say_what_they_fill_in(model, x):
    found = model.explain(x[0], "smooth-grad", 2, preset="captum")
    assert any("samples=5, deviation=1, absolute=true" in note for note in found.notes)


def test_methods_take_given_noise(model, x):
    noise = np.load(FIXTURES / "noise.npy")
    near(model.explain(x[0], "smooth-grad", 2, noise=noise).values, expected("smooth-grad"))
    near(model.explain(x[0], "var-grad", 2, noise=noise).values, expected("var-grad"))


def test_grad_cam_scales_and_enlarges(model, x):
    with grad_cam.LayerCAM(model=model, target_layers=["/relus.2/Relu_output_0"]) as cam:
        found = cam(input_tensor=np.concatenate([x, -x]), targets=[grad_cam.ClassifierOutputTarget(2)] * 2)
    assert found.shape == (2, 16, 16)
    assert found.min() >= 0 and found.max() <= 1


def test_xplique_s_convention(model, x):
    images = np.moveaxis(np.concatenate([x, -x]), 1, -1)
    targets = np.eye(5, dtype=np.float32)[[2, 2]]
    found = xplique.Saliency(model, batch_size=1)(images, targets)
    assert found.shape == (2, 16, 16, 1)
    near(found[0, :, :, 0], np.abs(expected("gradient")).max(0))
    near(xplique.GradientInput(model, reducer="sum")(images, targets)[0, :, :, 0], expected("input-x-gradient").sum(0))
    near(np.moveaxis(xplique.GuidedBackprop(model, reducer=None)(images, targets)[0], -1, 0), expected("guided"))
    near(np.moveaxis(xplique.DeconvNet(model, reducer=None)(images, targets)[0], -1, 0), expected("deconvnet"))
    # Any weights of classes are one target.
    weights = np.array([[0.5, 0, 2, 0, -1]], np.float32)
    each = [xplique.GradientInput(model)(images[:1], np.eye(5, dtype=np.float32)[[own]]) for own in (0, 2, 4)]
    near(xplique.GradientInput(model)(images[:1], weights), 0.5 * each[0] + 2 * each[1] - each[2])
    assert xplique.SmoothGrad(model, nb_samples=4)(images, targets).shape == (2, 16, 16, 1)
    assert xplique.GradCAM(model, conv_layer="/relus.2/Relu_output_0")(images, targets).shape == (2, 16, 16, 1)
    occluded = xplique.Occlusion(model, patch_size=3)(images, targets)
    assert (occluded[:, 15:] == 0).all() and (occluded[:, :15, :15] != 0).any()
    for mistake in (lambda: xplique.Saliency(model)(x, targets), lambda: xplique.Saliency(model)(images, targets[:, :4])):
        with pytest.raises(ValueError, match="found"):
            mistake()
    with pytest.raises(ValueError, match="operator"):
        xplique.Saliency(model, operator=len)


def test_targets_and_batches(model, x):
    batch = np.concatenate([x, -x, 2 * x])
    found = model.explain(batch, "gradient", [0, "p(1)", "2 - 1"])
    assert [own.target for own in found] == ["0", "p(1)", "2 - 1"]
    by_value = model.explain(x[0], "gradient", "s[2]").values
    near(by_value, expected("gradient"))
    several = model.explain(x[0], "layer-cam", 2, layer=["/relus.1/Relu_output_0", "/relus.2/Relu_output_0"])
    assert [own.layer for own in several] == ["/relus.1/Relu_output_0", "/relus.2/Relu_output_0"]


def test_progress_is_shown_where_it_is_asked_for(model, x, capsys):
    pytest.importorskip("tqdm")
    model.explain(np.concatenate([x] * 3), "gradient", 2, progress=True)
    assert "gradient" in capsys.readouterr().err
    model.explain(np.concatenate([x] * 3), "gradient", 2)
    model.classify(np.concatenate([x] * 3), progress=False)
    assert capsys.readouterr().err == ""


def test_forward_and_backward(model, x):
    scores = model.forward(x[0], "s")["s"]
    assert scores.shape == (5,)
    gradient = model.backward(x[0], "dot(s, top)", arrays={"top": np.array([0, 0, 1, 0, 0], np.float32)})
    near(gradient["x"], expected("gradient"))


def test_pictures(model):
    found = model.explain(CAT, "gradient")
    assert found._repr_png_()[:8] == b"\x89PNG\r\n\x1a\n"
    assert np.asarray(found).shape == model.input_shape
    assert pickle.loads(pickle.dumps(found)).target == found.target


def test_images_of_every_kind_are_the_same(model):
    pytest.importorskip("PIL")
    from PIL import Image

    with Image.open(CAT) as picture:
        pixels = np.asarray(picture.convert("RGB"))
        wanted = model.prepare(CAT)
        for image in (picture, pixels, pixels[:, :, ::-1][:, :, ::-1], CAT.read_bytes()):
            np.testing.assert_array_equal(model.prepare(image), wanted)
    read_only = pixels.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(model.prepare(read_only), wanted)


@pytest.mark.parametrize(
    ("image", "part"),
    [
        (np.zeros((16, 16, 3), np.float32), "which is H × W × C: np.moveaxis"),
        (np.zeros((1, 16, 16, 3), np.float32), "which is H × W × C: np.moveaxis"),
        (np.zeros((3, 16, 17), np.uint8), "look like channels × height × width"),
        (np.zeros((3, 16, 16), np.int64), "uint8"),
        (np.zeros((0, 16, 3), np.uint8), "empty"),
        (np.zeros((0, 3, 16, 16), np.float32), "empty"),
        ([], "there is no image"),
        (b"", "image"),
        (np.zeros((), np.float32), "channels × height × width"),
        (np.full((3, 16, 16), np.nan, np.float32), "NaN"),
        (np.full((3, 16, 16), np.inf, np.float32), "NaN"),
        (np.zeros((3, 17, 16), np.float32), "found"),
    ],
)
def test_mistakes_get_a_sentence(model, image, part):
    with pytest.raises(ValueError, match=part):
        model.explain(image, "gradient", 0)


def test_arrays_need_not_be_contiguous(model, x):
    wanted = model.explain(x[0], "gradient", 2).values
    doubled = np.repeat(np.repeat(x[0], 2, axis=1), 2, axis=2)[:, ::2, ::2]
    for array in (np.asfortranarray(x[0]), doubled, np.moveaxis(np.moveaxis(x[0], 0, -1).copy(), -1, 0), x[0].astype(np.float64)):
        np.testing.assert_array_equal(model.explain(array, "gradient", 2).values, wanted)


def test_numbers_that_are_no_photograph_s_are_told():
    built_in = deepinside.builtin()
    pixels = np.random.default_rng(0).integers(0, 256, (3, 224, 224)).astype(np.float32)
    with pytest.warns(UserWarning, match="0 to 255"):
        built_in.explain(pixels, "gradient", 0)
    with pytest.warns(UserWarning, match="0 to 1"):
        built_in.classify(pixels / 255)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        built_in.explain(built_in.prepare(CAT), "gradient", 0)
        built_in.explain(np.zeros((3, 224, 224), np.float32), "gradient", 0)
        built_in.explain(pixels / 64 - 2, "gradient", 0)


def _in_a_process(model, array, queue):
    queue.put(model.explain(array, "gradient", 2).values)


def _refused_in_a_fork(model, array, queue):
    for attempt in (lambda: model.explain(array, "gradient", 2), lambda: deepinside.Model(FIXTURES / "residual.onnx")):
        try:
            attempt()
            queue.put("it computed")
        except RuntimeError as error:
            queue.put(str(error))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_after_use_gets_a_sentence(model, x):
    wanted = model.explain(x[0], "gradient", 2).values
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_refused_in_a_fork, args=(model, x[0], queue))
    child.start()
    for _ in range(2):
        assert "forked after a model was opened" in queue.get(timeout=30)
    child.join(30)
    assert child.exitcode == 0
    np.testing.assert_array_equal(model.explain(x[0], "gradient", 2).values, wanted)


def test_a_model_works_in_another_process(model, x):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_in_a_process, args=(model, x[0], queue))
    child.start()
    np.testing.assert_array_equal(queue.get(timeout=120), model.explain(x[0], "gradient", 2).values)
    child.join(60)
    assert child.exitcode == 0


def test_other_mistakes_get_a_sentence(model, x, tmp_path):
    with pytest.raises(ValueError, match="nearest"):
        model.explain(x[0], "grad-camm", 0)
    with pytest.raises(ValueError, match="class 9"):
        model.explain(x[0], "gradient", 9)
    with pytest.raises(ValueError, match="steps"):
        model.explain(x[0], "integrated-gradients", 0, stepps=3)
    with pytest.raises(TypeError, match="path"):
        model.explain(3.5, "gradient", 0)
    with pytest.raises(FileNotFoundError):
        deepinside.Model(tmp_path / "nothing.onnx")
    (tmp_path / "no.onnx").write_bytes(b"this is no network")
    with pytest.raises(ValueError):
        deepinside.Model(tmp_path / "no.onnx")


def test_models_pickle_as_path_and_hash(tmp_path, x):
    path = tmp_path / "net.onnx"
    path.write_bytes((FIXTURES / "residual.onnx").read_bytes())
    pickled = pickle.dumps(deepinside.Model(path))
    near(pickle.loads(pickled).explain(x[0], "gradient", 2).values, expected("gradient"))
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="pickled"):
        pickle.loads(pickled)
    own = deepinside.Model.from_bytes((FIXTURES / "residual.onnx").read_bytes())
    near(pickle.loads(pickle.dumps(own)).explain(x[0], "gradient", 2).values, expected("gradient"))


def test_many_threads_get_their_own_answers(model, x):
    found = {}

    def explain(number):
        found[number] = model.explain(x[0] * number, "input-x-gradient", 2).values

    threads = [threading.Thread(target=explain, args=(number,)) for number in range(1, 7)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for number in found:
        np.testing.assert_array_equal(found[number], model.explain(x[0] * number, "input-x-gradient", 2).values)


def test_the_built_in_network_names_a_cat():
    built_in = deepinside.builtin()
    assert "cat" in built_in.classify(CAT)[0].name
    names = [{entry["name"] for entry in table} for table in (deepinside.methods(), deepinside.metrics())]
    assert names[0] >= {"gradient", "deep-lift", "kernel-shap", "score-cam"} and names[1] >= {"deletion", "infidelity", "road"}
    assert built_in.metric("sparseness", CAT, 285, np.eye(4, dtype=np.float32))["value"] == pytest.approx(0.75)


def test_a_record_says_what_made_a_result(model):
    found = model.explain(CAT, "integrated-gradients", 1, steps=3, crop="whole")
    assert found.record["method"] == "integrated-gradients"
    assert found.record["parameters"] == {"steps": 3} and found.record["target"] == "1"
    assert len(found.record["sha256"]) == 64
    left, top, right, bottom = found.frame
    assert (left, top) == (0, 0) and right > 0 and bottom > 0
    assert "<img" in found._repr_html_()
    assert model.explain(np.zeros(model.input_shape, np.float32), "gradient", 0).frame is None


def test_the_class_is_what_the_model_says_of_its_own_crop(model):
    own = model.classify(CAT, top=1)[0].index
    for crop in (None, "whole", "top-left"):
        assert model.explain(CAT, "gradient", crop=crop).target == str(own)


def test_layers_are_activations_and_gradients(model):
    found = model.layers(CAT, target=1)
    name, layer = next(iter(found.items()))
    assert layer.activation.shape == layer.gradient.shape and layer.name == name
    forward = model.forward(CAT, name)[name]
    np.testing.assert_array_equal(layer.activation.ravel(), forward.ravel())
    one = model.layers(CAT, target=1, values=name)
    np.testing.assert_array_equal(one[name].gradient, layer.gradient)
    backward = model.backward(CAT, 1, name)[name]
    np.testing.assert_allclose(layer.gradient.ravel(), backward.ravel(), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="no rule"):
        model.layers(CAT, rule="other")


def test_objects_are_found_in_photographs(model):
    best = model.classify(CAT, top=2)
    found = model.localise(CAT, top=2)
    assert [own.index for own in found] == [own.index for own in best]
    first = found[0]
    height, width = first.mask.shape
    assert first.map.shape == (height, width) and first.mask.dtype == bool
    left, top, right, bottom = first.box
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert model.localise(CAT, best[1].index)[0].index == best[1].index
    with pytest.raises(ValueError, match="photographs"):
        model.localise(np.zeros(model.input_shape, np.float32))
    with pytest.raises(ValueError, match="no method"):
        model.localise(CAT, method="other")


def test_class_models_grow_frame_by_frame(model):
    grown = model.class_model(1, "paper", iterations=6, every=2)
    frames = []
    for frame in grown:
        frames.append(frame)
        if frame.iteration == 2:
            grown.change(learning_rate=0.5)
    assert [frame.iteration for frame in frames] == [2, 4, 6]
    assert frames[-1].image.shape == model.input_shape and frames[-1].pixels.dtype == np.uint8
    assert frames[-1]._repr_png_()[:4] == b"\x89PNG"
    assert model.class_model(1, "paper", iterations=3).last().iteration == 3
    endless = model.class_model(1, "paper", iterations=1_000_000)
    next(iter(endless))
    del endless
    with pytest.raises(ValueError, match="recipe"):
        model.class_model(1, "paper", iteration=3)
    with pytest.raises(ValueError):
        model.class_model(99999)


def test_the_command_is_the_program(tmp_path):
    def run(*words):
        return subprocess.run([sys.executable, "-m", "deepinside", *map(str, words)], capture_output=True, text=True, cwd=tmp_path)

    network = FIXTURES / "residual.onnx"
    found = run("explain", CAT, "-m", network, "--method", "gradient", "--target", "1", "--raw", "raw.npy", "-o", "raw.png")
    assert found.returncode == 0, found.stderr
    expected = deepinside.Model(network).explain(CAT, "gradient", 1)
    np.testing.assert_array_equal(np.load(tmp_path / "raw.npy"), expected.values)
    missing = run("classify", "nothing.png")
    assert missing.returncode == 1 and "nothing.png" in missing.stderr
    assert run("--version").stdout.startswith("deepinside ")
