"""The networks of the speed comparison, with random weights.

Those of the last decade leave as many units silent as trained ones do.

How much work a gradient is depends on how many units are active, so plain random weights would not do. Layers are calibrated
one after the other on a picture with structure on every scale: filters are scaled until their responses have deviation one,
and biases are set so that the wanted share of them is below zero. Normalisations are left out: behind a convolution they are
folded into it in every engine.

Those of this decade have smooth activations or none, so their libraries' own random weights do. Their batch normalisations stay
in the file and get the statistics of what arrives there.
"""

import numpy
import torch
import torchvision
from torch import nn

SIDES = {"caffenet": 227, "vgg16": 224, "squeezenet1_1": 224, "resnet50": 224, "mobilenet_v2": 224, "efficientnet_lite0": 224}
# Where the networks of this decade come from.
MODERN = {
    "deit_tiny": ("timm", "deit_tiny_patch16_224"), "swin_tiny": ("timm", "swin_tiny_patch4_window7_224"),
    "vit_b_16": ("torchvision", "vit_b_16"), "maxvit_t": ("torchvision", "maxvit_t"), "convnext_tiny": ("torchvision", "convnext_tiny"),
    "efficientnet_v2_s": ("torchvision", "efficientnet_v2_s"), "mobilenet_v3_large": ("torchvision", "mobilenet_v3_large"),
    "mobilenet_v3_small": ("torchvision", "mobilenet_v3_small"),
    "regnet_y_400mf": ("torchvision", "regnet_y_400mf"), "densenet121": ("torchvision", "densenet121"),
}
SIDES |= dict.fromkeys(MODERN, 224)
# The share of zeros behind the first and the last rectified convolution, and behind fully connected layers.
ZEROS = {"first": 0.5, "last": 0.85, "linear": 0.85}


def caffenet():
    def convolution(inputs, outputs, kernel, **options):
        return [nn.Conv2d(inputs, outputs, kernel, **options), nn.ReLU()]

    def normalisation():
        return [nn.MaxPool2d(3, 2), nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0)]

    return nn.Sequential(
        *convolution(3, 96, 11, stride=4), *normalisation(),
        *convolution(96, 256, 5, padding=2, groups=2), *normalisation(),
        *convolution(256, 384, 3, padding=1), *convolution(384, 384, 3, padding=1, groups=2),
        *convolution(384, 256, 3, padding=1, groups=2), nn.MaxPool2d(3, 2), nn.Flatten(),
        nn.Linear(9216, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000),
    )


class InvertedResidual(nn.Module):
    """A block of EfficientNet-Lite: expansion, depthwise convolution, projection; added to its input where both are alike."""

    def __init__(self, inputs, outputs, kernel, stride, expansion):
        super().__init__()
        inner, layers = inputs * expansion, []
        if expansion > 1:
            layers += [nn.Conv2d(inputs, inner, 1), nn.ReLU6()]
        layers += [nn.Conv2d(inner, inner, kernel, stride, kernel // 2, groups=inner), nn.ReLU6(), nn.Conv2d(inner, outputs, 1)]
        self.layers, self.adds = nn.Sequential(*layers), stride == 1 and inputs == outputs

    def forward(self, picture):
        return picture + self.layers(picture) if self.adds else self.layers(picture)


def efficientnet_lite0():
    # Blocks, kernel, stride, expansion, channels (Tan and Le 2019, table 1; the "lite" variant keeps stem and head).
    stages = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]
    layers, channels = [nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU6()], 32
    for repeats, kernel, stride, expansion, outputs in stages:
        for block in range(repeats):
            layers.append(InvertedResidual(channels, outputs, kernel, stride if block == 0 else 1, expansion))
            channels = outputs
    layers += [nn.Conv2d(320, 1280, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)]
    return nn.Sequential(*layers)


def picture(batch, side, seed=0):
    """Sums of enlarged noise, as a photograph has structure on every scale."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(batch, 3, side, side)
    for size in (4, 8, 16, 32, 64, side):
        noise = torch.randn(batch, 3, size, size, generator=generator) / size**0.5
        total += nn.functional.interpolate(noise, size=(side, side), mode="bilinear", align_corners=False)
    return total / total.std()


def without_normalisations(module):
    """Batch normalisations become part of the convolution before them, which thereby gets a bias."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, nn.Identity())
        elif isinstance(child, nn.Conv2d) and child.bias is None:
            child.bias = nn.Parameter(torch.zeros(child.out_channels))
        else:
            without_normalisations(child)


def calibrate(model, side):
    """Sets every layer when a picture first reaches it, in the order in which they run."""
    layers = [module for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    generator = torch.Generator().manual_seed(1)

    def set_layer(layer, inputs):
        weight = torch.randn(layer.weight.shape, generator=generator) * (2 / layer.weight[0].numel()) ** 0.5
        if layer.weight.dim() == 4 and layer.weight.shape[1] == 3:
            # Trained first layers look for smooth structure.
            weight = nn.functional.avg_pool2d(nn.functional.pad(weight, (1, 1, 1, 1), mode="replicate"), 3, 1) + 0.2 * weight
        layer.weight.data = weight
        layer.bias.data = torch.zeros(layer.bias.shape)
        hook = hooks.pop(layer)
        hook.remove()
        responses = layer(inputs[0])
        deviation = responses.std()
        layer.weight.data /= deviation
        responses /= deviation
        if layer is layers[-1]:
            layer.weight.data *= 3
            return
        bias = torch.randn(layer.bias.shape, generator=generator)
        if isinstance(layer, nn.Conv2d):
            depth = convolutions.index(layer) / max(1, len(convolutions) - 1)
            zeros = ZEROS["first"] + depth * (ZEROS["last"] - ZEROS["first"])
        else:
            zeros = ZEROS["linear"]
        shape = (1, -1) + (1,) * (responses.dim() - 2)
        sums = (responses + bias.view(shape)).flatten()
        layer.bias.data = bias - torch.quantile(sums[:: max(1, sums.numel() // 100_000)], zeros)

    hooks = {layer: layer.register_forward_pre_hook(set_layer) for layer in layers}
    with torch.no_grad():
        model(picture(2, side))
    assert not hooks, "a layer was never reached"


def modern(name):
    library, function = MODERN[name]
    if library == "timm":
        import timm

        model = timm.create_model(function, pretrained=False, exportable=True)
    else:
        model = getattr(torchvision.models, function)(weights=None)
    # A few steps in training mode give every batch normalisation the statistics of what arrives there.
    model.eval()
    normalisations = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in normalisations:
        module.train()
        module.momentum = 0.5
    with torch.no_grad():
        for seed in range(3 if normalisations else 0):
            model(picture(2, SIDES[name], seed))
        for head in [module for module in model.modules() if isinstance(module, nn.Linear)][-1:]:
            # Some heads start at zero.
            nn.init.normal_(head.weight, std=0.02)
    return model.eval()


def network(name):
    torch.manual_seed(0)
    if name in MODERN:
        model = modern(name)
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        return model
    own = {"caffenet": caffenet, "efficientnet_lite0": efficientnet_lite0}
    model = own[name]() if name in own else getattr(torchvision.models, name)(weights=None)
    model.eval()
    without_normalisations(model)
    # In-place rectifiers would overwrite what the hooks look at.
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    calibrate(model, SIDES[name])
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model


def zeros_before_first_linear(model, pictures):
    """The share of zeros that the first fully connected layer sees."""
    seen = []
    first = next((module for module in model.modules() if isinstance(module, nn.Linear)), None)
    if first is None:
        return None
    hook = first.register_forward_pre_hook(lambda _, inputs: seen.append(float((inputs[0] == 0).float().mean())))
    with torch.no_grad():
        model(pictures)
    hook.remove()
    return float(numpy.mean(seen))
