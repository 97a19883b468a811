"""What a user calls an image, as the array that a network reads."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np

from ._native import NativePhotograph


def as_array(image: Any) -> np.ndarray | None:
    """The array of a NumPy array, a torch tensor, or anything with the array interface or DLPack; nothing of what is no array."""
    if isinstance(image, np.ndarray):
        return image
    if hasattr(image, "detach"):  # a torch tensor, perhaps one that requires a gradient
        return np.asarray(image.detach().cpu().numpy())
    if type(image).__module__.startswith("PIL."):
        return np.asarray(image if image.mode in ("RGB", "L") else image.convert("RGB"))
    if hasattr(image, "__array__") or hasattr(image, "__array_interface__"):
        return np.asarray(image)
    if hasattr(image, "__dlpack__"):
        return np.from_dlpack(image)
    return None


def split(images: Any) -> tuple[list[Any], bool]:
    """The images of a batch, and whether it was one."""
    array = as_array(images)
    if array is not None:
        if array.ndim == 4:
            return list(array), True
        return [array], False
    if isinstance(images, (list, tuple)):
        return list(images), True
    return [images], False


def photograph(native: Any, image: Any) -> Any:
    """One image as a photograph of the native module; nothing of an array of floats, which is what the network reads already."""
    if isinstance(image, (str, os.PathLike)):
        return NativePhotograph.from_file(native, os.fspath(image))
    if isinstance(image, (bytes, bytearray, memoryview)):
        return NativePhotograph.from_bytes(native, bytes(image))
    if isinstance(image, io.IOBase):
        return NativePhotograph.from_bytes(native, image.read())
    array = as_array(image)
    if array is None:
        raise TypeError(f"an image is a path, bytes, a PIL image or an array, found {type(image).__name__}")
    if array.size == 0:
        raise ValueError(f"the image is empty: its shape is {array.shape}")
    if array.dtype != np.uint8:
        return None
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ValueError(f"pixels (uint8) are height × width × channels, found {array.shape}")
    if array.shape[2] == 4:
        array = array[:, :, :3]
    return NativePhotograph.from_pixels(native, np.ascontiguousarray(array))


def prepare(native: Any, image: Any, crop: str | None = None) -> np.ndarray:
    """One image as the network reads it, C × H × W float32."""
    found = photograph(native, image)
    if found is not None:
        return np.asarray(native.prepare(found, crop))
    array = as_array(image)
    assert array is not None  # what is no array was refused
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(
            f"an image is uint8 (height × width × channels, 0 to 255) or float (channels × height × width, as the network reads it), "
            f"found {array.dtype}"
        )
    if array.ndim != 3:
        raise ValueError(f"an input is channels × height × width, found {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("the image holds NaN or infinite numbers")
    return np.ascontiguousarray(array, dtype=np.float32)
