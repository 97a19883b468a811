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


class _Scores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, model: Model) -> torch.Tensor:
        ctx.model = model
        ctx.save_for_backward(inputs)
        arrays = np.ascontiguousarray(inputs.detach().cpu().numpy(), dtype=np.float32)
        scores = [model._native.scores(array)[0] for array in arrays]
        return torch.tensor(scores, dtype=inputs.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (inputs,) = ctx.saved_tensors
        model, arrays = ctx.model, np.ascontiguousarray(inputs.detach().cpu().numpy(), dtype=np.float32)
        entry, score = model._native.ends
        shape = model.values[score]
        found = []
        for array, top in zip(arrays, gradient.detach().cpu().numpy()):
            # A class is the mean over the positions of its map.
            positions = int(np.prod(shape[1:], dtype=int))
            weights = np.repeat(np.asarray(top, dtype=np.float32) / positions, positions).reshape(shape)
            _, gradients = model._native.backward(array, f'dot("{score}", top)', {"top": np.ascontiguousarray(weights)}, [entry])
            found.append(gradients[entry])
        return torch.from_numpy(np.stack(found)).to(inputs.dtype), None


class Module(torch.nn.Module):
    """The network's unnormalised scores, with gradients with respect to the input; its weights are frozen."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Scores, N × classes, of N × C × H × W inputs."""
        return _Scores.apply(inputs, self.model)
