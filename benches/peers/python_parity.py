"""Compares the Python package's classes with Captum's and pytorch-grad-cam's own on the same weights, and writes a table.

    python3 benches/peers/python_parity.py [NETWORK…] > table.md

Needs deepinside, torch, torchvision, timm, captum, grad-cam, onnx. Networks have random weights of a fixed seed; the same PyTorch module, and the
same parts of it as layers, are given to both libraries' classes. The error is the relative L2 distance to the library in float64; beside it
stands the library's own in float32: medians of five inputs, of integrated gradients of sixty, of ablations of twenty, with the largest in brackets. Where a rectifier's argument lies near zero the order of a sum
decides its sign, for each of the two at other inputs, which the largest show. Also runs Captum on a `deepinside.torch.Module`.
"""

import statistics
import sys
import warnings

import captum.attr
import numpy
import pytorch_grad_cam
import timm
import torch
import torchvision
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

import deepinside
import deepinside.captum
import deepinside.grad_cam
import deepinside.torch

warnings.filterwarnings("ignore")

TARGET = 3
INPUTS = 5
# Integrated gradients sum many points of a line, at any of which a rectifier's argument may lie near zero, where the order of a sum decides its
# sign. About every second input meets one, so that a median of few inputs is that of those which do, or of those which do not.
INPUTS_OF_PATHS = 60
# What a segment's loss changes is the difference of two nearly equal scores, whose errors it magnifies: they differ from input to input.
INPUTS_OF_DIFFERENCES = 20


def distance(a, b):
    return float(numpy.linalg.norm(a - b) / numpy.linalg.norm(b))


def networks():
    """Modules with their size and the layer of theirs that is looked at."""
    torch.manual_seed(0)
    return {
        "SqueezeNet 1.1": (torchvision.models.squeezenet1_1(weights=None), 224, "features.12"),
        "ResNet-18": (torchvision.models.resnet18(weights=None), 224, "layer4"),
        "DeiT-tiny": (timm.create_model("deit_tiny_patch16_224", pretrained=False), 224, None),
    }


def captum_cases(layer, has_rectifiers, x):
    """Captum's class, what else it is made with, and what `attribute` is called with."""
    mask = (torch.arange(224)[:, None] // 56 * 4 + torch.arange(224)[None] // 56)[None, None]
    cases = [
        ("Saliency", (), {"abs": False}),
        ("InputXGradient", (), {}),
        ("IntegratedGradients", (), {"n_steps": 20}),
        ("IntegratedGradients", (), {"n_steps": 20, "baselines": 0.1 * x, "method": "riemann_trapezoid"}),
        ("NoiseTunnel of Saliency", (), {"stdevs": 0.0, "nt_samples": 2}),
        ("FeatureAblation", (), {"feature_mask": mask}),
        ("Occlusion", (), {"sliding_window_shapes": (3, 56, 56), "strides": (3, 56, 56)}),
    ]
    if has_rectifiers:
        cases += [("GuidedBackprop", (), {}), ("Deconvolution", (), {})]
    if layer:
        cases += [
            ("LayerGradCam", (layer,), {}), ("LayerActivation", (layer,), None), ("LayerGradientXActivation", (layer,), {}),
            ("LayerConductance", (layer,), {"n_steps": 10}), ("InternalInfluence", (layer,), {"n_steps": 10}),
        ]
        cases += [("GuidedGradCam", (layer,), {})] if has_rectifiers else []
    return cases


def by_captum(library, name, module, layers, settings, x):
    layers = [module.get_submodule(layer) for layer in layers]
    kind, _, of = name.partition(" of ")
    method = getattr(library, kind)(getattr(library, of)(module) if of else module, *layers)
    found = method.attribute(x) if settings is None else method.attribute(x, target=TARGET, **settings)
    return found.detach().numpy()


def by_grad_cam(library, name, module, layers, _, x):
    targets = [ClassifierOutputTarget(TARGET)]
    with getattr(library, name)(model=module, target_layers=[module.get_submodule(layer) for layer in layers]) as cam:
        return numpy.asarray(cam(input_tensor=x, targets=targets))


def main():
    asked = sys.argv[1:]
    print("| network | class | deepinside | the library, float32 | |\n|---|---|---|---|---|")
    for name, (module, size, layer) in networks().items():
        if asked and name not in asked:
            continue
        torch.manual_seed(1)
        inputs = [torch.randn(1, 3, size, size) for _ in range(INPUTS_OF_PATHS)]
        module.eval()
        # Several rectifiers of one module share a hook, which Captum does not allow.
        for part in module.modules():
            if isinstance(part, torch.nn.ReLU):
                part.inplace = False
        cases = []
        for x in inputs:
            # A ResNet's blocks use one rectifier twice, which Captum's rules for rectifiers refuse.
            own = [(by_captum, captum.attr, deepinside.captum, *case) for case in captum_cases(layer, name.startswith("SqueezeNet"), x)]
            if layer:
                cams = ["GradCAM", "HiResCAM", "GradCAMElementWise", "GradCAMPlusPlus", "XGradCAM", "LayerCAM"]
                own += [(by_grad_cam, pytorch_grad_cam, deepinside.grad_cam, cam, (layer,), {}) for cam in cams]
            cases.append(own)
        for of_inputs in zip(*cases):
            _, _, _, kind, _, settings = of_inputs[0]
            has_rectifiers = layer is not None
            counts = {"IntegratedGradients": INPUTS_OF_PATHS if has_rectifiers else INPUTS}
            count = (counts | dict.fromkeys(["FeatureAblation", "Occlusion"], INPUTS_OF_DIFFERENCES)).get(kind, INPUTS)
            errors, floors = zip(*[errors_of(module, x, *case) for x, case in list(zip(inputs, of_inputs))[:count]])
            label = f"{kind}{'' if not settings else ', ' + ', '.join(key for key in settings if key in ('baselines', 'method'))}".rstrip(", ")
            verdict = "within" if statistics.median(errors) <= 3 * statistics.median(floors) else "MISSED"
            print(f"| {name} | `{label}` | {told(errors)} | {told(floors)} | {verdict} |", flush=True)
            print(f"{name}, {label}: means of {count} {statistics.mean(errors):.1e} and {statistics.mean(floors):.1e}", file=sys.stderr)
        bridge = deepinside.torch.Module(deepinside.from_torch(module, inputs[0]))
        bridged = [captum.attr.Saliency(bridge).attribute(x, target=TARGET, abs=False).numpy() for x in inputs[:INPUTS]]
        exact = [captum.attr.Saliency(module.double()).attribute(x.double(), target=TARGET, abs=False).numpy() for x in inputs[:INPUTS]]
        module.float()
        print(f"| {name} | Captum's `Saliency` of `deepinside.torch.Module` | {told([distance(a, b) for a, b in zip(bridged, exact)])} | | |", flush=True)


def errors_of(module, x, compute, library, package, kind, layers, settings):
    """How far ours is from the library in float64, and how far the library itself in float32."""
    own = compute(package, kind, module, layers, settings, x)
    single = compute(library, kind, module, layers, settings, x)
    doubled = {key: value.double() if torch.is_tensor(value) and value.is_floating_point() else value for key, value in (settings or {}).items()}
    exact = compute(library, kind, module.double(), layers, None if settings is None else doubled, x.double())
    module.float()
    return distance(own, exact), distance(single, exact)


def told(errors):
    return f"{statistics.median(errors):.1e} ({max(errors):.1e})"


if __name__ == "__main__":
    main()
