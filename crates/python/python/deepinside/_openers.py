"""Models that come from elsewhere than a file: the one that is built in, and other frameworks' by their own ONNX exporters."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ._model import Model


def builtin(**settings: Any) -> Model:
    """The network that is built in: EfficientNet-Lite0, trained on ImageNet."""
    return Model._of(None, None, "built-in", settings)


def from_torch(module: Any, example: Any, *, opset: int = 17, **settings: Any) -> Model:
    """A PyTorch module, exported in memory; ``example`` is an input of N × C × H × W. Its scores are what it returns, as it is."""
    try:
        import torch
    except ImportError as error:
        raise ImportError("from_torch needs PyTorch: pip install torch onnx") from error
    import io

    was_training = module.training
    module.eval()
    buffer = io.BytesIO()
    try:
        with torch.no_grad():
            torch.onnx.export(module, (example[:1],), buffer, opset_version=opset, dynamo=False, input_names=["input"], output_names=["scores"])
    finally:
        module.train(was_training)
    # What the module returns is what its users differentiate, also where a rectifier or softmax stands before it.
    settings.setdefault("score", "scores")
    return Model.from_bytes(buffer.getvalue(), type(module).__name__, **settings)


def from_timm(name_or_module: Any, **settings: Any) -> Model:
    """A timm model, by its name (with its trained weights) or as a module, with what its configuration says of photographs: size, mean,
    deviation, crop, interpolation and, where it has them, the names of its classes. Each can be given as a setting instead."""
    try:
        import timm
        import torch
    except ImportError as error:
        raise ImportError("from_timm needs timm: pip install timm onnx") from error
    is_named = isinstance(name_or_module, str)
    module = timm.create_model(name_or_module, pretrained=True) if is_named else name_or_module
    config = timm.data.resolve_model_data_config(module)
    for name, value in _as_timm_prepares(config).items():
        settings.setdefault(name, value)
    if "labels" not in settings:
        settings["labels"] = _names_of_timm(module)
    return from_torch(module, torch.zeros(1, *config["input_size"]), **settings)


def _as_timm_prepares(config: dict[str, Any]) -> dict[str, Any]:
    """What becomes of photographs by timm's own transform for evaluation."""
    channels, height, width = config["input_size"]
    sides = [int(side / config["crop_pct"]) for side in (height, width)]
    # "center" keeps proportions, and "squash" does not; other modes pad, which the nearest of these two stands for.
    resize = sides if config.get("crop_mode") == "squash" or height != width else sides[:1]
    interpolation = {"bicubic": "pillow-bicubic"}.get(config["interpolation"], "pillow-bilinear")
    return {
        "raw_scale": 1.0, "mean": config["mean"], "scale": [1 / deviation for deviation in config["std"]], "resize": resize,
        "crop": "centre", "interpolation": interpolation, "channel_order": "grey" if channels == 1 else "rgb",
    }


def _names_of_timm(module: Any) -> Any:
    """The names of a module's classes: those that its configuration has, or ImageNet's where it says that it was trained on that."""
    known = getattr(module, "pretrained_cfg", None) or {}
    if known.get("label_names"):
        return list(known["label_names"])
    return "ilsvrc2012" if known.get("num_classes") == 1000 and getattr(module, "num_classes", None) == 1000 else None


def from_keras(model: Any, **settings: Any) -> Model:
    """A Keras model, by Keras' own ONNX export."""
    import tempfile

    if not hasattr(model, "export"):
        raise TypeError("from_keras takes a Keras 3 model, which can be exported")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        model.export(path, format="onnx", verbose=False)
        return Model.from_bytes(Path(path).read_bytes(), getattr(model, "name", "keras"), **settings)
