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
    Deconvolution, FeatureAblation, GuidedBackprop, InputXGradient, IntegratedGradients, LayerGradCam,
    Occlusion, Saliency,
)
from pytorch_grad_cam import EigenCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM, XGradCAM
from torch import nn

OUT = Path(__file__).resolve().parents[2] / "crates/deepinside/tests/fixtures/attribution"


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


def main():
    torch.manual_seed(3)
    OUT.mkdir(parents=True, exist_ok=True)
    model = Residual().eval()
    x = torch.randn(1, 3, 16, 16)
    torch.onnx.export(model, x, OUT / "residual.onnx", input_names=["x"], output_names=["s"], opset_version=17, dynamo=False)
    numpy.save(OUT / "x.npy", x.numpy())
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
    index = []
    for number, (case, array) in enumerate(found.items()):
        array = array.detach().numpy()
        numpy.save(OUT / f"{number:02}.npy", array.reshape(array.shape[1:]).astype(numpy.float32))
        index.append({"case": case, "file": f"{number:02}.npy"})
    (OUT / "index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
