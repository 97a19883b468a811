"""Captum's classes and calling convention, on any network that deepinside opens.

    from deepinside.captum import IntegratedGradients      # instead of captum.attr

    IntegratedGradients(model).attribute(inputs, target=281)

Inputs are N × C × H × W, as the network reads them; what comes back is of the same kind (torch or NumPy) and shape. Defaults are
Captum's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._images import as_array
from ._model import Model

__all__ = [
    "DeepLift", "DeepLiftShap", "Deconvolution", "FeatureAblation", "GradientShap", "GuidedBackprop", "GuidedGradCam", "InputXGradient",
    "IntegratedGradients", "InternalInfluence", "KernelShap", "LayerActivation", "LayerConductance", "LayerGradCam",
    "LayerGradientXActivation", "NoiseTunnel", "Occlusion", "Saliency", "ShapleyValueSampling",
]


def _like(result: np.ndarray, inputs: Any) -> Any:
    if hasattr(inputs, "detach"):
        import torch

        return torch.from_numpy(result).to(inputs.dtype)
    return result


def _batch(inputs: Any) -> np.ndarray:
    array = as_array(inputs)
    if array is None or array.ndim != 4:
        raise ValueError(f"inputs are N × C × H × W, found {getattr(array, 'shape', type(inputs).__name__)}")
    return np.ascontiguousarray(array, dtype=np.float32)


def _targets(target: Any, count: int) -> list[Any]:
    if hasattr(target, "tolist"):
        target = target.tolist()
    return list(target) if isinstance(target, (list, tuple)) else [target] * count


class _Attribution:
    """One method for each input of a batch."""

    _method = ""

    def __init__(self, model: Model) -> None:
        self.model = model

    def _parameters(self, array: np.ndarray, **_: Any) -> dict[str, Any]:
        return {}

    def _each(self, inputs: Any, target: Any, layer: str | None = None, **parameters: Any) -> list[Any]:
        batch = _batch(inputs)
        found = []
        for array, own in zip(batch, _targets(target, len(batch))):
            found.append(self.model.explain(array, self._method, own, layer=layer, **parameters))
        return found

    def attribute(self, inputs: Any, target: Any = None) -> Any:
        return _like(np.stack([own.values for own in self._each(inputs, target)]), inputs)


class Saliency(_Attribution):
    """The gradient, by default its magnitude."""

    _method = "gradient"

    def attribute(self, inputs: Any, target: Any = None, abs: bool = True) -> Any:
        values = np.stack([own.values for own in self._each(inputs, target)])
        return _like(np.abs(values) if abs else values, inputs)


class InputXGradient(_Attribution):
    """The input times the gradient."""

    _method = "input-x-gradient"


class GuidedBackprop(_Attribution):
    """Guided backpropagation."""

    _method = "guided"


class Deconvolution(_Attribution):
    """DeconvNet."""

    _method = "deconvnet"


class _FromBaseline(_Attribution):
    """Slopes times how far the input is from a baseline, or without ``multiply_by_inputs`` the slopes alone."""

    def __init__(self, model: Model, multiply_by_inputs: bool = True) -> None:
        super().__init__(model)
        self.multiply_by_inputs = multiply_by_inputs

    def _each(self, inputs: Any, target: Any, layer: str | None = None, **parameters: Any) -> list[Any]:
        return super()._each(inputs, target, layer, multiply=self.multiply_by_inputs, **parameters)

    def _expect_contributions(self, return_convergence_delta: bool) -> None:
        if return_convergence_delta and not self.multiply_by_inputs:
            raise ValueError("slopes add up to nothing: return_convergence_delta goes with multiply_by_inputs=True")


class IntegratedGradients(_FromBaseline):
    """Integrated gradients; 50 Gauss–Legendre points from zero."""

    _method = "integrated-gradients"
    _quadratures = {"gausslegendre": "gauss-legendre", "riemann_trapezoid": "captum-trapezoid"}

    def attribute(
        self, inputs: Any, baselines: Any = None, target: Any = None, n_steps: int = 50, method: str = "gausslegendre",
        return_convergence_delta: bool = False,
    ) -> Any:
        self._expect_contributions(return_convergence_delta)
        if method not in self._quadratures:
            raise ValueError(f"method is one of {', '.join(self._quadratures)}, found '{method}'")
        if (given := as_array(baselines)) is not None:
            baselines = np.broadcast_to(given, _batch(inputs).shape)[0]
        found = self._each(inputs, target, steps=n_steps, quadrature=self._quadratures[method], baseline=baselines)
        values = _like(np.stack([own.values for own in found]), inputs)
        if not return_convergence_delta:
            return values
        deltas = np.array([own.completeness[0] - own.completeness[1] for own in found], dtype=np.float32)
        return values, _like(deltas, inputs)


def _first(baselines: Any, inputs: Any) -> Any:
    """One baseline for all inputs: a number, or an array of an input's shape."""
    given = as_array(baselines)
    if given is None:
        return baselines
    return np.ascontiguousarray(np.broadcast_to(given, _batch(inputs).shape)[0], dtype=np.float32)


class DeepLift(_FromBaseline):
    """DeepLIFT with the rescale rule from zero. Unlike Captum's it adds up also where the windows of maxima overlap."""

    _method = "deep-lift"

    def attribute(self, inputs: Any, baselines: Any = None, target: Any = None, return_convergence_delta: bool = False) -> Any:
        return self._explained(self._each(inputs, target, baseline=_first(baselines, inputs)), inputs, return_convergence_delta)

    def _explained(self, found: list[Any], inputs: Any, with_delta: bool) -> Any:
        self._expect_contributions(with_delta)
        values = _like(np.stack([own.values for own in found]), inputs)
        if not with_delta:
            return values
        deltas = np.array([own.completeness[0] - own.completeness[1] for own in found], dtype=np.float32)
        return values, _like(deltas, inputs)


class DeepLiftShap(DeepLift):
    """The mean of DeepLIFT over several baselines, N × C × H × W."""

    def attribute(self, inputs: Any, baselines: Any, target: Any = None, return_convergence_delta: bool = False) -> Any:
        return self._explained(self._each(inputs, target, baselines=_batch(baselines)), inputs, return_convergence_delta)


class GradientShap(_FromBaseline):
    """Expected gradients over several baselines, N × C × H × W; 5 points by default. Noise is a share of the input's range here."""

    _method = "expected-gradients"

    def attribute(self, inputs: Any, baselines: Any, n_samples: int = 5, target: Any = None, seed: int = 0) -> Any:
        found = self._each(inputs, target, baselines=_batch(baselines), samples=n_samples, seed=seed)
        return _like(np.stack([own.values for own in found]), inputs)


class NoiseTunnel:
    """Attributions of noisy copies: ``smoothgrad``, ``smoothgrad_sq`` or ``vargrad``; 5 copies with a deviation of 1 by default."""

    _methods = {"smoothgrad": "smooth-grad", "smoothgrad_sq": "smooth-grad-squared", "vargrad": "var-grad"}

    def __init__(self, attribution_method: _Attribution) -> None:
        if not getattr(attribution_method, "multiply_by_inputs", True):
            raise ValueError("noise goes with multiply_by_inputs=True")
        self.attribution_method = attribution_method

    def attribute(
        self, inputs: Any, nt_type: str = "smoothgrad", nt_samples: int = 5, stdevs: float = 1.0, target: Any = None, seed: int = 0,
        **parameters: Any,
    ) -> Any:
        batch, model = _batch(inputs), self.attribution_method.model
        if nt_type not in self._methods:
            raise ValueError(f"nt_type is one of {', '.join(self._methods)}, found '{nt_type}'")
        if "n_steps" in parameters:
            parameters["steps"] = parameters.pop("n_steps")
        found = [
            model.explain(array, self._methods[nt_type], own, of=self.attribution_method._method, samples=nt_samples, deviation=stdevs,
                          absolute=True, seed=seed, **parameters).values
            for array, own in zip(batch, _targets(target, len(batch)))
        ]
        return _like(np.stack(found), inputs)


class Occlusion(_Attribution):
    """What the target loses behind a sliding window of all channels."""

    _method = "occlusion"

    def attribute(self, inputs: Any, sliding_window_shapes: tuple[int, int, int], strides: Any = None, baselines: Any = None, target: Any = None) -> Any:
        channels, height, width = sliding_window_shapes
        if height != width or channels != _batch(inputs).shape[1]:
            raise ValueError("windows are square and take all channels")
        stride = 1 if strides is None else strides if isinstance(strides, int) else strides[-1]
        found = self._each(inputs, target, window=height, stride=stride, baseline=baselines)
        values = np.stack([np.broadcast_to(own.values, _batch(inputs).shape[1:]) for own in found])
        return _like(np.ascontiguousarray(values), inputs)


class FeatureAblation(_Attribution):
    """What the target loses without each segment."""

    _method = "feature-ablation"

    def attribute(self, inputs: Any, baselines: Any = None, target: Any = None, feature_mask: Any = None) -> Any:
        mask = None if feature_mask is None else np.asarray(as_array(feature_mask), dtype=np.float32).reshape(-1, *_batch(inputs).shape[2:])[0]
        found = self._each(inputs, target, segments=mask, baseline=baselines)
        return _like(np.stack([np.broadcast_to(own.values, _batch(inputs).shape[1:]).copy() for own in found]), inputs)


class _OfSegments(_Attribution):
    _parameters_of_kind: dict[str, Any] = {}

    def attribute(
        self, inputs: Any, baselines: Any = None, target: Any = None, feature_mask: Any = None, n_samples: int = 25, seed: int = 0,
    ) -> Any:
        shape = _batch(inputs).shape
        mask = None if feature_mask is None else np.asarray(as_array(feature_mask), dtype=np.float32).reshape(-1, *shape[2:])[0]
        found = self._each(inputs, target, segments=mask, baseline=_first(baselines, inputs), samples=n_samples, seed=seed,
                           **self._parameters_of_kind)
        return _like(np.stack([np.broadcast_to(own.values, shape[1:]).copy() for own in found]), inputs)


class KernelShap(_OfSegments):
    """Shapley values of segments by weighted least squares, as Captum weighs them; 25 samples by default."""

    _method = "kernel-shap"
    _parameters_of_kind = {"kernel": "captum"}


class ShapleyValueSampling(_OfSegments):
    """Shapley values of segments by random orders; 25 of them by default."""

    _method = "shapley-sampling"


class _Layer(_Attribution):
    def __init__(self, model: Model, layer: str) -> None:
        super().__init__(model)
        self.layer = layer


class LayerGradCam(_Layer):
    """Grad-CAM of a layer, N × 1 × rows × columns."""

    _method = "grad-cam"

    def attribute(self, inputs: Any, target: Any = None, relu_attributions: bool = False) -> Any:
        found = self._each(inputs, target, layer=self.layer, positive=relu_attributions)
        return _like(np.stack([own.values[None] for own in found]), inputs)


class GuidedGradCam(_Layer):
    """Guided backpropagation times Grad-CAM, enlarged to the nearest position."""

    _method = "guided-grad-cam"

    def attribute(self, inputs: Any, target: Any = None, interpolate_mode: str = "nearest") -> Any:
        found = self._each(inputs, target, layer=self.layer, enlargement=interpolate_mode)
        return _like(np.stack([own.values for own in found]), inputs)


class LayerActivation(_Layer):
    """The activation of a layer."""

    def attribute(self, inputs: Any) -> Any:
        found = [self.model.forward(array, self.layer)[self.layer] for array in _batch(inputs)]
        return _like(np.stack(found), inputs)


class LayerGradientXActivation(_Layer):
    """The activation of each unit of a layer times the gradient there."""

    _method = "layer-gradient-x-activation"

    def attribute(self, inputs: Any, target: Any = None) -> Any:
        return _like(np.stack([own.values for own in self._each(inputs, target, layer=self.layer)]), inputs)


class LayerConductance(_Layer):
    """How much of the target's change flows through each unit of a layer; 50 steps by Captum's rule."""

    _method = "layer-conductance"

    def attribute(self, inputs: Any, baselines: Any = None, target: Any = None, n_steps: int = 50) -> Any:
        found = self._each(inputs, target, layer=self.layer, steps=n_steps, rule="captum", baseline=_first(baselines, inputs))
        return _like(np.stack([own.values for own in found]), inputs)


class InternalInfluence(_Layer):
    """The mean gradient at each unit of a layer between baseline and input; 50 Gauss–Legendre points."""

    _method = "internal-influence"

    def attribute(self, inputs: Any, baselines: Any = None, target: Any = None, n_steps: int = 50) -> Any:
        found = self._each(inputs, target, layer=self.layer, steps=n_steps, baseline=_first(baselines, inputs))
        return _like(np.stack([own.values for own in found]), inputs)
