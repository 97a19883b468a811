"""An open network: what it is opened from, and how images become its inputs."""

from __future__ import annotations

import hashlib
import os
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _native
from ._images import as_input, extremes, photograph, range_advice

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


class OpenedNetwork:
    """What :class:`deepinside.Model` knows of its network."""

    _name: str

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        weights: str | os.PathLike[str] | None = None,
        labels: str | os.PathLike[str] | None = None,
        score: str | None = None,
        input_size: tuple[int, int] | None = None,
        threads: int = 0,
    ) -> None:
        self._opening = {
            "weights": None if weights is None else os.fspath(weights),
            "labels": None if labels is None else os.fspath(labels),
            "score": score,
            "size": input_size,
            "threads": threads,
        }
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
        known = {"weights": None, "labels": None, "score": None, "size": settings.pop("input_size", None), "threads": 0}
        if unknown := set(settings) - set(known):
            raise TypeError(f"no setting is called {', '.join(sorted(unknown))}")
        self._opening = {**known, **settings}
        self._path, self._network, self._name = path, network, name
        self._open()
        return self

    def _open(self) -> None:
        _expect_own_process()
        _processes[:] = [os.getpid()]
        if self._network is not None:
            self._opened = _native.NativeModel.from_bytes(self._network, self._name, self._opening)
        elif self._path is not None:
            self._opened = _native.NativeModel.open(self._path, self._opening)
        else:
            self._opened = _native.NativeModel.builtin(self._opening)

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
            warnings.warn(advice, stacklevel=3)
        return array

    def _input_range(self) -> tuple[float, float]:
        """The least and the largest number that a photograph becomes."""
        if not hasattr(self, "_range"):
            ends = [self.prepare(np.full((8, 8, 3), level, np.uint8)) for level in (0, 255)]
            self._range = min(float(end.min()) for end in ends), max(float(end.max()) for end in ends)
        return self._range
