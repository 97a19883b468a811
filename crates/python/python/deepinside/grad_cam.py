"""pytorch-grad-cam's classes and calling convention, on any network that deepinside opens.

    from deepinside.grad_cam import GradCAM

    with GradCAM(model=model, target_layers=["layer4"]) as cam:
        grayscale = cam(input_tensor=inputs, targets=[ClassifierOutputTarget(281)])

``model`` is a :class:`deepinside.Model` whose layers are names of its values, or a PyTorch module whose layers are parts of it. Maps are
scaled and enlarged as that library does it: N × H × W in [0, 1]. Targets are that library's ``ClassifierOutputTarget``, or this one's, or
classes.
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ._peers import Batch, Opened, only

__all__ = [
    "AblationCAM", "ClassifierOutputTarget", "EigenCAM", "EigenGradCAM", "FinerCAM", "GradCAM", "GradCAMElementWise", "GradCAMPlusPlus",
    "HiResCAM", "LayerCAM", "ScoreCAM", "XGradCAM",
]


class ClassifierOutputTarget:
    """A class, as pytorch-grad-cam names it."""

    def __init__(self, category: int) -> None:
        self.category = category


def _scaled(map_: np.ndarray) -> np.ndarray:
    map_ = map_ - map_.min()
    return np.asarray(map_ / (1e-7 + map_.max()))


def _enlarged(map_: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear with half-pixel centres and repeated borders."""

    def weights(source: int, target: int) -> np.ndarray:
        place = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
        low = place.astype(int)
        high = np.minimum(low + 1, source - 1)
        matrix = np.zeros((target, source))
        matrix[np.arange(target), low] += 1 - (place - low)
        matrix[np.arange(target), high] += place - low
        return matrix

    return np.asarray(weights(map_.shape[0], size[0]) @ map_ @ weights(map_.shape[1], size[1]).T)


class _Cam:
    _method = ""
    _parameters: dict[str, Any] = {}

    def __init__(self, model: Any, target_layers: Sequence[Any], reshape_transform: Any = None) -> None:
        # Tokens are laid out on their grid by themselves.
        self._opened = Opened(model)
        self.model, self.target_layers, self.reshape_transform = model, list(target_layers), reshape_transform

    def __enter__(self) -> _Cam:
        return self

    def __exit__(self, *_: Any) -> None:
        return None

    def __call__(self, input_tensor: Any, targets: Any = None, aug_smooth: bool = False, eigen_smooth: bool = False) -> np.ndarray:
        only(aug_smooth=(aug_smooth, False), eigen_smooth=(eigen_smooth, False))
        batch = Batch(input_tensor)
        asked = [_class_of(target) for target in batch.targets(targets)]
        model, layers = self._opened.of(batch), [self._opened.layer(layer, batch) for layer in self.target_layers]
        found = []
        for array, target in zip(batch.array, asked):
            maps = []
            for layer in layers:
                own = model.explain(array, self._method, target, layer=layer, positive=False, **self._parameters)
                map_ = _scaled(np.maximum(own.values.astype(np.float64), 0))
                maps.append(np.maximum(_enlarged(map_, array.shape[1:]), 0))
            found.append(_scaled(np.mean(maps, axis=0)))
        return np.stack(found).astype(np.float32)


def _class_of(target: Any) -> Any:
    """The class of one of that library's targets, or what was given in its place."""
    if hasattr(target, "category"):
        return target.category
    if callable(target):
        raise ValueError(f"targets are classes here (ClassifierOutputTarget), found {type(target).__name__}")
    return target


class GradCAM(_Cam):
    """Grad-CAM."""

    _method = "grad-cam"


class HiResCAM(_Cam):
    """HiResCAM."""

    _method = "hi-res-cam"


class GradCAMPlusPlus(_Cam):
    """Grad-CAM++ with that library's stabiliser."""

    _method, _parameters = "grad-cam-plus-plus", {"stabiliser": 1e-6}


class XGradCAM(_Cam):
    """XGrad-CAM."""

    _method = "xgrad-cam"


class LayerCAM(_Cam):
    """LayerCAM."""

    _method = "layer-cam"


class GradCAMElementWise(_Cam):
    """Element-wise Grad-CAM."""

    _method = "grad-cam-elementwise"


class EigenCAM(_Cam):
    """Eigen-CAM; its sign is fixed so that the largest magnitude is positive."""

    _method = "eigen-cam"


class EigenGradCAM(_Cam):
    """Eigen-Grad-CAM."""

    _method = "eigen-grad-cam"


class ScoreCAM(_Cam):
    """Score-CAM."""

    _method = "score-cam"


class AblationCAM(_Cam):
    """Ablation-CAM."""

    _method = "ablation-cam"


class FinerCAM(_Cam):
    """Finer-CAM with that library's weighting."""

    _method, _parameters = "finer-cam", {"weighting": "probability"}
