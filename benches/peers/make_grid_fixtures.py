"""Makes small networks whose layers are tokens, windows or channels-last maps, with Grad-CAM's maps by pytorch-grad-cam.

    python benches/peers/make_grid_fixtures.py

writes crates/deepinside/tests/fixtures/grids: NAME.onnx, NAME-picture.npy, NAME-cam.npy (rows × columns, not scaled), and
layers.tsv with the names of network, module and ONNX value. Weights are random.
"""

import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import timm
import torch
import torchvision
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
FOLDER = Path(__file__).parents[2] / "crates/deepinside/tests/fixtures/grids"
CLASS = 3


def tokens(leading, rows, columns):
    """The reshape that pytorch-grad-cam's examples give for transformers."""
    def reshape(value):
        value = value[:, leading:, :].reshape(value.size(0), rows, columns, value.size(2))
        return value.permute(0, 3, 1, 2)
    return reshape


def channels_last(value):
    """Swin's values: rows × columns × channels, or the same as tokens of a square."""
    if value.dim() == 3:
        value = value.unflatten(1, 2 * (round(value.size(1) ** 0.5),))
    return value.permute(0, 3, 1, 2)


class Cam(GradCAM):
    """Grad-CAM's map itself: not resized, not scaled."""

    def compute_cam_per_layer(self, input_tensor, targets, eigen_smooth):
        [activation] = [value.cpu().data.numpy() for value in self.activations_and_grads.activations]
        [gradient] = [value.cpu().data.numpy() for value in self.activations_and_grads.gradients]
        cam = self.get_cam_image(input_tensor, self.target_layers[0], targets, activation, gradient, False)
        return [np.maximum(cam, 0)[:, None]]

    def aggregate_multi_layers(self, maps):
        return maps[0][:, 0]


def randomised(model, seed):
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            # As varied as trained ones, also where they begin at 0 or 1.
            spread = 1.5 / max(1, parameter[0].numel() if parameter.dim() > 1 else 1) ** 0.5
            parameter.normal_(0, spread) if parameter.dim() > 1 else parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def value_of(file, layer, text):
    """The name of the ONNX value that a module computes, by the name of its node."""
    graph = onnx.load(file).graph
    names = [output for node in graph.node for output in node.output if text in (node.name + " " + output)]
    assert names, (file, text, [node.name for node in graph.node])
    return names[-1]


def make(name, model, side, reshape, *layers, dynamo=False, seed=0):
    """Exports a network; each of `layers` is a module and a part of its node's name, or nothing for the default layer."""
    model = randomised(model, seed)
    extents = side if isinstance(side, tuple) else (side, side)
    picture = torch.randn(1, 3, *extents, generator=torch.Generator().manual_seed(7))
    file = FOLDER / f"{name}.onnx"
    options = dict(dynamo=True, opset_version=18, external_data=False, verbose=False) if dynamo else dict(dynamo=False, opset_version=17)
    torch.onnx.export(model, (picture,), str(file), input_names=["image"], output_names=["scores"], **options)
    np.save(FOLDER / f"{name}-picture.npy", picture[0].numpy())
    lines = ""
    for module, text in layers:
        layer = model.get_submodule(module)
        cam = Cam(model=model, target_layers=[layer], reshape_transform=reshape)
        result = cam(input_tensor=picture, targets=[ClassifierOutputTarget(CLASS)])[0]
        np.save(FOLDER / f"{name}-{module}.npy", result.astype(np.float32))
        value = value_of(file, layer, text) if text else "-"
        print(name, file.stat().st_size, result.shape, float(result.max()), value)
        cam.activations_and_grads.release()
        lines += f"{name}\t{module}\t{value}\n"
    return lines


def vit(name="vit_tiny_patch16_224", side=32, **options):
    settings = dict(img_size=side, patch_size=8, embed_dim=16, depth=2, num_heads=2, num_classes=5, pretrained=False)
    return timm.create_model(name, **{**settings, **options})


FOLDER.mkdir(parents=True, exist_ok=True)
FIRST = ("blocks.1.norm1", "")
SWIN = timm.create_model("swin_tiny_patch4_window7_224", img_size=32, patch_size=4, window_size=2, embed_dim=8, depths=(2, 2),
                         num_heads=(2, 2), num_classes=5, pretrained=False)
(FOLDER / "layers.tsv").write_text(
    # The default layer: the last block's first normalisation, since only the class token is read behind it.
    make("vit", vit(), 32, tokens(1, 4, 4), FIRST)
    + make("vit_dynamo", vit(), 32, tokens(1, 4, 4), FIRST, dynamo=True)
    + make("deit_distilled", vit("deit_tiny_distilled_patch16_224"), 32, tokens(2, 4, 4), FIRST)
    + make("registers", vit("vit_small_patch14_reg4_dinov2", reg_tokens=4), 32, tokens(5, 4, 4),
           ("blocks.1.norm1", "blocks.1/norm1"), seed=4)
    + make("wide", vit(img_size=(16, 32)), (16, 32), tokens(1, 2, 4), FIRST)
    + make("torchvision_vit", torchvision.models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5),
        32, tokens(1, 4, 4), ("encoder.layers.encoder_layer_1.ln_1", ""))
    # The mean over all places is read: the last normalisation.
    + make("swin", SWIN, 32, channels_last, ("norm", ""), ("layers.1.blocks.1.norm1", "layers.1/blocks/blocks.1/norm1"),
           ("layers.0.blocks.1.norm2", "layers.0/blocks/blocks.1/norm2"), seed=2)
    + make("torchvision_swin", torchvision.models.SwinTransformer(
        patch_size=[4, 4], embed_dim=8, depths=[2], num_heads=[2], window_size=[2, 2], num_classes=5),
        24, channels_last, ("norm", ""))
    + make("convnext", timm.models.convnext.ConvNeXt(depths=(1, 1, 1, 1), dims=(8, 8, 8, 8), num_classes=5),
           64, None, ("stages.3.blocks.0", ""))
)
