"""Xplique's explainers and calling convention, on any network that deepinside opens.

    from deepinside.xplique import IntegratedGradients      # instead of xplique.attributions

    explanations = IntegratedGradients(model, batch_size=16)(inputs, targets)

Inputs are N × H × W × C floats, as the network reads them apart from the order of axes; targets are one-hot, N × classes; explanations
are N × H × W × 1, of TensorFlow where the inputs are, and NumPy's else. Defaults are Xplique's. What is explained is the unnormalised
score, as Xplique recommends: `output_layer` needs no naming.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ._model import Model

__all__ = [
    "DeconvNet", "GradCAM", "GradientInput", "GuidedBackprop", "IntegratedGradients", "Occlusion", "Rise", "Saliency", "SmoothGrad",
    "SquareGrad", "VarGrad",
]

_REDUCERS: dict[str, Any] = {"min": np.min, "mean": np.mean, "max": np.max, "sum": np.sum}


class _Explainer:
    """One method for each input of a batch. ``batch_size`` is accepted and has no effect: it never changes a result."""

    _method = ""

    def __init__(self, model: Model, batch_size: int | None = 32, operator: Any = None) -> None:
        if operator not in (None, "classification") and getattr(operator, "name", "") != "CLASSIFICATION":
            raise ValueError("operator is None or 'classification': what is explained is the score of a class, or a sum of them by targets")
        self.model, self.batch_size = model, batch_size

    def _parameters(self) -> dict[str, Any]:
        return {}

    def _finished(self, values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """What the method found for one input as H × W × 1."""
        return values.reshape(*size, 1)

    def explain(self, inputs: Any, targets: Any) -> Any:
        """Explanations of each input.

        Parameters
        ----------
        inputs : array of N × H × W × C
            Floats, as the network reads them.
        targets : array of N × classes
            One-hot, or how much each class's score counts.

        Returns
        -------
        array of N × H × W × 1
        """
        batch, weights = np.asarray(inputs, dtype=np.float32), np.asarray(targets, dtype=np.float32)
        channels, height, width = self.model.input_shape
        if batch.ndim != 4 or batch.shape[1:] != (height, width, channels):
            raise ValueError(f"inputs are N × H × W × C = N × {height} × {width} × {channels}, found {batch.shape}")
        classes = len(self.model.classes)
        if weights.shape != (len(batch), classes):
            raise ValueError(f"targets are one-hot, {len(batch)} × {classes}, found {weights.shape}")
        found = [self._one(np.moveaxis(image, -1, 0), own) for image, own in zip(batch, weights)]
        result = np.stack(found).astype(np.float32)
        tensorflow = sys.modules.get("tensorflow")
        if tensorflow is not None and tensorflow.is_tensor(inputs):
            return tensorflow.convert_to_tensor(result)
        return result

    __call__ = explain

    def _one(self, image: np.ndarray, weights: np.ndarray) -> np.ndarray:
        array = np.ascontiguousarray(image)
        chosen = np.flatnonzero(weights)
        if len(chosen) == 1 and weights[chosen[0]] == 1:
            found = self.model.explain(array, self._method, int(chosen[0]), **self._parameters())
        else:
            score = self.model._native.ends[1]
            shape = self.model.values[score]
            positions = int(np.prod(shape[1:], dtype=int))
            top = np.repeat(weights / positions, positions).reshape(shape)
            found = self.model.explain(array, self._method, f'dot("{score}", top)', arrays={"top": top}, **self._parameters())
        return self._finished(found.values, (array.shape[1], array.shape[2]))


class _WhiteBox(_Explainer):
    """A method of gradients. ``reducer`` makes one number a pixel of its channels: min, mean, max, sum or None."""

    def __init__(
        self, model: Model, output_layer: Any = None, batch_size: int | None = 32, operator: Any = None, reducer: str | None = "mean",
    ) -> None:
        super().__init__(model, batch_size, operator)
        if output_layer is not None:
            raise ValueError("output_layer is None: the unnormalised score is explained; Model(…, score=NAME) names another value")
        if reducer is not None and reducer not in _REDUCERS:
            raise ValueError(f"reducer is one of {', '.join(_REDUCERS)} or None, found '{reducer}'")
        self.reducer = reducer

    def _finished(self, values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        last = np.moveaxis(values, 0, -1)
        return last if self.reducer is None else np.asarray(_REDUCERS[self.reducer](last, axis=-1, keepdims=True))


class Saliency(_WhiteBox):
    """The magnitude of the gradient, the largest of all channels (Simonyan, Vedaldi, Zisserman 2013, §3.1)."""

    _method = "gradient"

    def __init__(
        self, model: Model, output_layer: Any = None, batch_size: int | None = 32, operator: Any = None, reducer: str | None = "max",
    ) -> None:
        super().__init__(model, output_layer, batch_size, operator, reducer)

    def _finished(self, values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return super()._finished(np.abs(values), size)


class GradientInput(_WhiteBox):
    """The input times the gradient."""

    _method = "input-x-gradient"


class GuidedBackprop(_WhiteBox):
    """Guided backpropagation."""

    _method = "guided"


class DeconvNet(_WhiteBox):
    """DeconvNet."""

    _method = "deconvnet"


class IntegratedGradients(_WhiteBox):
    """Integrated gradients by trapezoids of ``steps`` points from ``baseline_value``."""

    _method = "integrated-gradients"

    def __init__(
        self, model: Model, output_layer: Any = None, batch_size: int | None = 32, operator: Any = None, reducer: str | None = "mean",
        steps: int = 50, baseline_value: float = 0.0,
    ) -> None:
        super().__init__(model, output_layer, batch_size, operator, reducer)
        self.steps, self.baseline_value = steps, baseline_value

    def _parameters(self) -> dict[str, Any]:
        return {"steps": self.steps, "quadrature": "trapezoid", "baseline": float(self.baseline_value)}


class _OfNoise(_WhiteBox):
    def __init__(
        self, model: Model, output_layer: Any = None, batch_size: int | None = 32, operator: Any = None, reducer: str | None = "mean",
        nb_samples: int = 50, noise: float = 0.2, seed: int = 0,
    ) -> None:
        super().__init__(model, output_layer, batch_size, operator, reducer)
        self.nb_samples, self.noise, self.seed = nb_samples, noise, seed

    def _parameters(self) -> dict[str, Any]:
        return {"samples": self.nb_samples, "deviation": float(self.noise), "absolute": True, "seed": self.seed}


class SmoothGrad(_OfNoise):
    """The mean gradient of ``nb_samples`` copies with noise of the deviation ``noise``."""

    _method = "smooth-grad"


class SquareGrad(_OfNoise):
    """The mean square of their gradients."""

    _method = "smooth-grad-squared"


class VarGrad(_OfNoise):
    """The variance of their gradients, without bias."""

    _method = "var-grad"

    def _finished(self, values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        if self.nb_samples < 2:
            raise ValueError("a variance needs nb_samples of at least 2")
        return super()._finished(values * np.float32(self.nb_samples / (self.nb_samples - 1)), size)


def _bicubic(source: int, target: int) -> np.ndarray:
    """The weights of TensorFlow's bicubic enlargement: Keys' cubic with a = −0.5, centres of pixels, and what lies outside left out."""
    place = (np.arange(target) + 0.5) * source / target - 0.5
    away = np.abs(place[:, None] - np.arange(source)[None, :])
    near = 1.5 * away**3 - 2.5 * away**2 + 1
    far = -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
    weights = np.where(away <= 1, near, np.where(away < 2, far, 0.0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


class GradCAM(_Explainer):
    """Grad-CAM of ``conv_layer``, the name of a value; its positive part, enlarged as TensorFlow does it."""

    _method = "grad-cam"

    def __init__(
        self, model: Model, output_layer: Any = None, batch_size: int | None = 32, operator: Any = None, conv_layer: str | None = None,
    ) -> None:
        super().__init__(model, batch_size, operator)
        if output_layer is not None:
            raise ValueError("output_layer is None: the unnormalised score is explained; Model(…, score=NAME) names another value")
        self.conv_layer = conv_layer

    def _parameters(self) -> dict[str, Any]:
        return {"positive": True, **({} if self.conv_layer is None else {"layer": self.conv_layer})}

    def _finished(self, values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        rows, columns = values.shape[-2:]
        enlarged = _bicubic(rows, size[0]) @ values.reshape(rows, columns) @ _bicubic(columns, size[1]).T
        return np.asarray(enlarged[:, :, None])


class Occlusion(_Explainer):
    """What the score loses behind each patch of pixels; patches are square and lie side by side."""

    _method = "occlusion"

    def __init__(
        self, model: Model, batch_size: int | None = 32, operator: Any = None, patch_size: int = 3, patch_stride: int = 3,
        occlusion_value: float = 0.0,
    ) -> None:
        super().__init__(model, batch_size, operator)
        if patch_size != patch_stride:
            raise ValueError("patches are square and lie side by side: patch_size and patch_stride are one whole number")
        self.patch_size, self.occlusion_value = patch_size, occlusion_value

    def _parameters(self) -> dict[str, Any]:
        return {"window": self.patch_size, "stride": self.patch_size, "baseline": float(self.occlusion_value)}

    def _finished(self, values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        # Xplique leaves out patches that would reach over the border.
        found = values.reshape(*size, 1).copy()
        found[size[0] - size[0] % self.patch_size:] = 0
        found[:, size[1] - size[1] % self.patch_size:] = 0
        return found


class Rise(_Explainer):
    """The mean of random masks, weighted by the score behind each."""

    _method = "rise"

    def __init__(
        self, model: Model, batch_size: int | None = 32, operator: Any = None, nb_samples: int = 4000, grid_size: int = 7,
        preservation_probability: float = 0.5, mask_value: float = 0.0, seed: int = 0,
    ) -> None:
        super().__init__(model, batch_size, operator)
        if mask_value != 0:
            raise ValueError("mask_value is 0: what is masked is zero for the network")
        self.nb_samples, self.grid_size, self.probability, self.seed = nb_samples, grid_size, preservation_probability, seed

    def _parameters(self) -> dict[str, Any]:
        return {"samples": self.nb_samples, "cells": self.grid_size, "probability": self.probability, "seed": self.seed, "normalisation": "coverage"}
