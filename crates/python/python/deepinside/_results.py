"""What a model answers: small objects that hold arrays, draw themselves in a notebook, and pickle."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Iterator

import numpy as np

from . import _native

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Prediction:
    """A class with its unnormalised score and its probability."""

    index: int
    name: str
    score: float
    probability: float


@dataclass
class Attribution:
    """What a method found for one image.

    values : float32, C × H × W for the input's numbers, H × W for one a pixel, rows × columns for a layer; signed, not scaled
    map : one number a pixel or position, the largest magnitude over channels; it is computed when it is first asked for
    target, number : what was explained, and its number
    layer : the value whose positions the numbers belong to; None for the input
    standard_error : of each value, where it is a mean over random samples
    completeness : what the values add up to, and what they should
    notes : what must be known about them, in whole sentences
    frame : where the map lies in the image: left, top, right, bottom in its pixels; None for an array that was taken as it is
    pixels : what the network saw, height × width × 3, uint8
    record : what made it, to be kept beside it: model, hash, method, parameters, target
    """

    values: np.ndarray
    method: str
    target: str
    number: float
    layer: str | None = None
    standard_error: np.ndarray | None = None
    completeness: tuple[float, float] | None = None
    notes: list[str] = field(default_factory=list)
    frame: Box | None = None
    record: dict[str, Any] = field(default_factory=dict)
    _pixels: Any = field(default=None, repr=False)

    @cached_property
    def map(self) -> np.ndarray:
        """One number a pixel or position: the largest magnitude over channels, as in Simonyan, Vedaldi, Zisserman 2013, §3.1, where there are
        channels; else the values."""
        found: np.ndarray = self.values.copy() if self.values.ndim == 2 else np.abs(self.values).max(axis=0)
        return found

    @property
    def pixels(self) -> np.ndarray | None:
        """What the network saw, height × width × 3, uint8. It is made of the input when it is first asked for."""
        if callable(self._pixels):
            self._pixels = self._pixels()
        pixels: np.ndarray | None = self._pixels
        return pixels

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pixels": self.pixels}

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype, copy=True if copy is None else copy)

    def png(self, colours: str = "inferno", opacity: float = 0.6, quantile: float = 0.99) -> bytes:
        """The map over what the network saw, as a PNG file's bytes.

        colours : grey, hot, jet, viridis, inferno or blue-white-red
        opacity : how much of the map's colours covers the image, 0 to 1
        quantile : of the map's magnitudes, what is shown brightest
        """
        return _native.draw(np.ascontiguousarray(self.map), self.pixels, colours, opacity, quantile)

    def overlay(self, **drawing: Any) -> np.ndarray:
        """The same as pixels: height × width × 3, uint8. Needs Pillow or matplotlib, which decode it."""
        return _decoded(self.png(**drawing))

    def save(self, path: str | os.PathLike[str], **drawing: Any) -> None:
        """Writes the values (.npy) or the picture (.png)."""
        ending = Path(path).suffix.lower()
        if ending == ".npy":
            np.save(path, self.values)
        elif ending == ".png":
            Path(path).write_bytes(self.png(**drawing))
        else:
            raise ValueError(f"{os.fspath(path)}: an attribution is saved as .png or .npy")

    def plot(self, ax: Any = None, colours: str = "inferno") -> Any:
        """Draws image and map with matplotlib; returns the axes."""
        if ax is None:
            import matplotlib.pyplot as pyplot

            ax = pyplot.gca()
        if self.pixels is not None:
            ax.imshow(self.pixels)
        height, width = self.pixels.shape[:2] if self.pixels is not None else self.map.shape
        top = np.quantile(self.map[self.map > 0], 0.99) if (self.map > 0).any() else 1.0
        ax.imshow(self.map, cmap=colours, alpha=0.6, extent=(0, width, height, 0), vmin=0, vmax=top)
        ax.set_title(f"{self.method} of {self.target}")
        ax.set_axis_off()
        return ax

    def _repr_png_(self) -> bytes:
        return self.png()

    def _repr_html_(self) -> str:
        return _html(self.png(), f"{self.method} of {self.target}: {self.number:.4g}", self.notes)

    def __repr__(self) -> str:
        where = f" of '{self.layer}'" if self.layer else ""
        return f"<{self.method}{where} of {self.target} = {self.number:.4g}, shape {self.values.shape}>"


@dataclass
class Layer:
    """A value of the network for one image, as channels × rows × columns with tokens on their grid.

    activation, gradient : float32; the gradient is the class score's with respect to the activation
    """

    name: str
    activation: np.ndarray
    gradient: np.ndarray

    def __repr__(self) -> str:
        return f"<{self.name}: {' × '.join(map(str, self.activation.shape))}>"


@dataclass
class Localisation:
    """An object that was found from a map.

    box : left, top, right, bottom in pixels of the image; the whole image where nothing is chosen (``is_empty``)
    mask : which pixels are the object's, height × width, bool
    map : the map that it was found in, float32 of the same size; 0 where no crop reached (``seen`` is False there), which says nothing
    is_constant : whether the map is the same everywhere, so that the box means nothing
    """

    index: int
    name: str
    score: float
    probability: float
    box: Box
    mask: np.ndarray
    map: np.ndarray
    seen: np.ndarray
    is_empty: bool
    is_constant: bool

    def __repr__(self) -> str:
        left, top, right, bottom = self.box
        return f"<{self.name}: {left:g},{top:g} to {right:g},{bottom:g}>"


@dataclass
class ClassModelFrame:
    """The picture of a class after some steps of an ascent.

    value : what the objective reached before the last of them
    probability : of the class, likewise
    image : as the network reads it, C × H × W float32
    pixels : as it is shown, height × width × 3, uint8
    """

    iteration: int
    iterations: int
    value: float
    probability: float | None
    image: np.ndarray
    pixels: np.ndarray
    notes: list[str] = field(default_factory=list)

    def png(self) -> bytes:
        """The picture as a PNG file's bytes."""
        return _native.encode(np.ascontiguousarray(self.pixels))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture (.png) or what the network reads (.npy)."""
        ending = Path(path).suffix.lower()
        if ending == ".npy":
            np.save(path, self.image)
        elif ending == ".png":
            Path(path).write_bytes(self.png())
        else:
            raise ValueError(f"{os.fspath(path)}: a class model is saved as .png or .npy")

    def _repr_png_(self) -> bytes:
        return self.png()

    def __repr__(self) -> str:
        return f"<step {self.iteration} of {self.iterations}: {self.value:.4g}>"


class ClassModel:
    """An ascent that runs: iterate over its frames, change its numbers while it runs, or wait for the last frame."""

    def __init__(self, native: Any) -> None:
        self._native = native
        self._last: ClassModelFrame | None = None

    def __iter__(self) -> Iterator[ClassModelFrame]:
        for frame in self._native:
            self._last = ClassModelFrame(**frame)
            yield self._last

    def change(self, **numbers: float | str | bool) -> None:
        """Changes numbers of the recipe from the next step on: ``learning_rate=0.1``."""
        self._native.change(numbers)

    def stop(self) -> None:
        """Stops the ascent."""
        self._native.stop()

    def last(self) -> ClassModelFrame:
        """Waits for the end; the finished picture."""
        for _ in self:
            pass
        if self._last is None:
            raise RuntimeError("the ascent ended before its first frame")
        return self._last


def _decoded(png: bytes) -> np.ndarray:
    import io

    try:
        from PIL import Image
    except ImportError:
        from matplotlib.image import imread

        return np.asarray((255 * imread(io.BytesIO(png), format="png")[:, :, :3]).round(), dtype=np.uint8)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def _html(png: bytes, title: str, notes: list[str]) -> str:
    import base64
    from html import escape

    lines = "".join(f"<div><small>{escape(note)}</small></div>" for note in notes)
    source = base64.b64encode(png).decode()
    return f'<figure><img alt="{escape(title)}" src="data:image/png;base64,{source}"><figcaption>{escape(title)}</figcaption>{lines}</figure>'
