"""A Caffe or ONNX network as a PyTorch module, for code that differentiates with respect to the input.

    module = deepinside.torch.Module(deepinside.Model("network.onnx"))
    scores = module(inputs)                 # N × C × H × W, as the network reads them
    scores[:, 281].sum().backward()
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ._model import Model


def _arrays(inputs: torch.Tensor, model: Model) -> np.ndarray:
    array = np.ascontiguousarray(inputs.detach().cpu().numpy(), dtype=np.float32)
    if array.ndim != 4 or array.shape[1:] != model.input_shape or not len(array):
        raise ValueError(f"the network reads N × C × H × W = N × {' × '.join(map(str, model.input_shape))}, found {tuple(array.shape)}")
    return array


class _Scores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, model: Model) -> torch.Tensor:
        ctx.model = model
        ctx.save_for_backward(inputs)
        scores = np.asarray([model._native.scores(array)[0] for array in _arrays(inputs, model)], dtype=np.float32)
        return torch.from_numpy(scores).to(device=inputs.device, dtype=inputs.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (inputs,) = ctx.saved_tensors
        model = ctx.model
        entry, score = model._native.ends
        shape = model.values[score]
        found = []
        for array, top in zip(_arrays(inputs, model), gradient.detach().cpu().numpy()):
            # A class is the mean over the positions of its map.
            positions = int(np.prod(shape[1:], dtype=int))
            weights = np.repeat(np.asarray(top, dtype=np.float32) / positions, positions).reshape(shape)
            _, gradients = model._native.backward(array, f'dot("{score}", top)', {"top": np.ascontiguousarray(weights)}, [entry])
            found.append(gradients[entry])
        return torch.from_numpy(np.stack(found)).to(device=inputs.device, dtype=inputs.dtype), None


# As a decorator it would take the function's types away.
setattr(_Scores, "backward", staticmethod(torch.autograd.function.once_differentiable(_Scores.backward)))


class Module(torch.nn.Module):
    """The network's unnormalised scores, with gradients with respect to the input; its weights are frozen. Gradients of gradients are
    refused."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        # It is frozen, and some libraries ask.
        self.eval()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Scores, N × classes, of N × C × H × W inputs."""
        return _Scores.apply(inputs, self.model)
