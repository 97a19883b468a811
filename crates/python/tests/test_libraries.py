"""Scripts for Captum, pytorch-grad-cam and Quantus go on with an import changed: the same calls on the same PyTorch module give the same arrays.
Skipped where those libraries are not installed; `.ci/run` installs them where that takes less than ten minutes."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

import deepinside  # noqa: E402
import deepinside.captum as own  # noqa: E402
import deepinside.grad_cam as own_cam  # noqa: E402
import deepinside.torch  # noqa: E402

CLASSES = 5


class Network(torch.nn.Module):
    """Rectifiers of their own, and maxima whose windows do not overlap: what Captum's rules expect."""

    def __init__(self):
        super().__init__()
        nn = torch.nn
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.last = nn.Sequential(nn.Conv2d(8, 12, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(12 * 8 * 8, CLASSES)

    def forward(self, x):
        return self.head(self.last(self.first(x)).flatten(1))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Network().eval()


@pytest.fixture(scope="module")
def inputs():
    torch.manual_seed(1)
    return torch.randn(2, 3, 16, 16)


@pytest.fixture(scope="module")
def opened(network, inputs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return deepinside.from_torch(network, inputs)


def near(found, wanted, tolerance=1e-5):
    found, wanted = (np.asarray(array.detach() if hasattr(array, "detach") else array) for array in (found, wanted))
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= tolerance * np.abs(wanted).max()


MASK = (torch.arange(16)[:, None] // 4 * 4 + torch.arange(16)[None] // 4)[None, None]
BASELINES = torch.linspace(-1, 1, 2 * 3 * 16 * 16).reshape(2, 3, 16, 16)

#: Captum's class, what it is made with besides the model, and what `attribute` is called with besides inputs and target.
CAPTUM = [
    ("Saliency", {}, {}),
    ("Saliency", {}, {"abs": False, "additional_forward_args": None}),
    ("InputXGradient", {}, {}),
    ("IntegratedGradients", {}, {"n_steps": 16, "internal_batch_size": 4, "return_convergence_delta": True}),
    ("IntegratedGradients", {}, {"n_steps": 16, "baselines": BASELINES}),
    ("IntegratedGradients", {}, {"n_steps": 16, "baselines": BASELINES[:1]}),
    ("IntegratedGradients", {"multiply_by_inputs": False}, {"n_steps": 16, "baselines": 0.5, "method": "riemann_trapezoid"}),
    ("GuidedBackprop", {}, {}),
    ("Deconvolution", {}, {}),
    ("Occlusion", {}, {"sliding_window_shapes": (3, 4, 4), "strides": (3, 3, 3), "perturbations_per_eval": 4, "baselines": BASELINES}),
    ("FeatureAblation", {}, {"feature_mask": MASK, "perturbations_per_eval": 3}),
    ("LayerGradCam", {"layer": "last"}, {"relu_attributions": True}),
    ("LayerActivation", {"layer": "first"}, None),
    ("LayerGradientXActivation", {"layer": "last"}, {}),
    ("LayerConductance", {"layer": "last"}, {"n_steps": 16, "internal_batch_size": 8}),
    ("InternalInfluence", {"layer": "last"}, {"n_steps": 16}),
    ("GuidedGradCam", {"layer": "last"}, {}),
]


def test_deep_lift_is_captums_where_no_maxima_are_taken_and_adds_up_where_they_are(network, inputs):
    captum, nn = pytest.importorskip("captum.attr"), torch.nn
    torch.manual_seed(2)
    first, last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 12, 3, padding=1)
    plain = nn.Sequential(first, nn.ReLU(), last, nn.ReLU(), nn.Flatten(), nn.Linear(12 * 16 * 16, CLASSES)).eval()
    target = torch.tensor([1, 3])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = captum.DeepLift(plain).attribute(inputs.clone(), baselines=BASELINES, target=target)
        near(own.DeepLift(plain).attribute(inputs, baselines=BASELINES, target=target), theirs)
        found = own.DeepLift(network).attribute(inputs, baselines=BASELINES, target=target)
    with torch.no_grad():
        difference = (network(inputs) - network(BASELINES))[[0, 1], target]
    near(found.sum((1, 2, 3)), difference)


@pytest.mark.parametrize(("name", "made", "called"), CAPTUM)
def test_a_captum_script_goes_on_with_an_import_changed(network, inputs, name, made, called):
    captum = pytest.importorskip("captum.attr")
    found = []
    for library in (captum, own):
        arguments = {key: getattr(network, value) if key == "layer" else value for key, value in made.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            method = getattr(library, name)(network, **arguments)
            given = inputs.clone()
            found.append(method.attribute(given) if called is None else method.attribute(given, target=torch.tensor([1, 3]), **called))
    theirs, ours = found
    if isinstance(theirs, tuple):
        near(ours[0], theirs[0])
        assert (ours[1] - theirs[1]).abs().max() < 1e-4
        theirs, ours = theirs[0], ours[0]
    assert type(ours) is torch.Tensor and ours.dtype == theirs.dtype
    near(ours, theirs)


@pytest.mark.parametrize("kind", ["smoothgrad", "smoothgrad_sq", "vargrad"])
@pytest.mark.parametrize("arguments", [{}, {"abs": False}])
def test_noise_around_saliency_means_magnitudes_as_captum_s_does(network, inputs, kind, arguments):
    captum = pytest.importorskip("captum.attr")
    torch.manual_seed(3)
    # Noise is another in each library: without any the copies are the same, and with much of it they agree on average.
    for deviation, samples, tolerance in [(0.0, 3, 1e-5), (0.5, 600, 0.35)]:
        called = {"nt_type": kind, "nt_samples": samples, "nt_samples_batch_size": 50, "stdevs": deviation, "target": 2, **arguments}
        theirs = captum.NoiseTunnel(captum.Saliency(network)).attribute(inputs, **called).numpy()
        ours = own.NoiseTunnel(own.Saliency(network)).attribute(inputs, **called).numpy()
        if kind == "vargrad" and not deviation:
            assert np.abs(ours).max() < 1e-12
        else:
            near(ours, theirs, tolerance)
            assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.97


def test_pytorch_grad_cam_scripts_go_on_with_an_import_changed(network, inputs):
    library = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    targets = [ClassifierOutputTarget(1), ClassifierOutputTarget(3)]
    for name in ("GradCAM", "HiResCAM", "XGradCAM", "GradCAMPlusPlus", "LayerCAM", "GradCAMElementWise"):
        with getattr(library, name)(model=network, target_layers=[network.last]) as cam:
            theirs = cam(input_tensor=inputs, targets=targets)
        with getattr(own_cam, name)(model=network, target_layers=[network.last]) as cam:
            ours = cam(input_tensor=inputs, targets=targets)
        assert np.abs(ours - theirs).max() < 1e-4, name
    with pytest.raises(ValueError, match="aug_smooth"):
        own_cam.GradCAM(network, [network.last])(inputs, targets, aug_smooth=True)
    with pytest.raises(ValueError, match="ClassifierOutputTarget"):
        own_cam.GradCAM(network, [network.last])(inputs, [lambda scores: scores[0]] * 2)


def test_weights_that_change_are_exported_again(inputs):
    torch.manual_seed(5)
    network = Network().eval()
    method = own.Saliency(network)
    before = method.attribute(inputs, target=1)
    assert torch.equal(method.attribute(inputs, target=1), before)
    with torch.no_grad():
        network.head.weight.mul_(2)
    near(method.attribute(inputs, target=1), 2 * before)
    assert not network.training


def test_layers_that_are_no_part_get_a_sentence(network, inputs, opened):
    with pytest.raises(ValueError, match="no part of the model"):
        own.LayerGradCam(network, torch.nn.ReLU()).attribute(inputs, target=1)
    with pytest.raises(TypeError, match="name of a value"):
        own.LayerGradCam(opened, network.last).attribute(inputs, target=1)
    with pytest.raises(TypeError, match="deepinside.Model or a PyTorch module"):
        own.Saliency("resnet50")


def test_tensors_of_every_kind_come_back_as_they_were(opened, inputs):
    wanted = own.Saliency(opened).attribute(inputs, target=1)
    with_gradient = inputs.clone().requires_grad_()
    assert torch.equal(own.Saliency(opened).attribute(with_gradient, target=1), wanted)
    assert with_gradient.grad is None
    in_a_tuple = own.Saliency(opened).attribute((inputs,), target=[1, 1])
    assert isinstance(in_a_tuple, tuple) and torch.equal(in_a_tuple[0], wanted)
    assert own.Saliency(opened).attribute(inputs.double(), target=1).dtype == torch.float64
    half = own.Saliency(opened).attribute(inputs.half(), target=1)
    assert half.dtype == torch.float16
    assert torch.equal(own.Saliency(opened).attribute(inputs.to(memory_format=torch.channels_last), target=1), wanted)
    near(own.Saliency(opened).attribute(inputs.numpy(), target=1), wanted)
    near(np.stack([one.values for one in opened.explain(with_gradient, "gradient", [1, 1])]), opened_gradient(opened, inputs))


def opened_gradient(opened, inputs):
    return own.Saliency(opened).attribute(inputs, target=1, abs=False)


def test_targets_that_do_not_fit_get_a_sentence(opened, inputs):
    for target in ([1, 2, 3], torch.tensor([1, 2, 3])):
        with pytest.raises(ValueError, match="2 inputs and 3 targets"):
            own.Saliency(opened).attribute(inputs, target=target)
    assert own.Saliency(opened).attribute(inputs, target=torch.tensor(1)).shape == inputs.shape
    assert own.Saliency(opened).attribute(inputs, target=[(1,), (3,)]).shape == inputs.shape
    with pytest.raises(ValueError, match="class 77"):
        own.Saliency(opened).attribute(inputs, target=77)


def test_what_captum_can_and_this_cannot_is_refused(opened, inputs):
    for mistake in (
        lambda: own.Saliency(opened).attribute(inputs, 1, True, (2,)),
        lambda: own.Occlusion(opened).attribute(inputs, (3, 4, 4), strides=(3, 2, 4), target=1),
        lambda: own.Occlusion(opened).attribute(inputs, (3, 4, 5), target=1),
        lambda: own.FeatureAblation(opened).attribute(inputs, target=1, feature_mask=torch.arange(3 * 256).reshape(1, 3, 16, 16)),
        lambda: own.IntegratedGradients(opened).attribute(inputs, torch.zeros(1, 3, 8, 8), target=1),
        lambda: own.Saliency(opened).attribute((inputs, inputs), target=1),
        lambda: own.Saliency(opened).attribute(inputs[0], target=1),
        lambda: own.Saliency(opened).attribute(inputs[:0], target=1),
    ):
        with pytest.raises(ValueError):
            mistake()


def test_the_bridge_differentiates_as_the_module_does(network, opened, inputs):
    bridge = deepinside.torch.Module(opened)
    gradients = []
    for module in (network, bridge):
        given = inputs.clone().requires_grad_()
        torch.log_softmax(module(given), 1)[:, 2].sum().backward()
        gradients.append(given.grad)
    near(*gradients[::-1])
    for given in (inputs[0], inputs[:0], inputs[:, :, :8]):
        with pytest.raises(ValueError, match="N × C × H × W"):
            bridge(given)
    given = inputs.clone().requires_grad_()
    slope, = torch.autograd.grad(bridge(given)[:, 2].sum(), given, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiated|once_differentiable|does not require grad"):
        slope.sum().backward()


def test_captum_s_infidelity_of_an_onnx_file(network, opened, inputs):
    metrics = pytest.importorskip("captum.metrics")
    gradient = own.Saliency(opened).attribute(inputs, target=1, abs=False)

    def perturb(given):
        noise = 0.3 * torch.randn_like(given)
        return noise, given - noise

    found = []
    for module in (deepinside.torch.Module(opened), network):
        torch.manual_seed(0)
        found.append(metrics.infidelity(module, perturb, gradient, inputs, target=1, n_perturb_samples=10))
    assert found[0].shape == (2,)
    near(*found, tolerance=1e-3)


def test_three_metrics_of_quantus_of_an_onnx_file(opened, inputs):
    quantus = pytest.importorskip("quantus")
    bridge, x, y = deepinside.torch.Module(opened), inputs.numpy(), np.array([1, 3])
    called = {"model": bridge, "x_batch": x, "y_batch": y, "explain_func": deepinside_explain, "explain_func_kwargs": {"method": "gradient"}}
    quiet = {"disable_warnings": True, "display_progressbar": False}
    for metric in (
        quantus.Sparseness(**quiet),
        quantus.MaxSensitivity(nr_samples=3, **quiet),
        quantus.FaithfulnessCorrelation(nr_runs=5, subset_size=16, return_aggregate=False, **quiet),
    ):
        found = np.asarray(metric(**called, device="cpu"), dtype=float)
        assert found.shape == (2,) and np.isfinite(found).all(), type(metric).__name__


def deepinside_explain(model, inputs, targets, **parameters):
    import deepinside.quantus

    return deepinside.quantus.explain(model, inputs, targets, **parameters)


def test_timm_s_preparation_comes_along():
    timm = pytest.importorskip("timm")
    pytest.importorskip("PIL")
    from PIL import Image

    torch.manual_seed(0)
    module = timm.create_model("resnet18", pretrained=False, num_classes=CLASSES).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = deepinside.from_timm(module)
    config = timm.data.resolve_model_data_config(module)
    transform = timm.data.create_transform(**config, is_training=False)
    pixels = np.random.default_rng(0).integers(0, 256, (300, 451, 3), dtype=np.uint8)
    wanted = transform(Image.fromarray(pixels)).numpy()
    found = model.prepare(pixels)
    assert found.shape == wanted.shape
    # A level of 255 is 0.017 here.
    assert np.abs(found - wanted).max() < 0.02
    assert len(model.classes) == CLASSES
