"""What a user calls an image, as the array that a network reads."""

from __future__ import annotations

import errno
import io
import math
import os
import sys
from typing import Any

import numpy as np

from ._native import NativePhotograph, encode


def as_array(image: Any) -> np.ndarray | None:
    """The array of a NumPy array, a torch tensor, or anything with the array interface or DLPack; nothing of what is no array."""
    if isinstance(image, np.ndarray):
        return image
    if hasattr(image, "detach"):  # a torch tensor, perhaps one that requires a gradient
        return np.asarray(image.detach().cpu().numpy())
    if type(image).__module__.startswith("PIL."):
        return _of_pillow(image)
    if hasattr(image, "__array__") or hasattr(image, "__array_interface__"):
        return np.asarray(image)
    if hasattr(image, "__dlpack__"):
        return np.from_dlpack(image)
    return None


def _of_pillow(image: Any) -> np.ndarray:
    """The pixels of a PIL image. Pillow itself would cut off what is above 255 in pictures of more than eight bits."""
    if image.mode.startswith("I;16"):
        return np.asarray(np.rint(np.asarray(image, dtype=np.float64) / 257), dtype=np.uint8)
    if image.mode in ("I", "F"):
        raise ValueError(
            f"a PIL image of mode '{image.mode}' does not say which of its numbers is white; give its file, or uint8 of height × width × channels"
        )
    return np.asarray(image if image.mode in ("RGB", "L") else image.convert("RGB"))


def split(images: Any) -> tuple[list[Any], bool]:
    """The images of a batch, and whether it was one."""
    array = as_array(images)
    if array is not None:
        if array.size == 0 and array.ndim == 4:
            raise ValueError(f"there is no image: the batch is empty, of shape {array.shape}")
        if array.ndim == 4:
            return list(array), True
        return [array], False
    if isinstance(images, (list, tuple)):
        if not images:
            raise ValueError("there is no image: the list is empty")
        return list(images), True
    return [images], False


def as_file(image: Any) -> bytes:
    """The file of a photograph: as it is where there is one, and else a PNG of the pixels."""
    if isinstance(image, (str, os.PathLike)):
        with open(image, "rb") as file:
            return file.read()
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    if isinstance(image, io.IOBase):
        return bytes(image.read())
    return encode(_pixels(_expect_array(image)))


def _expect_array(image: Any) -> np.ndarray:
    array = as_array(image)
    if array is None:
        raise TypeError(f"an image is a path, bytes, a PIL image or an array, found {type(image).__name__}")
    if array.size == 0:
        raise ValueError(f"the image is empty: its shape is {array.shape}")
    return array


def _pixels(array: np.ndarray) -> np.ndarray:
    """Pixels as height × width × channels, with the channels of colour or grey."""
    if array.dtype != np.uint8:
        raise ValueError(f"a photograph's pixels are uint8 (height × width × channels, 0 to 255), found {array.dtype}")
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] not in (1, 3, 4):
        raise ValueError(
            f"pixels (uint8) are height × width × channels, found {array.shape}, which look like channels × height × width; "
            "np.moveaxis(image, 0, -1) turns them"
        )
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ValueError(f"pixels (uint8) are height × width × channels, found {array.shape}")
    # Grey is read as a grey file is.
    return np.ascontiguousarray(np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array[:, :, :3])


def photograph(native: Any, image: Any) -> Any:
    """One image as a photograph of the native module; nothing of an array of floats, which is what the network reads already."""
    if isinstance(image, (str, os.PathLike)):
        path = os.fspath(image)
        if not os.path.exists(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return NativePhotograph.from_file(native, path)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return NativePhotograph.from_bytes(native, bytes(image))
    if isinstance(image, io.IOBase):
        return NativePhotograph.from_bytes(native, image.read())
    array = _expect_array(image)
    if array.dtype != np.uint8:
        return None
    return NativePhotograph.from_pixels(native, _pixels(array))


def as_input(image: Any, shape: tuple[int, int, int]) -> np.ndarray:
    """An array as the network reads it, C × H × W float32, of a network that reads this shape."""
    array = _expect_array(image)
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(
            f"an image is uint8 (height × width × channels, 0 to 255) or float (channels × height × width, as the network reads it), "
            f"found {array.dtype}"
        )
    if array.ndim != 3:
        raise ValueError(f"an input is channels × height × width, found {array.shape}")
    if array.shape != shape and array.shape == (*shape[1:], shape[0]):
        raise ValueError(
            f"the network reads C × H × W = {shape}, found {array.shape}, which is H × W × C: np.moveaxis(image, -1, 0) turns it; "
            "or give pixels as uint8, height × width × channels"
        )
    return np.ascontiguousarray(array, dtype=np.float32)


def extremes(array: np.ndarray) -> tuple[float, float]:
    """The least and the largest number of an input, which are finite as all between them are."""
    least, most = float(array.min()), float(array.max())
    if not (math.isfinite(least) and math.isfinite(most)):
        raise ValueError("the image holds NaN or infinite numbers")
    return least, most


def range_advice(least: float, most: float, low: float, high: float) -> str | None:
    """What to say of an input whose numbers, the least and the largest, are not those of a photograph, which lie between `low` and `high`."""
    width = high - low
    scale = "0 to 255" if most > 2 else "0 to 1"
    is_far = least >= 0 and most > high + 2 * width
    is_unit = 0 <= least < most <= 1 and (low < -0.5 or high > 2)
    if not (is_far or is_unit):
        return None
    return (
        f"the input's numbers lie between {least:.3g} and {most:.3g}, as if they went from {scale}; of a photograph this network reads numbers "
        f"between {low:.3g} and {high:.3g}. Give pixels as uint8, which are prepared, or what model.prepare(image) returns"
    )


def outside() -> int:
    """The level of the stack, as `warnings` counts from the caller, of the first function that is not of this package: the user's."""
    own, level = os.path.dirname(__file__), 1
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.dirname(frame.f_code.co_filename) == own:
        frame, level = frame.f_back, level + 1
    return level
