"""Quantus' ``explain_func`` for networks that deepinside opens."""

from __future__ import annotations

from typing import Any

import numpy as np


def explain(model: Any, inputs: Any, targets: Any, *, method: str = "integrated-gradients", **parameters: Any) -> np.ndarray:
    """Attributions as Quantus takes them, of the inputs' shape.

    model : a :class:`deepinside.Model`, or a :class:`deepinside.torch.Module`
    """
    own = getattr(model, "model", model)
    for name in ("device", "xai_lib", "nr_samples"):
        parameters.pop(name, None)
    inputs = np.ascontiguousarray(inputs, dtype=np.float32)
    found = own.explain(list(inputs), method, [int(target) for target in np.asarray(targets)], **parameters)
    return np.stack([np.broadcast_to(one.values, inputs.shape[1:]) for one in found])
