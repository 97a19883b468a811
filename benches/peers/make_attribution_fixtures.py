"""Writes crates/deepinside/tests/fixtures/attribution: two small networks and what other libraries compute for them in float64.

    python3 benches/peers/make_attribution_fixtures.py

Needs torch, captum, grad-cam, onnx. Weights and input come from a fixed seed; every expected array is Captum's or pytorch-grad-cam's own,
but for those said to be by hand. Arrays are small: an input of 3 × 16 × 16.
"""

import json
from pathlib import Path

import numpy
import torch
from captum.attr import (
    Deconvolution, FeatureAblation, GuidedBackprop, InputXGradient, IntegratedGradients, InternalInfluence, LayerConductance,
    LayerGradCam, LayerGradientXActivation, Occlusion, Saliency,
)
from pytorch_grad_cam import EigenCAM, GradCAMElementWise, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM, XGradCAM
from torch import nn

OUT = Path(__file__).resolve().parents[2] / "crates/deepinside/tests/fixtures/attribution"


class Grey(nn.Module):
    """Grey pictures that are wider than high, batch normalisation, one rectifier used twice in place, depthwise filters, one score."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6))
        self.second = nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6)
        self.relu = nn.ReLU(inplace=True)
        self.end = nn.Linear(6, 1)

    def forward(self, x):
        return self.end(self.relu(self.second(self.relu(self.first(x)))).mean((2, 3)))


class Gated(nn.Module):
    """Overlapping maxima, a gate of two computed factors, a smooth rectifier, and two results."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.gate = nn.Conv2d(8, 8, 1)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        self.end = nn.Linear(8, 4)

    def forward(self, x):
        a = self.pool(torch.nn.functional.silu(self.first(x)))
        b = a * torch.sigmoid(self.gate(a.mean((2, 3), keepdim=True)))
        return self.end(b.mean((2, 3))), b


class Residual(nn.Module):
    """Convolutions with reused rectifiers' outputs, a residual sum, a concatenation, and a linear end."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.third = nn.Conv2d(12, 8, 3, padding=1)
        self.relus = nn.ModuleList(nn.ReLU() for _ in range(3))
        self.pool = nn.MaxPool2d(2)
        self.end = nn.Linear(8, 5)

    def forward(self, x):
        a = self.pool(self.relus[0](self.first(x)))
        b = self.relus[1](self.second(a)) + a
        c = self.relus[2](self.third(torch.cat([a, b], 1)))
        return self.end(c.mean((2, 3)))


class Ties(nn.Module):
    """Wide enough filters of 3 × 3 that Winograd's transforms would be used, in front of overlapping maxima: of an input of one colour all
    inner windows are equal."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True))
        self.end = nn.Conv2d(32, 4, 3)

    def forward(self, x):
        return self.end(self.body(x)).mean((2, 3))


def rescale(model, x, baseline, target):
    """DeepLIFT's rescale rule by hand. Captum's own values add up to the same here, and differ by up to 7 % of the largest."""
    def layers(x):
        before = [model.first(x)]
        pooled, winners = nn.functional.max_pool2d(before[0].relu(), 2, return_indices=True)
        before.append(model.second(pooled))
        before.append(model.third(torch.cat([pooled, before[1].relu() + pooled], 1)))
        return before, pooled, winners

    def slope(at):
        change = ends[0][0][at] - ends[1][0][at]
        quotient = (ends[0][0][at].relu() - ends[1][0][at].relu()) / change
        return torch.where(change.abs() < 1e-10, (ends[0][0][at] > 0).double(), quotient)

    def back(convolution, shape, gradient):
        return torch.nn.grad.conv2d_input(shape, convolution.weight, gradient, padding=1, groups=convolution.groups)

    with torch.no_grad():
        ends = layers(x), layers(baseline)
        joined = back(model.third, (1, 12, 8, 8), model.end.weight[target, :, None, None] / 64 * slope(2))
        of_sum = joined[:, 6:]
        of_pooled = joined[:, :6] + of_sum + back(model.second, (1, 6, 8, 8), of_sum * slope(1))
        now, before = ends[0][1], ends[1][1]
        bound = torch.maximum(now, before)
        shares = torch.zeros(1, 6, 256, dtype=torch.float64)
        for change, winners in [(bound - before, ends[0][2]), (now - bound, ends[1][2])]:
            shares.scatter_add_(2, winners.reshape(1, 6, -1), (of_pooled * change).reshape(1, 6, -1))
        change = ends[0][0][0].relu() - ends[1][0][0].relu()
        of_rectified = torch.where(change == 0, 0.0, shares.reshape(1, 6, 16, 16) / change)
        found = back(model.first, (1, 3, 16, 16), of_rectified * slope(0)) * (x - baseline)
        torch.testing.assert_close(found.sum(), (model(x) - model(baseline))[0, target])
    return found


def main():
    torch.manual_seed(3)
    OUT.mkdir(parents=True, exist_ok=True)
    model = Residual().eval()
    x = torch.randn(1, 3, 16, 16)
    torch.onnx.export(model, x, OUT / "residual.onnx", input_names=["x"], output_names=["s"], opset_version=17, dynamo=False)
    numpy.save(OUT / "x.npy", x.numpy())
    # For the table of methods and networks, which needs no arrays.
    random = torch.random.get_rng_state()
    for name, network, shape in [
        ("grey", Grey(), (1, 1, 12, 20)), ("gated", Gated(), (1, 3, 16, 16)), ("batch_of_two", Grey(), (2, 1, 12, 20)),
    ]:
        torch.onnx.export(network.eval(), torch.randn(shape), OUT / f"{name}.onnx", input_names=["x"], opset_version=17, dynamo=False)
    torch.random.set_rng_state(random)
    model, x = model.double(), x.double()
    target = 2
    segments = torch.arange(16).div(4, rounding_mode="floor")
    segments = segments[:, None] * 4 + segments[None, :]
    numpy.save(OUT / "segments.npy", segments.numpy().astype(numpy.float32))
    noise = torch.randn(4, 3, 16, 16, dtype=torch.float64).float()
    numpy.save(OUT / "noise.npy", noise.numpy())
    found = {
        "gradient": Saliency(model).attribute(x, target, abs=False),
        "input-x-gradient": InputXGradient(model).attribute(x, target),
        "guided": GuidedBackprop(model).attribute(x, target),
        "deconvnet": Deconvolution(model).attribute(x, target),
        "integrated-gradients": IntegratedGradients(model).attribute(x, target=target, n_steps=20),
        "occlusion window=4 stride=3": Occlusion(model).attribute(x, (3, 4, 4), strides=(3, 3, 3), target=target)[:, 0],
        "feature-ablation segments=segments.npy":
            FeatureAblation(model).attribute(x, target=target, feature_mask=segments[None, None].expand(1, 3, 16, 16))[:, 0],
    }
    gradients = []
    deviation = 0.15 * (x.max() - x.min())
    for own in noise.double():
        gradients.append(Saliency(model).attribute(x + deviation * own, target, abs=False))
    gradients = torch.stack(gradients)
    found["smooth-grad noise=noise.npy"] = gradients.mean(0)
    found["smooth-grad-squared noise=noise.npy"] = gradients.square().mean(0)
    found["var-grad noise=noise.npy"] = gradients.var(0, unbiased=False)
    found["grad-cam"] = LayerGradCam(model, model.relus[2]).attribute(x, target)

    def raw(kind):
        """The library's map before it is rectified, scaled and enlarged."""
        cam = kind(model=model, target_layers=[model.relus[2]])
        cam.batch_size = 64
        kept = {}
        own = cam.get_cam_image

        def keep(*arguments, **named):
            kept["map"] = own(*arguments, **named)
            return kept["map"]

        cam.get_cam_image = keep
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
        cam(input_tensor=x, targets=[ClassifierOutputTarget(target)])
        return torch.as_tensor(numpy.asarray(kept["map"]))

    found["hi-res-cam"] = raw(HiResCAM)
    found["xgrad-cam"] = raw(XGradCAM)
    found["layer-cam"] = raw(LayerCAM)
    found["grad-cam-plus-plus stabiliser=0.000001"] = raw(GradCAMPlusPlus)
    found["score-cam"] = raw(ScoreCAM)
    eigen = raw(EigenCAM)
    found["eigen-cam"] = eigen if eigen.max() >= -eigen.min() else -eigen
    found["deep-lift"] = rescale(model, x, 0 * x, target)
    found["deep-lift baselines=noise.npy"] = torch.stack([rescale(model, x, own[None].double(), target) for own in noise]).mean(0)
    found["layer-conductance steps=20 rule=captum"] = LayerConductance(model, model.relus[2]).attribute(x, target=target, n_steps=20)
    found["internal-influence steps=20"] = InternalInfluence(model, model.relus[2]).attribute(x, target=target, n_steps=20)
    found["layer-gradient-x-activation"] = LayerGradientXActivation(model, model.relus[2]).attribute(x, target)
    found["grad-cam-elementwise"] = raw(GradCAMElementWise)
    torch.manual_seed(8)
    ties, x = Ties().eval(), torch.randn(1, 3, 41, 49)
    torch.onnx.export(ties, x, OUT / "ties.onnx", input_names=["x"], opset_version=17, dynamo=False)
    numpy.save(OUT / "ties_x.npy", x.numpy())
    ties, x = ties.double(), x.double()
    zero = Saliency(ties).attribute(0 * x, target, abs=False)
    numpy.save(OUT / "ties_gradient_at_zero.npy", zero.numpy()[0].astype(numpy.float32))
    # Both ends count as much as all other points, as in PAIR's saliency.
    points = [Saliency(ties).attribute(share * x, target, abs=False) for share in numpy.linspace(0, 1, 5)]
    numpy.save(OUT / "ties_pair.npy", (x * torch.stack(points).mean(0)).numpy()[0].astype(numpy.float32))
    index = []
    for number, (case, array) in enumerate(found.items()):
        array = array.detach().numpy()
        numpy.save(OUT / f"{number:02}.npy", array.reshape(array.shape[1:]).astype(numpy.float32))
        index.append({"case": case, "file": f"{number:02}.npy"})
    (OUT / "index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
