"""Captum's classes and calling convention, on any network that deepinside opens.

    from deepinside.captum import IntegratedGradients      # instead of captum.attr

    IntegratedGradients(model).attribute(inputs, target=281)

``model`` is a :class:`deepinside.Model`, or a PyTorch module, which is exported when the first inputs come; a layer is the name of a value,
or a part of that module. Inputs are N × C × H × W, as the network reads them; what comes back is of the same kind (torch or NumPy), shape
and device. Defaults are Captum's. Sizes of inner batches (``internal_batch_size``, ``perturbations_per_eval``,
``nt_samples_batch_size``) are accepted and change nothing: memory does not grow with the number of passes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._images import as_array
from ._model import Model
from ._peers import Batch, Opened, only, stacked

__all__ = [
    "DeepLift", "DeepLiftShap", "Deconvolution", "FeatureAblation", "GradientShap", "GuidedBackprop", "GuidedGradCam", "InputXGradient",
    "IntegratedGradients", "InternalInfluence", "KernelShap", "LayerActivation", "LayerConductance", "LayerGradCam",
    "LayerGradientXActivation", "NoiseTunnel", "Occlusion", "Saliency", "ShapleyValueSampling",
]


class _Attribution:
    """One method for each input of a batch."""

    _method = ""

    def __init__(self, model: Any) -> None:
        self._opened = Opened(model)
        self.model = model

    def _each(self, batch: Batch, target: Any, layer: str | None = None, each: dict[str, list[Any]] | None = None, **parameters: Any) -> list[Any]:
        """Results for each input; ``each`` has parameters that are another for each of them."""
        model, own = self._opened.of(batch), each or {}
        return [
            model.explain(array, self._method, target, layer=layer, **parameters, **{name: values[row] for name, values in own.items()})
            for row, (array, target) in enumerate(zip(batch.array, batch.targets(target)))
        ]

    def attribute(self, inputs: Any, target: Any = None, additional_forward_args: Any = None) -> Any:
        only(additional_forward_args=(additional_forward_args, None))
        batch = Batch(inputs)
        return batch.give(stacked(self._each(batch, target)))


class Saliency(_Attribution):
    """The gradient, by default its magnitude."""

    _method = "gradient"

    def attribute(self, inputs: Any, target: Any = None, abs: bool = True, additional_forward_args: Any = None) -> Any:
        only(additional_forward_args=(additional_forward_args, None))
        batch = Batch(inputs)
        values = stacked(self._each(batch, target))
        return batch.give(np.abs(values) if abs else values)


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

    def __init__(self, model: Any, multiply_by_inputs: bool = True) -> None:
        super().__init__(model)
        self.multiply_by_inputs = multiply_by_inputs

    def _each(self, batch: Batch, target: Any, layer: str | None = None, each: dict[str, list[Any]] | None = None, **parameters: Any) -> list[Any]:
        return super()._each(batch, target, layer, each, multiply=self.multiply_by_inputs, **parameters)

    def _given(self, batch: Batch, found: list[Any], with_delta: bool) -> Any:
        values = batch.give(stacked(found))
        return (values, batch.give(_deltas(found), in_a_tuple=False)) if with_delta else values

    def _expect_contributions(self, return_convergence_delta: bool) -> None:
        if return_convergence_delta and not self.multiply_by_inputs:
            raise ValueError("slopes add up to nothing: return_convergence_delta goes with multiply_by_inputs=True")


def _deltas(found: list[Any]) -> np.ndarray:
    """How far each sum is from what it should be."""
    return np.array([own.completeness[0] - own.completeness[1] for own in found], dtype=np.float32)


_QUADRATURES = {"gausslegendre": "gauss-legendre", "riemann_trapezoid": "captum-trapezoid"}


def _quadrature(method: str) -> str:
    if method not in _QUADRATURES:
        raise ValueError(f"method is one of {', '.join(_QUADRATURES)}, found '{method}'")
    return _QUADRATURES[method]


class IntegratedGradients(_FromBaseline):
    """Integrated gradients; 50 Gauss–Legendre points from zero."""

    _method = "integrated-gradients"

    def attribute(
        self, inputs: Any, baselines: Any = None, target: Any = None, additional_forward_args: Any = None, n_steps: int = 50,
        method: str = "gausslegendre", internal_batch_size: int | None = None, return_convergence_delta: bool = False,
    ) -> Any:
        only(additional_forward_args=(additional_forward_args, None))
        self._expect_contributions(return_convergence_delta)
        batch = Batch(inputs)
        each = {"baseline": batch.baselines(baselines)}
        found = self._each(batch, target, each=each, steps=n_steps, quadrature=_quadrature(method))
        return self._given(batch, found, return_convergence_delta)


class DeepLift(_FromBaseline):
    """DeepLIFT with the rescale rule from zero. It adds up also where maxima are taken, as Captum's does not; without maxima both are the same."""

    _method = "deep-lift"

    def __init__(self, model: Any, multiply_by_inputs: bool = True, eps: float = 1e-10) -> None:
        super().__init__(model, multiply_by_inputs)

    def attribute(
        self, inputs: Any, baselines: Any = None, target: Any = None, additional_forward_args: Any = None,
        return_convergence_delta: bool = False, custom_attribution_func: Any = None,
    ) -> Any:
        only(additional_forward_args=(additional_forward_args, None), custom_attribution_func=(custom_attribution_func, None))
        self._expect_contributions(return_convergence_delta)
        batch = Batch(inputs)
        found = self._each(batch, target, each={"baseline": batch.baselines(baselines)})
        return self._given(batch, found, return_convergence_delta)


class DeepLiftShap(DeepLift):
    """The mean of DeepLIFT over several baselines, N × C × H × W. The delta is that of the mean, one for each input."""

    def attribute(
        self, inputs: Any, baselines: Any, target: Any = None, additional_forward_args: Any = None,
        return_convergence_delta: bool = False, custom_attribution_func: Any = None,
    ) -> Any:
        only(additional_forward_args=(additional_forward_args, None), custom_attribution_func=(custom_attribution_func, None))
        self._expect_contributions(return_convergence_delta)
        batch = Batch(inputs)
        found = self._each(batch, target, baselines=Batch(_distribution(baselines, inputs)).array)
        return self._given(batch, found, return_convergence_delta)


def _distribution(baselines: Any, inputs: Any) -> Any:
    """Baselines, or what a function of the inputs returns."""
    return baselines(inputs) if callable(baselines) and as_array(baselines) is None else baselines


class GradientShap(_FromBaseline):
    """Expected gradients over several baselines, N × C × H × W; 5 points by default. ``stdevs`` is the deviation of noise that is added to the
    input, in its own numbers."""

    _method = "expected-gradients"

    def attribute(
        self, inputs: Any, baselines: Any, n_samples: int = 5, stdevs: float = 0.0, target: Any = None, additional_forward_args: Any = None,
        return_convergence_delta: bool = False, seed: int = 0,
    ) -> Any:
        only(additional_forward_args=(additional_forward_args, None), return_convergence_delta=(return_convergence_delta, False))
        batch = Batch(inputs)
        noise = float(stdevs[0] if isinstance(stdevs, tuple) else stdevs)
        # Ours is a share of the range of the input's numbers.
        ranges = [float(array.max() - array.min()) or 1.0 for array in batch.array]
        found = self._each(
            batch, target, each={"deviation": [noise / own for own in ranges]},
            baselines=Batch(_distribution(baselines, inputs)).array, samples=n_samples, seed=seed,
        )
        return batch.give(stacked(found))


class NoiseTunnel:
    """Attributions of noisy copies: ``smoothgrad``, ``smoothgrad_sq`` or ``vargrad``; 5 copies with a deviation of 1 by default."""

    _methods = {"smoothgrad": "smooth-grad", "smoothgrad_sq": "smooth-grad-squared", "vargrad": "var-grad"}

    def __init__(self, attribution_method: _Attribution) -> None:
        if not getattr(attribution_method, "multiply_by_inputs", True):
            raise ValueError("noise goes with multiply_by_inputs=True")
        self.attribution_method = attribution_method

    def attribute(
        self, inputs: Any, nt_type: str = "smoothgrad", nt_samples: int = 5, nt_samples_batch_size: int | None = None, stdevs: float = 1.0,
        draw_baseline_from_distrib: bool = False, target: Any = None, seed: int = 0, **parameters: Any,
    ) -> Any:
        if nt_type not in self._methods:
            raise ValueError(f"nt_type is one of {', '.join(self._methods)}, found '{nt_type}'")
        only(
            draw_baseline_from_distrib=(draw_baseline_from_distrib, False),
            additional_forward_args=(parameters.pop("additional_forward_args", None), None),
            return_convergence_delta=(parameters.pop("return_convergence_delta", False), False),
        )
        parameters.pop("internal_batch_size", None)
        batch, inner, of = Batch(inputs), self.attribution_method, self.attribution_method._method
        each = {"baseline": batch.baselines(parameters.pop("baselines"))} if "baselines" in parameters else {}
        if isinstance(inner, Saliency) and parameters.pop("abs", True) and nt_type != "smoothgrad_sq":
            only(**{name: (value, None) for name, value in parameters.items()})
            settings = (nt_type, nt_samples, float(stdevs[0] if isinstance(stdevs, tuple) else stdevs), seed)
            each_target = zip(batch.array, batch.targets(target))
            return batch.give(np.stack([_of_magnitudes(inner._opened.of(batch), array, own, *settings) for array, own in each_target]))
        if isinstance(inner, IntegratedGradients):
            if "n_steps" in parameters:
                parameters["steps"] = parameters.pop("n_steps")
            if "method" in parameters:
                parameters["quadrature"] = _quadrature(parameters.pop("method"))
        model, deviation = inner._opened.of(batch), float(stdevs[0] if isinstance(stdevs, tuple) else stdevs)
        found = [
            model.explain(array, self._methods[nt_type], own, of=of, samples=nt_samples, deviation=deviation, absolute=True, seed=seed,
                          **parameters, **{name: values[row] for name, values in each.items()})
            for row, (array, own) in enumerate(zip(batch.array, batch.targets(target)))
        ]
        return batch.give(stacked(found))


def _of_magnitudes(model: Model, array: np.ndarray, target: Any, nt_type: str, samples: int, deviation: float, seed: int) -> np.ndarray:
    """The mean or variance of the magnitudes of noisy copies' gradients: what Captum makes of ``NoiseTunnel(Saliency(…))``, where the methods
    of noise here take the gradients as they are."""
    random = np.random.default_rng(seed)
    # The class that is most probable for the input itself.
    chosen: Any = model._target(target, array)
    total, squares = np.zeros(array.shape), np.zeros(array.shape)
    for _ in range(samples):
        copy = (array + deviation * random.standard_normal(array.shape)).astype(np.float32)
        magnitude = np.abs(model.explain(copy, "gradient", chosen).values.astype(np.float64))
        total += magnitude
        squares += magnitude**2
    mean = total / samples
    found = mean if nt_type == "smoothgrad" else np.maximum(squares / samples - mean**2, 0)
    return np.asarray(found, dtype=np.float32)


class _Perturbing(_Attribution):
    """One number for a set of pixels, written at all of their channels."""

    def _given(self, batch: Batch, found: list[Any]) -> Any:
        return batch.give(stacked(found, lambda own: np.broadcast_to(own.values, batch.shape[1:])))


class Occlusion(_Perturbing):
    """What the target loses behind a sliding window of all channels."""

    _method = "occlusion"

    def attribute(
        self, inputs: Any, sliding_window_shapes: Any, strides: Any = None, baselines: Any = None, target: Any = None,
        additional_forward_args: Any = None, perturbations_per_eval: int = 1, show_progress: bool = False,
    ) -> Any:
        only(additional_forward_args=(additional_forward_args, None))
        batch = Batch(inputs)
        shape = sliding_window_shapes[0] if isinstance(sliding_window_shapes[0], tuple) else sliding_window_shapes
        channels, height, width = shape
        if height != width or channels != batch.shape[1]:
            raise ValueError(f"windows are square and take all {batch.shape[1]} channels, found {tuple(shape)}")
        steps = strides[0] if isinstance(strides, tuple) and isinstance(strides[0], tuple) else strides
        steps = (1, 1) if steps is None else (steps, steps) if isinstance(steps, int) else tuple(steps)[-2:]
        if steps[0] != steps[1]:
            raise ValueError(f"a window moves as far down as to the right, found strides {strides}")
        found = self._each(batch, target, each={"baseline": batch.baselines(baselines)}, window=height, stride=steps[0])
        return self._given(batch, found)


class FeatureAblation(_Perturbing):
    """What the target loses without each segment: of ``feature_mask``, or superpixels, where Captum takes each number of the input."""

    _method = "feature-ablation"

    def attribute(
        self, inputs: Any, baselines: Any = None, target: Any = None, additional_forward_args: Any = None, feature_mask: Any = None,
        perturbations_per_eval: int = 1, show_progress: bool = False,
    ) -> Any:
        only(additional_forward_args=(additional_forward_args, None))
        batch = Batch(inputs)
        each = {"segments": batch.segments(feature_mask), "baseline": batch.baselines(baselines)}
        return self._given(batch, self._each(batch, target, each=each))


class _OfSegments(_Perturbing):
    _parameters_of_kind: dict[str, Any] = {}

    def attribute(
        self, inputs: Any, baselines: Any = None, target: Any = None, additional_forward_args: Any = None, feature_mask: Any = None,
        n_samples: int = 25, perturbations_per_eval: int = 1, return_input_shape: bool = True, show_progress: bool = False, seed: int = 0,
    ) -> Any:
        only(additional_forward_args=(additional_forward_args, None), return_input_shape=(return_input_shape, True))
        batch = Batch(inputs)
        each = {"segments": batch.segments(feature_mask), "baseline": batch.baselines(baselines)}
        return self._given(batch, self._each(batch, target, each=each, samples=n_samples, seed=seed, **self._parameters_of_kind))


class KernelShap(_OfSegments):
    """Shapley values of segments by weighted least squares, as Captum weighs them; 25 samples by default."""

    _method = "kernel-shap"
    _parameters_of_kind = {"kernel": "captum"}


class ShapleyValueSampling(_OfSegments):
    """Shapley values of segments by random orders; 25 of them by default."""

    _method = "shapley-sampling"


class _Layer(_Attribution):
    def __init__(self, model: Any, layer: Any, device_ids: Any = None) -> None:
        super().__init__(model)
        self.layer = layer

    def _at_layer(self, batch: Batch, target: Any, each: dict[str, list[Any]] | None = None, **parameters: Any) -> list[Any]:
        return self._each(batch, target, self._opened.layer(self.layer, batch), each, **parameters)


class LayerGradCam(_Layer):
    """Grad-CAM of a layer, N × 1 × rows × columns."""

    _method = "grad-cam"

    def attribute(
        self, inputs: Any, target: Any = None, additional_forward_args: Any = None, attribute_to_layer_input: bool = False,
        relu_attributions: bool = False, attr_dim_summation: bool = True, grad_kwargs: Any = None,
    ) -> Any:
        only(additional_forward_args=(additional_forward_args, None), attribute_to_layer_input=(attribute_to_layer_input, False),
             attr_dim_summation=(attr_dim_summation, True), grad_kwargs=(grad_kwargs, None))
        batch = Batch(inputs)
        found = self._at_layer(batch, target, positive=relu_attributions)
        return batch.give(stacked(found, lambda own: own.values[None]), in_a_tuple=False)


class GuidedGradCam(_Layer):
    """Guided backpropagation times Grad-CAM, enlarged to the nearest position."""

    _method = "guided-grad-cam"

    def attribute(
        self, inputs: Any, target: Any = None, additional_forward_args: Any = None, interpolate_mode: str = "nearest",
        attribute_to_layer_input: bool = False,
    ) -> Any:
        only(additional_forward_args=(additional_forward_args, None), attribute_to_layer_input=(attribute_to_layer_input, False))
        batch = Batch(inputs)
        return batch.give(stacked(self._at_layer(batch, target, enlargement=interpolate_mode)))


class LayerActivation(_Layer):
    """The activation of a layer."""

    def attribute(self, inputs: Any, additional_forward_args: Any = None, attribute_to_layer_input: bool = False) -> Any:
        only(additional_forward_args=(additional_forward_args, None), attribute_to_layer_input=(attribute_to_layer_input, False))
        batch = Batch(inputs)
        model, layer = self._opened.of(batch), self._opened.layer(self.layer, batch)
        return batch.give(np.stack([model.forward(array, layer)[layer] for array in batch.array]), in_a_tuple=False)


class LayerGradientXActivation(_Layer):
    """The activation of each unit of a layer times the gradient there."""

    _method = "layer-gradient-x-activation"

    def attribute(
        self, inputs: Any, target: Any = None, additional_forward_args: Any = None, attribute_to_layer_input: bool = False,
        grad_kwargs: Any = None,
    ) -> Any:
        only(additional_forward_args=(additional_forward_args, None), attribute_to_layer_input=(attribute_to_layer_input, False),
             grad_kwargs=(grad_kwargs, None))
        batch = Batch(inputs)
        return batch.give(stacked(self._at_layer(batch, target)), in_a_tuple=False)


class LayerConductance(_Layer):
    """How much of the target's change flows through each unit of a layer; 50 steps by Captum's rule."""

    _method = "layer-conductance"

    def attribute(
        self, inputs: Any, baselines: Any = None, target: Any = None, additional_forward_args: Any = None, n_steps: int = 50,
        method: str = "gausslegendre", internal_batch_size: int | None = None, return_convergence_delta: bool = False,
        attribute_to_layer_input: bool = False, grad_kwargs: Any = None,
    ) -> Any:
        only(additional_forward_args=(additional_forward_args, None), method=(method, "gausslegendre"),
             attribute_to_layer_input=(attribute_to_layer_input, False), grad_kwargs=(grad_kwargs, None))
        batch = Batch(inputs)
        found = self._at_layer(batch, target, {"baseline": batch.baselines(baselines)}, steps=n_steps, rule="captum")
        values = batch.give(stacked(found), in_a_tuple=False)
        return (values, batch.give(_deltas(found), in_a_tuple=False)) if return_convergence_delta else values


class InternalInfluence(_Layer):
    """The mean gradient at each unit of a layer between baseline and input; 50 Gauss–Legendre points."""

    _method = "internal-influence"

    def attribute(
        self, inputs: Any, baselines: Any = None, target: Any = None, additional_forward_args: Any = None, n_steps: int = 50,
        method: str = "gausslegendre", internal_batch_size: int | None = None, attribute_to_layer_input: bool = False,
        grad_kwargs: Any = None,
    ) -> Any:
        only(additional_forward_args=(additional_forward_args, None), attribute_to_layer_input=(attribute_to_layer_input, False),
             grad_kwargs=(grad_kwargs, None))
        batch = Batch(inputs)
        each = {"baseline": batch.baselines(baselines)}
        found = self._at_layer(batch, target, each, steps=n_steps, quadrature=_quadrature(method))
        return batch.give(stacked(found), in_a_tuple=False)
