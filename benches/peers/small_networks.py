"""Small networks of many kinds, with random weights that keep numbers moderate, and the same under other rules of rectifiers, for `attribution_networks.py`."""

import copy

import torch
from torch import nn


class Block(nn.Module):
    """A residual block with one rectifier used twice in place."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.skip = None if stride == 1 and inputs == outputs else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x if self.skip is None else self.skip(x)
        return self.relu(y)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 7, 2, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        self.first, self.second = Block(16, 16, 1), Block(16, 24, 2)
        self.end = nn.Linear(24, 6)

    def forward(self, x):
        return self.end(self.second(self.first(self.stem(x))).mean((2, 3)))


class DenseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, 1, 1)
        self.layers = nn.ModuleList(nn.Sequential(nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, 8, 3, 1, 1)) for c in (12, 20, 28))
        self.transition = nn.Sequential(nn.BatchNorm2d(36), nn.ReLU(), nn.Conv2d(36, 18, 1), nn.AvgPool2d(2))
        self.last = nn.Sequential(nn.BatchNorm2d(18), nn.ReLU())
        self.end = nn.Linear(18, 5)

    def forward(self, x):
        x = self.stem(x)
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return self.end(self.last(self.transition(x)).mean((2, 3)))


class Mobile(nn.Module):
    """Grey pictures, expanded depthwise filters of stride 2, a gate of squeezed and excited channels, hard swish."""

    def __init__(self, classes=4):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 12, 3, 2, 1), nn.Hardswish())
        self.expand = nn.Sequential(nn.Conv2d(12, 36, 1), nn.SiLU())
        self.depth = nn.Sequential(nn.Conv2d(36, 36, 5, 1, 2, groups=36), nn.ReLU6())
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(36, 9, 1), nn.ReLU(), nn.Conv2d(9, 36, 1), nn.Hardsigmoid())
        self.project = nn.Conv2d(36, 12, 1)
        self.last = nn.Sequential(nn.Conv2d(12, 20, 1), nn.ReLU())
        self.end = nn.Linear(20, classes)

    def forward(self, x):
        x = self.stem(x)
        y = self.depth(self.expand(x))
        y = self.project(y * self.squeeze(y)) + x
        return self.end(self.last(y).mean((2, 3)))


class Two(nn.Module):
    """Scores and a map as results; overlapping maxima."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(16, 20, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2))
        self.map = nn.Conv2d(20, 7, 1)
        self.end = nn.Linear(20, 4)

    def forward(self, x):
        x = self.body(x)
        return self.end(x.mean((2, 3))), self.map(x)


class ChannelsLast(nn.Module):
    """Channels last, as Keras writes them."""

    def __init__(self):
        super().__init__()
        self.inner = ResNet()

    def forward(self, x):
        return self.inner(x.permute(0, 3, 1, 2))


def settle(model, shape):
    """Weights and statistics that keep numbers moderate."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.7, 1.3), module.bias.data.uniform_(-0.3, 0.3)
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.5
    with torch.no_grad():
        for _ in range(4):
            model(torch.randn(8, *shape[1:]))
    return model.eval()


def tokens(kind):
    import timm

    timm.layers.set_fused_attn(False)
    if kind == "vit":
        return timm.create_model("vit_tiny_patch16_224", img_size=64, embed_dim=48, depth=3, num_heads=3, num_classes=7)
    if kind == "vit-mean":
        return timm.create_model("vit_tiny_patch16_224", img_size=64, embed_dim=48, depth=2, num_heads=2, num_classes=7, class_token=False, global_pool="avg")
    if kind == "convnext":
        return timm.create_model("convnext_tiny", depths=(1, 1, 2, 1), dims=(8, 16, 24, 32), num_classes=6, ls_init_value=0.5)
    return timm.create_model("swin_tiny_patch4_window7_224", img_size=56, patch_size=2, embed_dim=16, depths=(2, 2), num_heads=(2, 4), num_classes=6)


# Name: network, shape of the input, class, layers with positions (a module by its path and what its output is).
NETWORKS = {
    "residual": (ResNet, (1, 3, 48, 64), 2, ["second", "first"]),
    "dense": (DenseNet, (1, 3, 24, 32), 1, ["last", "transition"]),
    "mobile": (Mobile, (1, 1, 30, 44), 3, ["last", "depth"]),
    "one-score": (lambda: Mobile(1), (1, 1, 30, 44), 0, ["last"]),
    "two-results": (Two, (1, 3, 33, 41), 2, ["body"]),
    "batch-of-two": (ResNet, (2, 3, 48, 64), 2, ["second"]),
    "channels-last": (ChannelsLast, (1, 48, 64, 3), 4, ["inner.second"]),
    "vit": (lambda: tokens("vit"), (1, 3, 64, 64), 3, ["blocks.2.norm1"]),
    "vit-mean": (lambda: tokens("vit-mean"), (1, 3, 64, 64), 3, ["blocks.1.norm1"]),
    "convnext": (lambda: tokens("convnext"), (1, 3, 64, 80), 4, ["stages.2", "stages.3"]),
    "swin": (lambda: tokens("swin"), (1, 3, 56, 56), 1, ["layers.1"]),
}


class Rule(torch.autograd.Function):
    @staticmethod
    def forward(context, x, rule, low, high):
        context.save_for_backward(x)
        context.rule, context.bounds = rule, (low, high)
        return x.clamp(low, high)

    @staticmethod
    def backward(context, gradient):
        x, = context.saved_tensors
        low, high = context.bounds
        positive = gradient.clamp(min=0)
        is_open = (x > low) & (x < high)
        return {"guided": positive * is_open, "deconvnet": positive * (x < high)}[context.rule], None, None, None


class Rectifier(nn.Module):
    def __init__(self, rule, high):
        super().__init__()
        self.rule, self.high = rule, high

    def forward(self, x):
        return Rule.apply(x, self.rule, 0.0, self.high)


def ruled(model, rule):
    """The model with its rectifiers under another rule."""
    model = copy.deepcopy(model)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, Rectifier(rule, float("inf")))
    return model
