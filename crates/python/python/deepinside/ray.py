"""Data sets on a cluster, with Ray (`pip install 'deepinside[ray]'`).

:class:`Explain` and :class:`Classify` are for ``ray.data.Dataset.map_batches``, where the data already are in Ray::

    import ray
    from deepinside.ray import Explain

    found = ray.data.read_images("photos/", include_paths=True).map_batches(
        Explain, fn_constructor_kwargs={"model": "resnet50.onnx", "method": "gradient"},
        compute=ray.data.ActorPoolStrategy(size=8), num_cpus=1, batch_size=32)

:func:`batch` runs a whole job on the cluster's machines, which share a file system, and ends with the files that one machine writes.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from . import _native
from ._model import Model
from ._openers import builtin


def _opened(model: Any, threads: int) -> Model:
    if isinstance(model, Model):
        return model
    settings = dict(model) if isinstance(model, dict) else {"path": model}
    path = settings.pop("path", None)
    return builtin(threads=threads, **settings) if path is None else Model(path, threads=threads, **settings)


def _image(value: Any) -> Any:
    """An image of a column: bytes, a path, or pixels. Ray's arrays cannot be written to, and are not."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value
    return value.item() if isinstance(value, np.generic) else value


class _Each(ABC):
    """What is done with each image of a batch; an image that has no result has the reason in the column ``error``."""

    def __init__(self, model: Any, column: str, target_column: str | None, threads: int) -> None:
        self.model = _opened(model, threads)
        self.column, self.target_column = column, target_column

    @abstractmethod
    def columns(self, image: Any, target: Any) -> dict[str, Any]:
        """What is written for one image."""

    @abstractmethod
    def empty(self) -> dict[str, Any]:
        """What is written where there is no result."""

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.column not in batch:
            raise ValueError(f"the batch has no column '{self.column}'; it has {', '.join(batch)}")
        targets = batch[self.target_column] if self.target_column else [None] * len(batch[self.column])
        rows = []
        for image, target in zip(batch[self.column], targets):
            try:
                rows.append({**self.columns(_image(image), _plain(target)), "error": ""})
            except (OSError, RuntimeError, TypeError, ValueError) as error:
                rows.append({**self.empty(), "error": str(error)})
        kept = {name: values for name, values in batch.items() if name != self.column}
        return {**kept, **{name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else {})}}


def _plain(target: Any) -> Any:
    """A target as Python has it: NumPy's numbers and strings are none that a model takes."""
    return target.item() if isinstance(target, np.generic) else target


class Explain(_Each):
    """Explains the images of a batch by a method: columns ``map`` (float32, NaN where there is no result), ``target``, ``number``.

    model : a path, {"path": …, "weights": …} as :class:`deepinside.Model` takes them, or None for the built-in network
    column : the images: a file's bytes, paths, or pixels (uint8, height × width × channels)
    target_column : what each image is explained for; the most probable class without it
    threads : what ``num_cpus`` says; it never changes a result
    """

    def __init__(
        self, model: Any = None, method: str = "gradient", *, column: str = "image", target_column: str | None = None,
        target: Any = None, layer: str | None = None, crop: str | None = None, threads: int = 1, **parameters: Any,
    ) -> None:
        super().__init__(model, column, target_column, threads)
        self.method, self.target, self.layer, self.crop, self.parameters = method, target, layer, crop, parameters
        self._shape: tuple[int, ...] | None = None

    def columns(self, image: Any, target: Any) -> dict[str, Any]:
        wanted = self.target if target is None else target
        found = self.model.explain(image, self.method, wanted, layer=self.layer, crop=self.crop, **self.parameters)
        self._shape = found.map.shape
        return {"map": found.map, "target": found.target, "number": found.number}

    def empty(self) -> dict[str, Any]:
        shape = self._shape
        if shape is None:
            # What a map's extents are depends on method and layer, and on no image.
            black = np.zeros(self.model.input_shape, np.float32)
            shape = self._shape = self.model.explain(black, self.method, 0, layer=self.layer, **self.parameters).map.shape
        return {"map": np.full(shape, np.nan, np.float32), "target": "", "number": np.nan}


class Classify(_Each):
    """Names what the images of a batch show: columns ``class`` (-1 where there is no result), ``name`` and ``probability``."""

    def __init__(self, model: Any = None, *, column: str = "image", threads: int = 1) -> None:
        super().__init__(model, column, None, threads)

    def columns(self, image: Any, target: Any) -> dict[str, Any]:
        best = self.model.classify(image, top=1)[0]
        return {"class": best.index, "name": best.name, "probability": np.float32(best.probability)}

    def empty(self) -> dict[str, Any]:
        return {"class": -1, "name": "", "probability": np.float32(np.nan)}


_models: dict[str, Model] = {}


def _shard(model: Any, task: str, inputs: list[str], out: str, index: int, count: int, settings: dict[str, Any]) -> int:
    """One shard, on whichever machine Ray chooses. What an earlier attempt has written is kept, wherever it ran."""
    known = repr(model)
    if known not in _models:
        _models.clear()
        _models[known] = _opened(model, settings.get("threads", 1))
    return _models[known].batch(task, inputs, out, shard=(index, count), **settings)["done"]


def _processors(ray: Any) -> float:
    return float(ray.cluster_resources().get("CPU", 1))


def batch(
    task: str, inputs: Any, out: str | os.PathLike[str], *, model: Any = None, shards: int | None = None, threads: int = 1,
    retries: int = 100, **settings: Any,
) -> int:
    """Runs a job on all machines of a cluster, as :meth:`deepinside.Model.batch` does on one, and ends with the same files.

    The machines share a file system, on which `inputs`, `out` and the model's files lie under the same paths. The job is split into
    shards of whole files; each is a task of Ray that needs `threads` processors. A task whose machine is lost is started elsewhere up
    to `retries` times, and goes on where its journal ends. Called again, a job that was stopped goes on.

    model : a path, {"path": …, "weights": …}, or None for the built-in network
    shards : how many; by default one for every processor of the cluster over `threads`

    Returns the number of rows.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError("deepinside.ray.batch needs Ray: pip install 'deepinside[ray]'") from error
    target = Path(os.path.abspath(out))
    several: list[str] = [os.path.abspath(own) for own in ([inputs] if isinstance(inputs, (str, os.PathLike)) else inputs)]
    if model is not None and not isinstance(model, dict):
        model = os.path.abspath(model)
    if target.exists() and any(target.iterdir()):
        raise ValueError(f"{target} is not empty; name another folder")
    if shards is None:
        shards = max(1, int(_processors(ray) // threads))
    parts = target.with_name(target.name + ".shards")
    run = ray.remote(num_cpus=threads, max_retries=retries)(_shard)
    folders = [parts / f"{index}-of-{shards}" for index in range(shards)]
    tasks = [
        run.remote(model, task, several, str(folder), index, shards, {**settings, "threads": threads})
        for index, folder in enumerate(folders)
    ]
    ray.get(tasks)
    rows = _native.merge([str(folder) for folder in folders], str(target))
    import shutil

    shutil.rmtree(parts)
    return rows
