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
    """A timm model, by its name (with its trained weights) or as a module. Inputs are given as the model reads them."""
    try:
        import timm
        import torch
    except ImportError as error:
        raise ImportError("from_timm needs timm: pip install timm onnx") from error
    module = timm.create_model(name_or_module, pretrained=True) if isinstance(name_or_module, str) else name_or_module
    size = timm.data.resolve_model_data_config(module)["input_size"]
    return from_torch(module, torch.zeros(1, *size), **settings)


def from_keras(model: Any, **settings: Any) -> Model:
    """A Keras model, by Keras' own ONNX export."""
    import tempfile

    if not hasattr(model, "export"):
        raise TypeError("from_keras takes a Keras 3 model, which can be exported")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        model.export(path, format="onnx", verbose=False)
        return Model.from_bytes(Path(path).read_bytes(), getattr(model, "name", "keras"), **settings)
