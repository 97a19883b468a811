"""Models and what they answer."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Callable, Iterable, Sequence

import numpy as np

from . import _native
from ._exemplars import Exemplars
from ._exemplars import find as find_exemplars
from ._images import as_file, photograph, split
from ._opened import OpenedNetwork
from ._parameters import as_parameter
from ._progress import counted
from ._results import Attribution, ClassModel, Layer, Localisation, Prediction

if TYPE_CHECKING:
    from ._page import Page

#: How many bytes of prepared inputs are computed on in one go.
_TOGETHER = 64 << 20

_VIEWS = ("photograph", "saliency", "methods", "localise", "class-model", "layers", "compare")


class Model(OpenedNetwork):
    """A trained image network.

    Parameters
    ----------
    path : path
        An ONNX file, a Caffe .prototxt, or a folder with a model.toml.
    weights : path, optional
        The .caffemodel of a .prototxt.
    labels : path or str, optional
        A file of class names, or "ilsvrc2012".
    score : str, optional
        The value that holds the class scores, where it cannot be found.
    input_size : (int, int), optional
        Height and width of the network's input, where they can change.
    threads : int
        0 for one per core; it never changes a result.
    memory_limit : int, optional
        The most memory for the numbers of one run in MiB, weights not counted. Without it, the numbers and operations of a run are bounded in
        proportion to the network's weights and picture, which a network of few weights on large pictures may exceed.
    resize, crop, channel_order, raw_scale, mean, scale, interpolation : optional
        How photographs become inputs, where it is not as the network's files say: see ``deepinside info --help``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    deepinside.UnsupportedOperator
        If the network has an operator that is not computed.
    ValueError
        If the file is no network.

    Examples
    --------
    >>> deepinside.builtin().input_shape
    (3, 224, 224)
    """

    def classify(self, images: Any, top: int = 5, *, progress: bool | None = None) -> Any:
        """Names what images show.

        Parameters
        ----------
        images : path, bytes, PIL image, array, or a batch of them
            See :meth:`prepare`.
        top : int
            How many classes are named.
        progress : bool, optional
            A bar by tqdm; by itself where a batch takes longer than two seconds.

        Returns
        -------
        list of Prediction, or a list of such lists for a batch
            The most probable class first.

        Raises
        ------
        ValueError
            If an image does not fit the network, or the network has no classes.

        Examples
        --------
        >>> [prediction.index for prediction in model.classify("cat.png", top=2)]
        [282, 285]
        """
        each, is_batch = split(images)
        found = []
        for image in counted(each, len(each), "classify", progress):
            scores, probabilities = self._native.scores(self.prepare(image))
            order = sorted(range(len(scores)), key=lambda index: -probabilities[index])[:top]
            found.append([Prediction(i, self._native.class_name(i), scores[i], probabilities[i]) for i in order])
        return found if is_batch else found[0]

    def explain(
        self,
        images: Any,
        method: str = "integrated-gradients",
        target: Any = None,
        *,
        layer: str | Sequence[str] | None = None,
        crop: str | None = None,
        arrays: dict[str, Any] | None = None,
        progress: bool | None = None,
        **parameters: Any,
    ) -> Any:
        """Explains a target by a method.

        Parameters
        ----------
        images : path, bytes, PIL image, array, or a batch of them
            See :meth:`prepare`.
        method : str
            A name of :func:`deepinside.methods`, which also names each method's paper.
        target : int, str or list, optional
            A class index or name, a text such as "p(281)", "281 - 282" or "map[15,:,:]", or a list with one for each image; the most
            probable class by default.
        layer : str or sequence of str, optional
            The layer that class activation maps look at, or several.
        crop : str, optional
            The part of a photograph: "centre", "whole", …; the model's own by default.
        arrays : dict of arrays, optional
            Those that the target names, as in "cos(embedding, reference)".
        progress : bool, optional
            A bar by tqdm; by itself where a batch takes longer than two seconds.
        **parameters
            Those of the method, with ``_`` for ``-``.

        Returns
        -------
        Attribution, or a list of them for a batch or several layers
            Its values are float32 of C × H × W for the input's numbers, H × W for one a pixel, or rows × columns for a layer.

        Raises
        ------
        ValueError
            If there is no such method, parameter, class or layer, or an image does not fit the network.

        Examples
        --------
        >>> found = model.explain("cat.png", "gradient", "281 - 285")
        >>> found.values.shape, found.map.shape
        ((3, 224, 224), (224, 224))
        >>> model.explain("cat.png", "integrated-gradients", 281, steps=4).record["parameters"]
        {'steps': 4}
        """
        each, is_batch = split(images)
        targets = list(target) if isinstance(target, (list, tuple, np.ndarray)) or (hasattr(target, "tolist") and bool(getattr(target, "ndim", 0))) else [target] * len(each)
        if len(targets) != len(each):
            raise ValueError(f"there are {len(each)} images and {len(targets)} targets")
        layers = [layer] if isinstance(layer, str) else list(layer or [])
        given = {name.replace("_", "-"): as_parameter(value) for name, value in parameters.items() if value is not None}
        known = {name: as_parameter(value) for name, value in (arrays or {}).items()}
        found: list[Any] = []
        # So many at a time are in memory beside what the caller has.
        together = max(1, _TOGETHER // 4 // math.prod(self.input_shape))
        parts = [slice(first, first + together) for first in range(0, len(each), together)]
        for part in counted(parts, len(parts), method, progress):
            prepared = [self._prepared(image, own, crop) for image, own in zip(each[part], targets[part])]
            asked = [own for _, _, own in prepared]
            attributed = self._native.attribute([array for array, _, _ in prepared], method, asked, known, given, layers)
            for (_, seen, _), (number, text, read, results) in zip(prepared, attributed):
                about: dict[str, Any] = {
                    "method": method,
                    "target": text,
                    "number": number,
                    "_pixels": self._shown(read),
                    "frame": None if seen is None else self._native.frame(seen, crop),
                    "record": self._record(method, text, given, layers, crop),
                }
                attributions = [Attribution(**about, **result) for result in results]
                found.append(attributions if len(layers) > 1 else attributions[0])
        return found if is_batch else found[0]

    def _prepared(self, image: Any, target: Any, crop: str | None) -> tuple[np.ndarray, Any, str]:
        """What the network reads of an image, its photograph where it is one, and its target, empty for the class that is most probable there."""
        seen = photograph(self._native, image)
        if seen is None:
            return self.prepare(image), None, "" if target is None else self._target(target, None)
        array = self._native.prepare(seen, crop)
        if target is None and crop is None:
            return array, seen, ""
        # The class is what the model says of its own crop, whichever crop is explained.
        return array, seen, self._target(target, self._native.prepare(seen, None) if target is None else None)

    def _record(self, method: str, target: str, given: dict[str, Any], layers: list[str], crop: str | None) -> dict[str, Any]:
        plain = {name: value if isinstance(value, (bool, int, float, str)) else "array" for name, value in given.items()}
        file = {"path": self._path, "sha256": self._known_hash()}
        return {"model": self.name, **file, "method": method, "parameters": plain, "layers": layers, "crop": crop, "target": target}

    def localise(
        self, images: Any, target: int | str | Sequence[int | str] | None = None, *, top: int = 1, method: str = "default",
        progress: bool | None = None,
    ) -> Any:
        """Finds objects from saliency alone (Simonyan, Vedaldi, Zisserman 2013, §3.2).

        Parameters
        ----------
        images : path, bytes, PIL image or uint8 array of height × width × channels, or a batch of them
        target : int, str or a sequence of them, optional
            Classes by index or name; the ``top`` most probable ones by default.
        method : str
            "default", "paper", or another name that ``deepinside localise --help`` shows.
        progress : bool, optional
            A bar by tqdm; by itself where a batch takes longer than two seconds.

        Returns
        -------
        list of Localisation, one for each class, or a list of such lists for a batch

        Raises
        ------
        ValueError
            If an image is no photograph, or there is no such class or method.

        Examples
        --------
        >>> cat, = model.localise("cat.png")
        >>> cat.mask.shape
        (300, 451)
        """
        several: Any = [target] if isinstance(target, (int, str, np.integer)) else target
        asked: list[Any] = [] if several is None else list(several)
        classes = [self._native.find_class(own) if isinstance(own, str) else int(self._target(own, None)) for own in asked]
        each, is_batch = split(images)
        found = []
        for image in counted(each, len(each), "localise", progress):
            seen = photograph(self._native, image)
            if seen is None:
                raise ValueError("objects are found in photographs: a path, bytes, a PIL image or uint8 of height × width × channels")
            objects = _native.find_objects(self._native, seen, method, classes, top)
            found.append([Localisation(**own) for own in objects])
        return found if is_batch else found[0]

    def layers(
        self, image: Any, target: int | str | None = None, values: str | Iterable[str] | None = None, *, rule: str = "gradient"
    ) -> dict[str, Layer]:
        """Activations of layers, and the gradients of a class score with respect to them (Simonyan, Vedaldi, Zisserman 2013, §4).

        Parameters
        ----------
        image : path, bytes, PIL image or array
        target : int or str, optional
            A class by index or name; the most probable one by default.
        values : str or iterable of str, optional
            Names of values; by default all that lead to the scores.
        rule : str
            What rectifiers do on the way back: "gradient", "deconvnet", "guided" or "smooth".

        Returns
        -------
        dict of Layer by name
            Each as channels × rows × columns, float32.

        Raises
        ------
        ValueError
            If there is no such class, value or rule.
        """
        names = [] if values is None else [values] if isinstance(values, str) else list(values)
        index = None if target is None else self._native.find_class(target) if isinstance(target, str) else int(self._target(target, None))
        _, found = self._native.layers(self.prepare(image), index, rule, names)
        return {name: Layer(name, activation, gradient) for name, (activation, gradient) in found.items()}

    def class_model(
        self, target: int | str, recipe: str = "transfer", *, seed: int = 0, every: int = 1, **numbers: float | str | bool
    ) -> ClassModel:
        """Grows a picture that maximises a class score (Simonyan, Vedaldi, Zisserman 2013, §2).

        Parameters
        ----------
        target : int or str
            A class by index or name.
        recipe : str
            "transfer", "lucid", "yosinski", "paper" or "original".
        seed : int
            Of the random numbers that it starts from and that move it.
        every : int
            After how many steps a frame comes.
        **numbers
            Fields of the recipe: ``iterations=64``, ``learning_rate=0.05``.

        Returns
        -------
        ClassModel
            An iterator of frames, whose numbers can be changed while it runs; ``last()`` is the finished picture.

        Raises
        ------
        ValueError
            If there is no such class, recipe or field.

        Examples
        --------
        >>> model.class_model("goose", iterations=2).last().pixels.shape
        (224, 224, 3)
        """
        index = self._native.find_class(target) if isinstance(target, str) else int(self._target(target, None))
        return ClassModel(_native.grow(self._native, index, recipe, numbers, seed, every))

    def saliency(self, images: Any, target: Any = None, **settings: Any) -> Any:
        """The gradient of the target with respect to the input (Simonyan, Vedaldi, Zisserman 2013, §3.1)."""
        return self.explain(images, "gradient", target, **settings)

    def forward(self, image: Any, values: str | Iterable[str]) -> dict[str, np.ndarray]:
        """Computes values of the network.

        Parameters
        ----------
        image : path, bytes, PIL image or array
        values : str or iterable of str
            Their names.

        Returns
        -------
        dict of float32 arrays by name
            Without the batch axis, each of its own shape.

        Raises
        ------
        ValueError
            If there is no such value.

        Examples
        --------
        >>> score = model._native.ends[1]
        >>> model.forward("cat.png", score)[score].shape
        (1000,)
        """
        names = [values] if isinstance(values, str) else list(values)
        return self._native.forward(self.prepare(image), names)

    def backward(
        self, image: Any, target: Any = None, values: str | Iterable[str] | None = None, arrays: dict[str, Any] | None = None
    ) -> dict[str, np.ndarray]:
        """Differentiates a target with respect to values.

        Parameters
        ----------
        image : path, bytes, PIL image or array
        target : int or str, optional
            As in :meth:`explain`.
        values : str or iterable of str, optional
            Their names; the input by default.
        arrays : dict of arrays, optional
            Those that the target names.

        Returns
        -------
        dict of float32 arrays by name
            Without the batch axis, each of its value's shape.

        Raises
        ------
        ValueError
            If there is no such value, or it cannot be differentiated to.
        """
        array = self.prepare(image)
        names = [self._native.ends[0]] if values is None else [values] if isinstance(values, str) else list(values)
        known = {name: as_parameter(value) for name, value in (arrays or {}).items()}
        return self._native.backward(array, self._target(target, array), known, names)[1]

    def show(
        self, image: Any = None, *, view: str = "saliency", height: int = 720, origins: Sequence[str] | None = None
    ) -> Page:
        """The page of ``deepinside serve`` with this model, which stays in memory: within Jupyter, VS Code and Colab as the last
        value of a cell, elsewhere at ``.url``.

        Parameters
        ----------
        image : path, bytes, PIL image or uint8 of height × width × channels, optional
            The photograph that is looked at; others can be chosen on the page.
        view : str
            "photograph", "saliency", "methods", "localise", "class-model", "layers" or "compare".
        height : int
            The frame's height in pixels.
        origins : sequence of str, optional
            The pages that may show this one in a frame, such as "https://hub.example:8000"; found out by default. No other page can.

        Returns
        -------
        Page
            Its ``close()`` ends the server, which answers this machine alone, with a token.

        Raises
        ------
        ValueError
            If there is no such view, or the image is none that can be kept.
        """
        from ._page import open_page

        if view not in _VIEWS:
            raise ValueError(f"view is one of {', '.join(_VIEWS)}, found '{view}'")
        name = "network.onnx" if self._path is None else self._path
        flag = None if self._native.sha256 is not None else name
        return open_page(self._native, flag, None if image is None else as_file(image), view, height, None if origins is None else list(origins))

    def batch(
        self,
        task: str,
        inputs: Any,
        out: str | os.PathLike[str],
        *,
        format: str = "parquet",
        method: str | None = None,
        target: str | None = None,
        layer: str | None = None,
        crop: str | None = None,
        top: int = 1,
        rows_per_file: int = 1000,
        shard: tuple[int, int] | None = None,
        limit: int | None = None,
        sample: int | None = None,
        fail_fast: bool = False,
        column: str | None = None,
        target_column: str | None = None,
        root: str | os.PathLike[str] | None = None,
        threads: int = 0,
        **parameters: Any,
    ) -> dict[str, int]:
        """Looks at a whole data set: what `deepinside batch` does, with the same bytes. A job that was stopped, however that happened,
        goes on when it is called again.

        Parameters
        ----------
        task : str
            "explain", "localise", "classify" or "activations".
        inputs : path or list of paths
            Photographs, folders, lists (.txt, .csv, .tsv), WebDataset shards (.tar) or Parquet files.
        out : path
            The folder of the results.
        format : str
            "parquet", "webdataset", "zarr", "npy", "png", "jpeg" or "jsonl".
        shard : (int, int), optional
            Index and count: only this of several shards.
        target_column : str, optional
            The column, or the ending of a shard's members, that says what each photograph is explained for.
        **parameters
            Those of the method, with ``_`` for ``-``.

        Returns
        -------
        dict of int
            "rows" of this job, "done" there now, "before" there before, "failed" with a reason.

        Raises
        ------
        ValueError
            If the folder holds the results of another job.
        """
        several = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
        settings = {
            "inputs": [os.fspath(own) for own in several], "out": os.fspath(out), "format": format, "rows_per_file": rows_per_file,
            "shard": shard, "limit": limit, "sample": sample, "fail_fast": fail_fast, "column": column, "target_column": target_column,
            "root": None if root is None else os.fspath(root), "threads": threads, "target": target, "crop": crop, "top": top,
            "method": method or ("default" if task == "localise" else "gradient"),
        }
        given = {name.replace("_", "-"): as_parameter(value) for name, value in parameters.items() if value is not None}
        return self._native.batch(task, settings, given, [] if layer is None else [layer])

    def exemplars(
        self,
        inputs: Any,
        out: str | os.PathLike[str],
        *,
        layers: str | Iterable[str] | None = None,
        top: int = 16,
        crop: str | None = None,
        limit: int | None = None,
        sample: int | None = None,
        column: str | None = None,
        root: str | os.PathLike[str] | None = None,
        threads: int = 0,
    ) -> Exemplars:
        """Finds the photographs that excite each unit most: what `deepinside exemplars` does. What was stopped goes on when it is called
        again, and what is done is only opened.

        Parameters
        ----------
        inputs : path or list of paths
            As in :meth:`batch`.
        out : path
            The folder of what is found.
        layers : str or list of str, optional
            Names of layers; without one, all that :meth:`layers` shows.
        top : int
            How many photographs are kept for each unit.

        Returns
        -------
        Exemplars

        Raises
        ------
        ValueError
            If there is no such layer, or the folder holds what another job found.
        """
        settings = {
            "top": top, "crop": crop, "limit": limit, "sample": sample, "column": column, "root": root, "threads": threads,
        }
        return find_exemplars(self._native, inputs, out, layers, settings)

    def metric(
        self, name: str, image: Any, target: Any, attribution: Any, method: str = "gradient",
        method_parameters: dict[str, Any] | None = None, **parameters: Any,
    ) -> dict[str, Any]:
        """Measures an attribution by a metric of :func:`deepinside.metrics`, which also names each metric's paper.

        Parameters
        ----------
        name : str
            The metric's.
        image : path, bytes, PIL image or array
        target : int or str
            What the attribution explains.
        attribution : Attribution or array
            Of the input's shape, or one number a pixel.
        method, method_parameters : str, dict
            How the attribution was made, for metrics that make another.
        **parameters
            Those of the metric.

        Returns
        -------
        dict
            "value", "curve" where there is one, and what else the metric says.

        Raises
        ------
        ValueError
            If there is no such metric, or the attribution has another shape.
        """
        array = self.prepare(image)
        given = {own.replace("_", "-"): as_parameter(value) for own, value in parameters.items()}
        chosen = {own.replace("_", "-"): as_parameter(value) for own, value in (method_parameters or {}).items()}
        map_ = np.ascontiguousarray(np.asarray(attribution), dtype=np.float32)
        value, curve, details = self._native.measure(name, array, self._target(target, array), map_, given, method, chosen)
        return {"value": value, **({} if curve is None else {"curve": curve}), **details}

    def _target(self, target: Any, array: np.ndarray | None) -> str:
        if target is None and array is not None:
            scores, _ = self._native.scores(array)
            return str(int(np.argmax(scores)))
        if isinstance(target, str):
            return target
        if target is None:
            raise ValueError("a target is needed here: a class by its index or name")
        index = int(target)
        if index < 0 or index >= self._native.class_count:
            raise ValueError(f"class {index} does not exist: the network has {self._native.class_count} classes")
        return str(index)

    def _shown(self, read: np.ndarray) -> Callable[[], np.ndarray]:
        """Makes the pixels of what the network read when they are asked for."""

        def pixels() -> np.ndarray:
            height, width, rgb = self._native.shown(read)
            return np.frombuffer(bytes(rgb), dtype=np.uint8).reshape(height, width, 3)

        return pixels

    def __repr__(self) -> str:
        return repr(self._native)
