"""What users give to methods, as the native module takes it."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_parameter(value: Any) -> Any:
    """Arrays among parameters as float32; other values as they are."""
    if isinstance(value, dict):
        return {name: as_parameter(own) for name, own in value.items()}
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray) and value.ndim:
        return np.ascontiguousarray(value, dtype=np.float32)
    if isinstance(value, (list, tuple)):
        return ",".join(str(own) for own in value)
    return value
