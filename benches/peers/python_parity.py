"""Compares the Python package's classes with Captum's and pytorch-grad-cam's own on the same weights, and writes a table.

    python3 benches/peers/python_parity.py > docs/python-parity.md

Needs deepinside, torch, torchvision, timm, captum, grad-cam, onnx. Networks have random weights of a fixed seed. The error is the relative L2
distance to the library in float64; beside it stands the library's own in float32. Also runs Captum on a `deepinside.torch.Module`.
"""

import warnings

import captum.attr
import numpy
import timm
import torch
import torchvision

import deepinside
import deepinside.captum
import deepinside.torch

warnings.filterwarnings("ignore")


MISSED = """
Where a row is MISSED: on three of five inputs our gradients of ResNet-18 are 3.1 to 3.2 × as far from float64 as PyTorch's in float32 (2.1e-06
against 6.6e-07); on the two others a rectifier flipped. The bar is 3 ×. It is the order of sums, and not Winograd's transforms: of one convolution of
3 × 3 over 512 channels of rectified noise, F(4×4) emulated in float32 with the products of each element summed in one chain, as here, is 1.8e-06 off
float64; in blocks of 128 channels 0.96e-06, of 64 0.72e-06, and with exact sums 0.28e-06 (`benches/winograd_rounding.py`, 2026-11-30; a direct convolution in one chain: 0.86e-06). Among five inputs, PyTorch with oneDNN and PyTorch without it differed once each by 2.8e-04
to 2.0e-03, where a rectifier's argument lies near zero and the sums' order decides its sign."""


def distance(a, b):
    return float(numpy.linalg.norm(a - b) / numpy.linalg.norm(b))


def main():
    torch.manual_seed(0)
    networks = {
        "SqueezeNet 1.1": (torchvision.models.squeezenet1_1(weights=None), 224, "features.12", "/features/features.12/Concat_output_0"),
        "ResNet-18": (torchvision.models.resnet18(weights=None), 224, "layer4", "/layer4/layer4.1/relu_1/Relu_output_0"),
        "DeiT-tiny": (timm.create_model("deit_tiny_patch16_224", pretrained=False), 224, None, None),
    }
    print("# The Python package beside Captum\n")
    print(f"By `benches/peers/python_parity.py`: Captum {captum.__version__}, PyTorch {torch.__version__.split('+')[0]}, random weights of "
          "a fixed seed, one 224 × 224 input of normal noise. Relative L2 distance to Captum in float64; bar: 3 × Captum's own in float32.\n")
    print("| network | class | deepinside | Captum float32 | |\n|---|---|---|---|---|")
    for name, (module, size, layer, value) in networks.items():
        module.eval()
        # Several rectifiers of one module share a hook, which Captum does not allow.
        for part in module.modules():
            if isinstance(part, torch.nn.ReLU):
                part.inplace = False
        x = torch.randn(1, 3, size, size)
        model = deepinside.from_torch(module, x)
        cases = [
            ("Saliency", {"abs": False}), ("InputXGradient", {}), ("IntegratedGradients", {"n_steps": 20}),
        ]
        if name == "SqueezeNet 1.1":
            cases += [("GuidedBackprop", {}), ("Deconvolution", {})]
        if layer:
            cases += [("LayerGradCam", {}), ("LayerActivation", None)]
        for kind, settings in cases:
            def theirs(module, x):
                of = getattr(captum.attr, kind)
                if kind.startswith("Layer"):
                    made = of(module, module.get_submodule(layer))
                    return (made.attribute(x) if settings is None else made.attribute(x, target=3)).detach().numpy()
                return of(module).attribute(x, target=3, **settings).detach().numpy()

            own_class = getattr(deepinside.captum, kind)
            if kind.startswith("Layer"):
                made = own_class(model, value)
                own = made.attribute(x) if settings is None else made.attribute(x, target=3)
            else:
                own = own_class(model).attribute(x, target=3, **settings)
            single = theirs(module, x)
            exact = theirs(module.double(), x.double())
            module.float()
            error, floor = distance(own.numpy(), exact), distance(single, exact)
            print(f"| {name} | `{kind}` | {error:.1e} | {floor:.1e} | {'within' if error <= 3 * floor else 'MISSED'} |", flush=True)
        bridged = captum.attr.Saliency(deepinside.torch.Module(model)).attribute(x, target=3, abs=False).numpy()
        exact = captum.attr.Saliency(module.double()).attribute(x.double(), target=3, abs=False).numpy()
        module.float()
        print(f"| {name} | Captum's `Saliency` of `deepinside.torch.Module` | {distance(bridged, exact):.1e} | | |", flush=True)
    print(MISSED)


if __name__ == "__main__":
    main()
