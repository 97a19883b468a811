"""What the photographs of a data set say of each unit of a network."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _native
from ._parameters import as_parameter


def _array(pixels: tuple[int, int, bytes]) -> np.ndarray:
    height, width, rgb = pixels
    return np.frombuffer(rgb, dtype=np.uint8).reshape(height, width, 3)


@dataclass(frozen=True)
class Exemplar:
    """A photograph that excites a unit.

    Attributes
    ----------
    activation : float
        The unit's largest activation in it.
    photograph : str
        Its path, or its key.
    position : (int, int)
        Row and column of the activation among the layer's positions.
    """

    activation: float
    photograph: str
    position: tuple[int, int]
    _source: tuple[_native.NativeExemplars, _native.NativeModel, tuple[str, int, int], str, dict[str, Any]] = field(repr=False, compare=False)
    _seen: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def _look(self) -> dict[str, Any]:
        if not self._seen:
            found, model, best, method, parameters = self._source
            self._seen.update(found.seen(model, best, method, parameters))
        return self._seen

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, in pixels of the network's input, of what the activation depends on: outside, its gradient is zero.
        This is the receptive field as far as the rectifiers let it through for this photograph."""
        left, top, right, bottom = self._look()["bounds"]
        return left, top, right, bottom

    @property
    def crop(self) -> np.ndarray:
        """What the network reads there: height × width × 3, uint8, red first."""
        return _array(self._look()["crop"])

    @property
    def map(self) -> np.ndarray:
        """How much each pixel of the crop contributes to the activation, by the method that :meth:`Exemplars.unit` was asked for: the largest
        magnitude among the channels, or the pixel's own number; height × width, float32."""
        found: np.ndarray = self._look()["map"]
        return found

    @property
    def overlay(self) -> np.ndarray:
        """The map over the crop, as a picture: height × width × 3, uint8."""
        return _array(self._look()["drawn"])


@dataclass(frozen=True)
class Unit:
    """What was found of a unit.

    Attributes
    ----------
    layer : str
    index : int
    photographs, active : int
        In how many photographs it was looked at, and in how many its largest activation is above zero.
    mean : float
        The mean of its largest activations.
    histogram : dict of int to int
        How many photographs have a largest activation of at least 2ᵏ and below 2ᵏ⁺¹, by k; those not above zero are left out.
    exemplars : list of Exemplar
        The photographs with the largest activations, largest first.
    """

    layer: str
    index: int
    photographs: int
    active: int
    mean: float
    histogram: dict[int, int]
    exemplars: list[Exemplar]


class Exemplars:
    """The photographs that excite each unit most: what :meth:`deepinside.Model.exemplars` finds.

    Attributes
    ----------
    layers : dict of str to int
        The layers, and how many units each has.
    photographs : int
        How many photographs were looked at.
    failed : dict of str to str
        Those without a result, and why.
    """

    def __init__(self, found: _native.NativeExemplars, model: _native.NativeModel) -> None:
        self._found, self._model = found, model
        self.layers = {name: units for name, _, units in found.layers()}
        self.photographs, self.failed = found.photographs()

    def unit(self, layer: str, index: int, method: str = "gradient", **parameters: Any) -> Unit:
        """What was found of a unit.

        Parameters
        ----------
        layer : str
        index : int
        method : str
            A method of :func:`deepinside.methods` that looks at the picture: its map of the unit is each exemplar's ``map``.
        **parameters
            The method's own.

        Raises
        ------
        ValueError
            If the job did not look at the layer, or it has no such unit. Reading ``map`` also raises it where there is no such method, it
            has no such parameter, or it looks at a layer.
        """
        told = self._found.unit(layer, index)
        given = {name: as_parameter(value) for name, value in parameters.items()}
        exemplars = [
            Exemplar(activation, photograph, (place[0], place[1]), (self._found, self._model, (layer, index, rank), method, given))
            for rank, (activation, photograph, place) in enumerate(told["best"])
        ]
        return Unit(layer, index, told["photographs"], told["active"], told["mean"], told["histogram"], exemplars)

    def __repr__(self) -> str:
        return f"Exemplars({self.photographs} photographs, {len(self.layers)} layers, {sum(self.layers.values())} units)"


def find(model: _native.NativeModel, inputs: Any, out: str | os.PathLike[str], layers: Any, settings: dict[str, Any]) -> Exemplars:
    """Looks at photographs, goes on where that was stopped, or opens what is there."""
    several = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
    named = [] if layers is None else [layers] if isinstance(layers, str) else list(layers)
    root = settings["root"]
    given = {
        **settings, "inputs": [os.fspath(own) for own in several], "out": os.fspath(out), "layers": named,
        "root": None if root is None else os.fspath(root),
    }
    return Exemplars(_native.exemplars(model, given), model)
