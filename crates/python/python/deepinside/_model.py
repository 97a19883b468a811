"""Models and what they answer."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Iterable, Sequence

import numpy as np

from . import _native
from ._images import photograph, prepare, split
from ._results import Attribution, ClassModel, Layer, Localisation, Prediction


def _array(value: Any) -> Any:
    """Arrays among parameters as float32; other values as they are."""
    if isinstance(value, dict):
        return {name: _array(own) for name, own in value.items()}
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray) and value.ndim:
        return np.ascontiguousarray(value, dtype=np.float32)
    if isinstance(value, (list, tuple)):
        return ",".join(str(own) for own in value)
    return value


class Model:
    """A trained image network: an ONNX file, a Caffe .prototxt with ``weights``, or a folder with a model.toml.

    weights : the .caffemodel
    labels : a file of class names, or "ilsvrc2012"
    score : the value that holds the class scores, where it cannot be found
    input_size : (height, width) of the network's input, where it can change
    threads : 0 for one per core; it never changes a result
    """

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
    def from_bytes(cls, network: bytes, name: str = "network", **settings: Any) -> Model:
        """Opens an ONNX network that lies in memory."""
        return cls._of(None, bytes(network), name, settings)

    @classmethod
    def _of(cls, path: str | None, network: bytes | None, name: str, settings: dict[str, Any]) -> Model:
        self = cls.__new__(cls)
        known = {"weights": None, "labels": None, "score": None, "size": settings.pop("input_size", None), "threads": 0}
        if unknown := set(settings) - set(known):
            raise TypeError(f"no setting is called {', '.join(sorted(unknown))}")
        self._opening = {**known, **settings}
        self._path, self._network, self._name = path, network, name
        self._open()
        return self

    def _open(self) -> None:
        if self._network is not None:
            self._native = _native.NativeModel.from_bytes(self._network, self._name, self._opening)
        elif self._path is not None:
            self._native = _native.NativeModel.open(self._path, self._opening)
        else:
            self._native = _native.NativeModel.builtin(self._opening)

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

        image : a path, a file's bytes, a PIL image, uint8 of height × width × channels, or float of C × H × W, taken as it is
        crop : "centre", "whole", … ; the model's own by default
        """
        return prepare(self._native, image, crop)

    def classify(self, images: Any, top: int = 5) -> Any:
        """The most probable classes: a list of :class:`Prediction`, or for a batch a list of such lists."""
        each, is_batch = split(images)
        found = []
        for image in each:
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
        **parameters: Any,
    ) -> Any:
        """Explains a target by a method: an :class:`Attribution`, or a list of them for a batch or several layers.

        method : a name of :func:`deepinside.methods`
        target : a class index or name, a text such as "p(281)", "281 - 282" or "map[15,:,:]", or a list with one for each image; the
            most probable class by default
        layer : the layer that class activation maps look at, or several
        arrays : arrays that the target names, as in "cos(embedding, reference)"
        parameters : those of the method, with ``_`` for ``-``
        """
        each, is_batch = split(images)
        targets = list(target) if isinstance(target, (list, tuple, np.ndarray)) or (hasattr(target, "tolist") and bool(getattr(target, "ndim", 0))) else [target] * len(each)
        if len(targets) != len(each):
            raise ValueError(f"there are {len(each)} images and {len(targets)} targets")
        layers = [layer] if isinstance(layer, str) else list(layer or [])
        given = {name.replace("_", "-"): _array(value) for name, value in parameters.items() if value is not None}
        known = {name: _array(value) for name, value in (arrays or {}).items()}
        found: list[Any] = []
        for image, own in zip(each, targets):
            seen = photograph(self._native, image)
            array = prepare(self._native, image) if seen is None else self._native.prepare(seen, crop)
            # The class is what the model says of its own crop, whichever crop is explained.
            chooses = array if own is not None or seen is None or crop is None else self._native.prepare(seen, None)
            own = self._target(own, chooses)
            number, text, results = self._native.attribute(array, method, own, known, given, layers)
            about: dict[str, Any] = {
                "method": method,
                "target": text,
                "number": number,
                "pixels": self._pixels(array),
                "frame": None if seen is None else self._native.frame(seen, crop),
                "record": self._record(method, text, given, layers, crop),
            }
            attributions = [Attribution(**about, **result) for result in results]
            found.append(attributions if len(layers) > 1 else attributions[0])
        return found if is_batch else found[0]

    def _record(self, method: str, target: str, given: dict[str, Any], layers: list[str], crop: str | None) -> dict[str, Any]:
        plain = {name: value if isinstance(value, (bool, int, float, str)) else "array" for name, value in given.items()}
        file = {"path": self._path, "sha256": self._known_hash()}
        return {"model": self.name, **file, "method": method, "parameters": plain, "layers": layers, "crop": crop, "target": target}

    def localise(
        self, images: Any, target: int | str | Sequence[int | str] | None = None, *, top: int = 1, method: str = "default"
    ) -> Any:
        """Finds objects from saliency alone (Simonyan, Vedaldi, Zisserman 2013, §3.2): a list of :class:`Localisation`, one for each
        class, or for a batch a list of such lists.

        target : a class by index or name, or several; the ``top`` most probable ones by default
        method : "default", "paper", or another name that ``deepinside localise --help`` shows
        """
        asked = [] if target is None else [target] if isinstance(target, (int, str, np.integer)) else list(target)
        classes = [self._native.find_class(own) if isinstance(own, str) else int(self._target(own, None)) for own in asked]
        each, is_batch = split(images)
        found = []
        for image in each:
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

        target : a class by index or name; the most probable one by default
        values : names of values; by default all that lead to the scores
        rule : what rectifiers do on the way back: "gradient", "deconvnet", "guided" or "smooth"
        """
        names = [] if values is None else [values] if isinstance(values, str) else list(values)
        index = None if target is None else self._native.find_class(target) if isinstance(target, str) else int(self._target(target, None))
        _, found = self._native.layers(self.prepare(image), index, rule, names)
        return {name: Layer(name, activation, gradient) for name, (activation, gradient) in found.items()}

    def class_model(
        self, target: int | str, recipe: str = "transfer", *, seed: int = 0, every: int = 1, **numbers: float | str | bool
    ) -> ClassModel:
        """Grows a picture that maximises a class score (Simonyan, Vedaldi, Zisserman 2013, §2): a :class:`ClassModel`, whose frames
        come one after every ``every`` steps while it is iterated over, and whose ``last()`` is the finished picture.

        recipe : "transfer", "lucid", "yosinski", "paper" or "original"
        numbers : fields of the recipe: ``iterations=64``, ``learning_rate=0.05``
        """
        index = self._native.find_class(target) if isinstance(target, str) else int(self._target(target, None))
        return ClassModel(_native.grow(self._native, index, recipe, numbers, seed, every))

    def saliency(self, images: Any, target: Any = None, **settings: Any) -> Any:
        """The gradient of the target with respect to the input (Simonyan, Vedaldi, Zisserman 2013, §3.1)."""
        return self.explain(images, "gradient", target, **settings)

    def forward(self, image: Any, values: str | Iterable[str]) -> dict[str, np.ndarray]:
        """Activations of values, without the batch axis."""
        names = [values] if isinstance(values, str) else list(values)
        return self._native.forward(self.prepare(image), names)

    def backward(
        self, image: Any, target: Any = None, values: str | Iterable[str] | None = None, arrays: dict[str, Any] | None = None
    ) -> dict[str, np.ndarray]:
        """Gradients of a target with respect to values, the input by default."""
        array = self.prepare(image)
        names = [self._native.ends[0]] if values is None else [values] if isinstance(values, str) else list(values)
        known = {name: _array(value) for name, value in (arrays or {}).items()}
        return self._native.backward(array, self._target(target, array), known, names)[1]

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

        task : "explain", "localise", "classify" or "activations"
        inputs : photographs, folders, lists (.txt, .csv, .tsv), WebDataset shards (.tar) or Parquet files; one or several
        out : the folder of the results
        format : "parquet", "webdataset", "npy", "png", "jpeg" or "jsonl"
        shard : (index, count): only this of several shards
        target_column : the column, or the ending of a shard's members, that says what each photograph is explained for
        parameters : those of the method, with ``_`` for ``-``

        Returns the numbers of rows: {"rows": of this job, "done": there now, "before": there before, "failed": with a reason}.
        """
        several = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
        settings = {
            "inputs": [os.fspath(own) for own in several], "out": os.fspath(out), "format": format, "rows_per_file": rows_per_file,
            "shard": shard, "limit": limit, "sample": sample, "fail_fast": fail_fast, "column": column, "target_column": target_column,
            "root": None if root is None else os.fspath(root), "threads": threads, "target": target, "crop": crop, "top": top,
            "method": method or ("default" if task == "localise" else "gradient"),
        }
        given = {name.replace("_", "-"): _array(value) for name, value in parameters.items() if value is not None}
        return self._native.batch(task, settings, given, [] if layer is None else [layer])

    def metric(
        self, name: str, image: Any, target: Any, attribution: Any, method: str = "gradient",
        method_parameters: dict[str, Any] | None = None, **parameters: Any,
    ) -> dict[str, Any]:
        """Measures an attribution by a metric of :func:`deepinside.metrics`: {"value": …, "curve": …, …}."""
        array = self.prepare(image)
        given = {own.replace("_", "-"): _array(value) for own, value in parameters.items()}
        chosen = {own.replace("_", "-"): _array(value) for own, value in (method_parameters or {}).items()}
        map_ = np.ascontiguousarray(np.asarray(attribution), dtype=np.float32)
        value, curve, details = self._native.measure(name, array, self._target(target, array), map_, given, method, chosen)
        return {"value": value, **({} if curve is None else {"curve": curve}), **details}

    def _target(self, target: Any, array: np.ndarray | None) -> str:
        if target is None and array is not None:
            scores, _ = self._native.scores(array)
            return str(int(np.argmax(scores)))
        if isinstance(target, str):
            return target
        index = int(target)
        if index < 0 or index >= self._native.class_count:
            raise ValueError(f"class {index} does not exist: the network has {self._native.class_count} classes")
        return str(index)

    def _pixels(self, array: np.ndarray) -> np.ndarray:
        height, width, rgb = self._native.shown(array)
        return np.frombuffer(bytes(rgb), dtype=np.uint8).reshape(height, width, 3)

    def __repr__(self) -> str:
        return repr(self._native)


def builtin(**settings: Any) -> Model:
    """The network that is built in: EfficientNet-Lite0, trained on ImageNet."""
    return Model._of(None, None, "built-in", settings)


def from_torch(module: Any, example: Any, *, opset: int = 17, **settings: Any) -> Model:
    """A PyTorch module, exported in memory; ``example`` is an input of N × C × H × W. Its scores are what it returns, as it is."""
    try:
        import torch
    except ImportError as error:
        raise ImportError("from_torch needs PyTorch: pip install torch onnx") from error
    import io

    was_training = module.training
    module.eval()
    buffer = io.BytesIO()
    try:
        with torch.no_grad():
            torch.onnx.export(module, (example[:1],), buffer, opset_version=opset, dynamo=False, input_names=["input"], output_names=["scores"])
    finally:
        module.train(was_training)
    # What the module returns is what its users differentiate, also where a rectifier or softmax stands before it.
    settings.setdefault("score", "scores")
    return Model.from_bytes(buffer.getvalue(), type(module).__name__, **settings)


def from_timm(name_or_module: Any, **settings: Any) -> Model:
    """A timm model, by its name (with its trained weights) or as a module. Inputs are given as the model reads them."""
    try:
        import timm
        import torch
    except ImportError as error:
        raise ImportError("from_timm needs timm: pip install timm onnx") from error
    module = timm.create_model(name_or_module, pretrained=True) if isinstance(name_or_module, str) else name_or_module
    size = timm.data.resolve_model_data_config(module)["input_size"]
    return from_torch(module, torch.zeros(1, *size), **settings)


def from_keras(model: Any, **settings: Any) -> Model:
    """A Keras model, by Keras' own ONNX export."""
    import tempfile

    if not hasattr(model, "export"):
        raise TypeError("from_keras takes a Keras 3 model, which can be exported")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        model.export(path, format="onnx", verbose=False)
        return Model.from_bytes(Path(path).read_bytes(), getattr(model, "name", "keras"), **settings)
