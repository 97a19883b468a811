"""An open network: what it is opened from, and how images become its inputs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import warnings
from typing import TYPE_CHECKING, Any, Generator, Sequence

import numpy as np

from . import _native
from ._images import as_input, extremes, outside, photograph, range_advice

if TYPE_CHECKING:
    from typing_extensions import Self

#: The process that opened the first model.
_processes: list[int] = []


def _expect_own_process() -> None:
    """Refuses to compute in a fork, which would wait forever for threads that it did not get from the process before it."""
    if _processes and _processes[0] != os.getpid():
        raise RuntimeError(
            "this process was forked after a model was opened, and the threads that models compute with stayed behind; use "
            "multiprocessing.get_context('spawn'), to which a model can be given, or fork before the first model is opened"
        )


#: What can be said about a network and its photographs, by the names of the native module where they differ.
_SETTINGS = {
    "weights": "weights", "labels": "labels", "score": "score", "input_size": "size", "threads": "threads", "resize": "resize",
    "crop": "crop", "channel_order": "channel_order", "raw_scale": "raw_scale", "mean": "mean", "scale": "scale",
    "interpolation": "interpolation", "memory_limit": "memory_limit",
}


def _opening(given: dict[str, Any]) -> dict[str, Any]:
    """Settings as the native module takes them."""
    if unknown := set(given) - set(_SETTINGS):
        raise TypeError(f"no setting is called {', '.join(sorted(unknown))}; there are {', '.join(_SETTINGS)}")
    opening: dict[str, Any] = {**dict.fromkeys(_SETTINGS.values()), "threads": 0}
    for name, value in given.items():
        if value is None:
            continue
        if name == "weights" or (name == "labels" and isinstance(value, (str, os.PathLike))):
            value = os.fspath(value)
        elif name == "labels":
            value = [str(label) for label in value]
        elif name in ("mean", "scale"):
            value = [float(number) for number in np.atleast_1d(np.asarray(value, dtype=np.float64))]
        elif name == "resize":
            value = [int(side) for side in np.atleast_1d(np.asarray(value))]
            if len(value) > 2 or min(value, default=0) < 1:
                raise ValueError("resize is the shorter side, or height and width, in pixels")
        elif name == "memory_limit" and value < 1:
            raise ValueError(f"memory_limit is at least one MiB, found {value}")
        opening[_SETTINGS[name]] = value
    return opening


@contextlib.contextmanager
def _labels_as_a_file(opening: dict[str, Any]) -> Generator[dict[str, Any], None, None]:
    """Names of classes that are given as a list lie in a file while the network is opened."""
    labels = opening["labels"]
    if not isinstance(labels, list):
        yield opening
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "labels.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(labels, file)
        yield {**opening, "labels": path}


class OpenedNetwork:
    """What :class:`deepinside.Model` knows of its network."""

    _name: str

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        weights: str | os.PathLike[str] | None = None,
        labels: str | os.PathLike[str] | Sequence[str] | None = None,
        score: str | None = None,
        input_size: tuple[int, int] | None = None,
        threads: int = 0,
        memory_limit: int | None = None,
        **preparation: Any,
    ) -> None:
        given = {
            "weights": weights, "labels": labels, "score": score, "input_size": input_size, "threads": threads, "memory_limit": memory_limit,
            **preparation,
        }
        self._opening = _opening(given)
        self._path: str | None = os.path.abspath(path)
        self._network: bytes | None = None
        self._open()

    @classmethod
    def from_bytes(cls, network: bytes, name: str = "network", **settings: Any) -> Self:
        """Opens an ONNX network that lies in memory."""
        return cls._of(None, bytes(network), name, settings)

    @classmethod
    def _of(cls, path: str | None, network: bytes | None, name: str, settings: dict[str, Any]) -> Self:
        self = cls.__new__(cls)
        self._opening = _opening(settings)
        self._path, self._network, self._name = path, network, name
        self._open()
        return self

    def _open(self) -> None:
        _expect_own_process()
        _processes[:] = [os.getpid()]
        with _labels_as_a_file(self._opening) as opening:
            if self._network is not None:
                self._opened = _native.NativeModel.from_bytes(self._network, self._name, opening)
            elif self._path is not None:
                self._opened = _native.NativeModel.open(self._path, opening)
            else:
                self._opened = _native.NativeModel.builtin(opening)

    @property
    def _native(self) -> _native.NativeModel:
        _expect_own_process()
        return self._opened

    def __getstate__(self) -> dict[str, Any]:
        state = {name: getattr(self, name, None) for name in ("_opening", "_path", "_network", "_name")}
        state["hash"] = self._hash()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        expected = state.pop("hash")
        for name, value in state.items():
            setattr(self, name, value)
        if self._hash() != expected:
            raise ValueError(f"{self._path} is not the file that it was when this model was pickled")
        self._open()

    def _known_hash(self) -> str | None:
        # The file is read once: a record is made for every result.
        if not hasattr(self, "_sha256"):
            self._sha256 = self._native.sha256 or self._hash()
        return self._sha256

    def _hash(self) -> str | None:
        if self._path is None or not os.path.isfile(self._path):
            return None
        with open(self._path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read()).hexdigest()

    @property
    def name(self) -> str:
        """What the network is called."""
        return self._native.name

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width that the network reads."""
        channels, height, width = self._native.input_shape
        return channels, height, width

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in the order of the scores."""
        return [self._native.class_name(index) for index in range(self._native.class_count)]

    @property
    def notes(self) -> list[str]:
        """What is suspicious about the network, and what was guessed about its pictures."""
        return self._native.notes

    @property
    def values(self) -> dict[str, tuple[int, ...]]:
        """The network's values by name, with their shapes without the batch axis: layers to look at, and targets."""
        return {name: tuple(shape) for name, shape in self._native.values()}

    def prepare(self, image: Any, crop: str | None = None) -> np.ndarray:
        """An image as the network reads it: C × H × W float32.

        Parameters
        ----------
        image : path, bytes, PIL image or array
            A photograph: a path, a file's bytes, an open file, a PIL image, or uint8 of height × width × channels. Or an input: floats of
            C × H × W, which are taken as they are, with a warning where they look like a photograph that was not prepared.
        crop : str, optional
            "centre", "whole", …; the model's own by default.

        Returns
        -------
        float32 array of C × H × W

        Raises
        ------
        ValueError
            If the image is empty, of another shape, or holds NaN.
        FileNotFoundError
            If there is no such file.

        Examples
        --------
        >>> model.prepare("cat.png").shape
        (3, 224, 224)
        """
        found = photograph(self._native, image)
        if found is not None:
            return np.asarray(self._native.prepare(found, crop))
        array = as_input(image, self.input_shape)
        least, most = extremes(array)
        if advice := range_advice(least, most, *self._input_range()):
            warnings.warn(advice, stacklevel=outside())
        return array

    def _input_range(self) -> tuple[float, float]:
        """The least and the largest number that a photograph becomes."""
        if not hasattr(self, "_range"):
            ends = [self.prepare(np.full((8, 8, 3), level, np.uint8)) for level in (0, 255)]
            self._range = min(float(end.min()) for end in ends), max(float(end.max()) for end in ends)
        return self._range
