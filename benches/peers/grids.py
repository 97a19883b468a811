"""Grad-CAM of transformers and others, at their published sizes and with random weights, beside pytorch-grad-cam's.

    python benches/peers/grids.py [NAME]... [--cache FOLDER] [--binary target/release/deepinside]

Each network is exported by both exporters of PyTorch. The map of one module is computed by pytorch-grad-cam with the reshape that its users
give by hand, and by `deepinside explain --method grad-cam --layer VALUE --set positive=false --raw`, where VALUE is found as the last value of
the file with the module's very numbers. Maps are neither resized nor scaled nor cut at zero; compared is the relative L2.
The layer that is taken without `--layer` is named by its module, and compared with pytorch-grad-cam's map of that module too.
"""

import argparse
import json
import logging
import pathlib
import re
import subprocess
import tempfile
import traceback
import warnings

import numpy as np

from zoo import ROOT, export_torch, open_session, relative, scores_of, spread

CLASS = 3


def tokens(leading=0, rows=None):
    """The reshape that pytorch-grad-cam's examples give for transformers: leading tokens off, the rest folded to its grid."""
    def reshape(value):
        value = value[0] if isinstance(value, tuple) else value
        value = value[:, leading:, :]
        side = rows or round(value.size(1) ** 0.5)
        return value.reshape(value.size(0), side, -1, value.size(2)).permute(0, 3, 1, 2)
    return reshape


def channels_last(value):
    """Swin's: rows × columns × channels, or the same as tokens of a square."""
    if value.dim() == 3:
        return tokens(0)(value)
    return value.permute(0, 3, 1, 2)


def timm_model(name, **options):
    def make():
        import timm

        return timm.create_model(name, pretrained=False, exportable=True, **options)
    return make


def torchvision_model(name, **options):
    def make():
        import torchvision

        return torchvision.models.get_model(name, weights=None, **options)
    return make


def transformers_model(kind, config, **options):
    def make():
        import torch
        import transformers

        class Scores(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = getattr(transformers, kind)(getattr(transformers, config)(**options))

            def forward(self, image):
                result = self.model(pixel_values=image)
                return result.image_embeds if hasattr(result, "image_embeds") else scores_of(result)

        return Scores()
    return make


SMALL = dict(hidden_size=96, num_hidden_layers=4, num_attention_heads=3, intermediate_size=192)
# Name: how it is made, the side of its pictures, a module, and how its numbers become channels × rows × columns.
NETWORKS = {
    "ViT": (timm_model("vit_tiny_patch16_224"), 224, "blocks.11.norm1", tokens(1)),
    "ViT (torchvision)": (torchvision_model("vit_b_32"), 224, "encoder.layers.encoder_layer_11.ln_1", tokens(1)),
    "ViT (transformers)": (transformers_model("ViTForImageClassification", "ViTConfig", num_labels=10, **SMALL), 224,
                           "model.vit.layers.3.layernorm_before", tokens(1)),
    "DeiT": (timm_model("deit_tiny_patch16_224"), 224, "blocks.11.norm1", tokens(1)),
    "DeiT, distilled": (timm_model("deit_tiny_distilled_patch16_224"), 224, "blocks.11.norm1", tokens(2)),
    "DINOv2": (timm_model("vit_small_patch14_dinov2", img_size=224, num_classes=10), 224, "blocks.11.norm1", tokens(1)),
    "DINOv2 with registers": (timm_model("vit_small_patch14_reg4_dinov2", img_size=224, num_classes=10), 224, "blocks.11.norm1", tokens(5)),
    "DINOv2 (transformers)": (transformers_model("Dinov2ForImageClassification", "Dinov2Config", num_labels=10, image_size=224, hidden_size=96,
                                                 num_hidden_layers=4, num_attention_heads=3), 224, "model.dinov2.layernorm", tokens(1)),
    "BEiT": (timm_model("beit_base_patch16_224", embed_dim=192, num_heads=3, depth=6), 224, "blocks.5.norm1", tokens(1)),
    "BEiT (transformers)": (transformers_model("BeitForImageClassification", "BeitConfig", num_labels=10, **SMALL), 224,
                            "model.beit.layers.3.layernorm_before", tokens(1)),
    "CLIP's image tower": (transformers_model("CLIPVisionModelWithProjection", "CLIPVisionConfig", patch_size=32, projection_dim=32, **SMALL),
                           224, "model.vision_model.encoder.layers.3.layer_norm1", tokens(1)),
    "CLIP's image tower (timm)": (timm_model("vit_base_patch32_clip_224", embed_dim=192, num_heads=3, depth=6), 224, "blocks.5.norm1", tokens(1)),
    "SigLIP": (timm_model("vit_base_patch16_siglip_224", embed_dim=192, num_heads=3, depth=6), 224, "blocks.5.norm1", tokens(0)),
    "EVA-02": (timm_model("eva02_tiny_patch14_224"), 224, "blocks.11.norm1", tokens(1)),
    "CaiT": (timm_model("cait_xxs24_224"), 224, "blocks.23.norm1", tokens(0)),
    "XCiT": (timm_model("xcit_nano_12_p16_224"), 224, "blocks.11.norm1", tokens(0)),
    "Swin": (timm_model("swin_tiny_patch4_window7_224"), 224, "layers.3.blocks.1.norm1", channels_last),
    "Swin, stage 2": (timm_model("swin_tiny_patch4_window7_224"), 224, "layers.1.blocks.1.norm2", channels_last),
    "Swin (torchvision)": (torchvision_model("swin_t"), 224, "norm", channels_last),
    "Swin (transformers)": (transformers_model("SwinForImageClassification", "SwinConfig", num_labels=10, embed_dim=24, depths=[2, 2, 2, 2]), 224,
                            "model.swin.layernorm", tokens(0)),
    "SwinV2": (timm_model("swinv2_tiny_window8_256"), 256, "layers.3.blocks.1.norm1", channels_last),
    "SwinV2 (torchvision)": (torchvision_model("swin_v2_t"), 256, "features.7.1.norm1", channels_last),
    "ConvNeXt": (timm_model("convnext_atto"), 224, "stages.3.blocks.1", None),
    "ConvNeXt (torchvision)": (torchvision_model("convnext_tiny"), 224, "features.7.2", None),
    "MaxViT": (timm_model("maxvit_tiny_rw_224"), 224, "stages.3.blocks.1", None),
    "MaxViT (torchvision)": (torchvision_model("maxvit_t"), 224, "blocks.3.layers.1", None),
    "CoAtNet": (timm_model("coatnet_0_rw_224"), 224, "stages.3.blocks.1", None),
    "SegFormer": (transformers_model("SegformerForImageClassification", "SegformerConfig", num_labels=10), 224,
                  "model.segformer.stages.3.layer_norm", tokens(0)),
    "SegFormer, segmentation": (transformers_model("SegformerForSemanticSegmentation", "SegformerConfig", num_labels=10), 224,
                                "model.segformer.stages.3.layer_norm", tokens(0)),
    "PVTv2": (timm_model("pvt_v2_b0"), 224, "stages.3.norm", channels_last),
    "Twins": (timm_model("twins_pcpvt_small"), 224, "norm", tokens(0)),
    "PiT": (timm_model("pit_ti_224"), 224, "transformers.1.blocks.5.norm1", tokens(1)),
    "MViTv2": (timm_model("mvitv2_tiny"), 224, "norm", tokens(0)),
    "Hiera": (timm_model("hiera_tiny_224"), 224, "blocks.11.norm1", None),
    "PoolFormer": (timm_model("poolformer_s12"), 224, "stages.3.blocks.1", None),
    "MLP-Mixer": (timm_model("mixer_s32_224"), 224, "norm", tokens(0)),
    "FocalNet": (timm_model("focalnet_tiny_srf"), 224, "layers.3.blocks.1", None),
    "DaViT": (timm_model("davit_tiny"), 224, "stages.3.blocks.0", None),
    "EfficientFormer": (timm_model("efficientformer_l1"), 224, "stages.3.blocks.3", None),
    "LeViT": (timm_model("levit_128s"), 224, "stages.2.blocks.3", tokens(0)),
    "MobileViT": (timm_model("mobilevit_xxs"), 256, "final_conv", None),
}


def cam_class():
    from pytorch_grad_cam import GradCAM

    class Cam(GradCAM):
        """Grad-CAM's map itself: not resized, not scaled, not cut at zero."""

        def compute_cam_per_layer(self, input_tensor, targets, eigen_smooth):
            [activation] = [value.cpu().data.numpy() for value in self.activations_and_grads.activations]
            [gradient] = [value.cpu().data.numpy() for value in self.activations_and_grads.gradients]
            return [self.get_cam_image(input_tensor, self.target_layers[0], targets, activation, gradient, False)[:, None]]

        def aggregate_multi_layers(self, maps):
            return maps[0][:, 0]

    return Cam


class Target:
    """One number of the scores: a class's, or the sum of its map."""

    def __call__(self, scores):
        return scores[CLASS].sum()


def peer(model, module, reshape, picture):
    """pytorch-grad-cam's map of a module."""
    import torch

    cam = cam_class()(model=model, target_layers=[model.get_submodule(module)], reshape_transform=reshape)
    try:  # Not `with`: its end passes over some errors.
        return np.asarray(cam(input_tensor=torch.tensor(picture), targets=[Target()])[0], dtype=np.float64)
    finally:
        cam.activations_and_grads.release()


def outputs_of_modules(model, picture):
    import torch

    found, hooks = {}, []
    for name, module in model.named_modules():
        def keep(_module, _inputs, output, name=name):
            output = output[0] if isinstance(output, tuple) else output
            if isinstance(output, torch.Tensor):
                found[name] = output.detach().numpy()
        hooks.append(module.register_forward_hook(keep))
    with torch.no_grad():
        model(torch.tensor(picture))
    for hook in hooks:
        hook.remove()
    return found


def all_values(file, picture, folder):
    """Every value of a file, by ONNX Runtime, in the order in which they are computed."""
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load(str(file)))
    floats = {info.name for info in model.graph.value_info if info.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    own = {output.name for output in model.graph.output}
    wanted = [name for node in model.graph.node for name in node.output if name in floats and name not in own]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    path = folder / "values.onnx"
    onnx.save(model, str(path))
    session, _ = open_session(path)
    return dict(zip(wanted, session.run(wanted, {model.graph.input[0].name: picture})))


def same(value, output):
    return value is not None and value.shape == output.shape and float(np.abs(value - output).max()) <= 1e-4 * max(float(np.abs(output).max()), 1e-30)


def explain(binary, file, folder, *more, target):
    raw = folder / "raw.npy"
    command = [binary, "explain", "-m", file, "--array", folder / "picture.npy", "--raw", raw, "--method", "grad-cam", "--set", "positive=false",
               f"--target={target}", "--json", *more]
    ended = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if ended.returncode:
        return None, ended.stderr.strip()
    return np.load(raw).squeeze(), json.loads(ended.stdout.splitlines()[-1]).get("layer")


def compare(name, exporter, binary, folder):
    import torch

    make, side, module, reshape = NETWORKS[name]
    torch.manual_seed(0)
    model = spread(make())
    picture = np.random.default_rng(0).standard_normal((1, 3, side, side)).astype(np.float32)
    np.save(folder / "picture.npy", picture)
    file = folder / f"{exporter}.onnx"
    if not file.exists():
        export_torch(model, picture, exporter, 18, file)
    if binary is None:
        return None
    values, outputs = all_values(file, picture, folder), outputs_of_modules(model, picture)
    with torch.no_grad():
        is_map = model(torch.tensor(picture)).dim() == 4
    target = f"sum(scores[{CLASS},:,:])" if is_map else str(CLASS)
    expected = peer(model, module, reshape, picture)
    layers = [value for value in values if same(values[value], outputs[module])]
    line = {"name": name, "exporter": exporter, "module": module, "grid": "×".join(map(str, expected.shape))}
    if not layers:
        return {**line, "refused": "no value of the file has the module's numbers"}
    found, said = explain(binary, file, folder, "--layer", layers[-1], target=target)
    if found is None:
        return {**line, "refused": said}
    line["error"] = relative(found, expected) if found.shape == expected.shape else f"{found.shape} for {expected.shape}"
    found, said = explain(binary, file, folder, target=target)
    if found is None:
        return {**line, "default refused": said}
    line["default"] = said
    if values.get(said) is not None:
        modules = [name for name in outputs if same(values[said], outputs[name])]
        line["default module"] = modules[-1] if modules else "–"
        if modules:
            shape = outputs[modules[-1]].shape
            layout = None if len(shape) == 4 and shape[2:] == found.shape else channels_last if len(shape) == 4 else \
                tokens(shape[1] - found.size, found.shape[0])
            line["default error"] = relative(found, peer(model, modules[-1], layout, picture))
    return line


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help="networks whose names begin so")
    parser.add_argument("--cache", type=pathlib.Path)
    parser.add_argument("--prepare", action="store_true", help="only export")
    parser.add_argument("--exporter", action="append", default=[])
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/deepinside")
    arguments = parser.parse_args()
    arguments.binary = arguments.binary.resolve()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    import torch

    torch.set_num_threads(1)
    for name in NETWORKS:
        if arguments.names and not any(name.startswith(part) for part in arguments.names):
            continue
        for exporter in arguments.exporter or ("dynamo", "torchscript"):
            with tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                if arguments.cache:
                    folder = arguments.cache / re.sub(r"\W+", "-", name)
                    folder.mkdir(parents=True, exist_ok=True)
                try:
                    line = compare(name, exporter, None if arguments.prepare else arguments.binary, folder)
                except Exception as error:
                    line = {"name": name, "exporter": exporter, "refused": f"(script) {type(error).__name__}: {str(error)[:300]} {traceback.extract_tb(error.__traceback__)[-1].lineno}"}
                print(line or f"{name} {exporter}", flush=True)


if __name__ == "__main__":
    main()
