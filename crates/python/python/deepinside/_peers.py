"""What the modules that take the place of other libraries share: inputs of N × C × H × W, targets, baselines and masks as those libraries
have them, and PyTorch modules in the place of models."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from ._images import as_array
from ._model import Model


class Batch:
    """Inputs of N × C × H × W, and how what is computed of them goes back to their caller: of the same kind, in a tuple if it was one."""

    def __init__(self, inputs: Any) -> None:
        self._in_a_tuple = isinstance(inputs, tuple)
        if self._in_a_tuple and len(inputs) != 1:
            raise ValueError(f"a network reads one input, found a tuple of {len(inputs)}")
        self._given = inputs[0] if self._in_a_tuple else inputs
        array = as_array(self._given)
        if array is None or array.ndim != 4:
            raise ValueError(f"inputs are N × C × H × W, found {getattr(array, 'shape', type(self._given).__name__)}")
        if array.shape[0] == 0:
            raise ValueError(f"there is no input: the batch is empty, of shape {array.shape}")
        self.array = np.ascontiguousarray(array, dtype=np.float32)
        self.shape: tuple[int, ...] = self.array.shape

    def __len__(self) -> int:
        return len(self.array)

    def give(self, result: np.ndarray, in_a_tuple: bool | None = None) -> Any:
        """A result of the inputs' kind: a tensor of their type and device, or an array."""
        back: Any = result
        if hasattr(self._given, "detach"):
            import torch

            back = torch.from_numpy(np.ascontiguousarray(result)).to(device=self._given.device, dtype=self._given.dtype)
        return (back,) if (self._in_a_tuple if in_a_tuple is None else in_a_tuple) else back

    def targets(self, target: Any) -> list[Any]:
        """One target for each input."""
        if hasattr(target, "tolist"):
            target = target.tolist()
        if not isinstance(target, (list, tuple)):
            return [target] * len(self)
        each = [own[0] if isinstance(own, (list, tuple)) and len(own) == 1 else own for own in target]
        if len(each) == 1:
            return each * len(self)
        if len(each) != len(self):
            raise ValueError(f"there are {len(self)} inputs and {len(each)} targets")
        return each

    def baselines(self, baselines: Any) -> list[Any]:
        """One baseline for each input: a number, or an array of its shape. There is one for all, or one for each."""
        if isinstance(baselines, tuple) and len(baselines) == 1:
            baselines = baselines[0]
        given = as_array(baselines)
        if given is None or given.ndim == 0:
            return [baselines if given is None else float(given)] * len(self)
        try:
            each = np.broadcast_to(given, self.shape)
        except ValueError as error:
            raise ValueError(f"a baseline has the inputs' shape {self.shape}, found {given.shape}") from error
        return [np.ascontiguousarray(own, dtype=np.float32) for own in each]

    def segments(self, mask: Any) -> list[Any]:
        """One array of segments, H × W, for each input; nothing where there is no mask."""
        if isinstance(mask, tuple) and len(mask) == 1:
            mask = mask[0]
        given = as_array(mask)
        if given is None:
            return [None] * len(self)
        try:
            each = np.broadcast_to(given, (len(self), given.shape[-3] if given.ndim > 2 else 1, *self.shape[2:]))
        except ValueError as error:
            raise ValueError(f"a feature_mask is H × W, or N × 1 × H × W for inputs of {self.shape}, found {given.shape}") from error
        if (each != each[:, :1]).any():
            raise ValueError("a feature_mask has the same segments in every channel; groups of single channels are not computed")
        return [np.ascontiguousarray(own[0], dtype=np.float32) for own in each]


def only(**given: Any) -> None:
    """Refuses what other libraries can be told and this one cannot: arguments with what they are, and what alone they may be."""
    for name, (value, allowed) in given.items():
        if value is not allowed and value != allowed:
            raise ValueError(f"{name} can only be {allowed!r} here, found {value!r}")


class Opened:
    """What stands in the place of a model: a :class:`deepinside.Model`, a :class:`deepinside.torch.Module`, or a PyTorch module, which is
    exported when the first inputs tell what it reads, and again when its weights have changed."""

    def __init__(self, model: Any) -> None:
        own = getattr(model, "model", None)
        self._model: Model | None = model if isinstance(model, Model) else own if isinstance(own, Model) else None
        self._module = None if self._model is not None else model
        self._state: Any = None
        if self._module is not None and not callable(getattr(model, "named_modules", None)):
            raise TypeError(f"a deepinside.Model or a PyTorch module is needed, found {type(model).__name__}")

    def of(self, batch: Batch) -> Model:
        """The model for such inputs."""
        if self._module is None:
            assert self._model is not None
            return self._model
        tensors = [*self._module.parameters(), *self._module.buffers()]
        state = (batch.shape[1:], [(id(tensor), tensor._version) for tensor in tensors])
        if self._model is None or self._state != state:
            import torch

            from ._openers import from_torch

            example = torch.from_numpy(batch.array[:1]).to(tensors[0]) if tensors else torch.from_numpy(batch.array[:1])
            self._model, self._state = from_torch(self._module, example), state
        return self._model

    def layer(self, layer: Any, batch: Batch) -> str:
        """The name of the value that a layer has as its result: the layer is that name, or a part of the PyTorch module."""
        if isinstance(layer, str):
            return layer
        if self._module is None:
            raise TypeError(f"a layer of this model is the name of a value (see model.values), found {type(layer).__name__}")
        return _value_of(self._module, layer, self.of(batch), batch)


def _value_of(module: Any, layer: Any, model: Model, batch: Batch) -> str:
    """The value of the exported network that has the numbers of a layer's result."""
    import torch

    names = {id(part): name for name, part in module.named_modules()}
    if id(layer) not in names:
        raise ValueError(f"the layer ({type(layer).__name__}) is no part of the model")
    seen: list[Any] = []
    # A rectifier behind the layer may work in place.
    handle = layer.register_forward_hook(lambda _part, _inputs, result: seen.append(result.detach().clone()))
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            tensors = list(module.parameters())
            module(torch.from_numpy(batch.array[:1]).to(tensors[0]) if tensors else torch.from_numpy(batch.array[:1]))
    finally:
        handle.remove()
        module.train(was_training)
    label = names[id(layer)] or type(layer).__name__
    if not seen:
        raise ValueError(f"the layer {label} takes no part in what the model computes")
    wanted = seen[-1].float().cpu().numpy()[0]
    alike = [name for name, shape in model.values.items() if tuple(shape) == wanted.shape]
    found = model.forward(batch.array[0], alike) if alike else {}
    size = float(np.linalg.norm(wanted)) or 1.0
    distances = {name: float(np.linalg.norm(found[name] - wanted)) / size for name in alike}
    best = min(distances, key=lambda name: distances[name], default=None)
    if best is None or not distances[best] < 1e-3:
        raise ValueError(
            f"no value of the exported network has the numbers of the layer {label}: it is computed together with what follows it. "
            "Take the layer behind it, or one of the names of model.values"
        )
    return best


def stacked(found: list[Any], read: Callable[[Any], np.ndarray] = lambda own: own.values) -> np.ndarray:
    """The arrays of results as one."""
    return np.stack([read(own) for own in found])
