"""Holds `Model.exemplars` against brute force: the activations of all units of an ONNX file's layers in every photograph, sorted by NumPy.

    python3 benches/peers/exemplars.py NETWORK.onnx PHOTOGRAPHS [--count 500] [--top 16]

Needs deepinside, NumPy, onnx and onnxruntime. Photographs, order, values, positions and numbers of each unit are compared with those of
our own activations, which must be equal, and the activations with ONNX Runtime's, which may differ by rounding.
"""

import argparse
import pathlib
import shutil
import tempfile

import deepinside
import numpy as np
import onnx
import onnxruntime


def with_all_values(path, names):
    """An ONNX Runtime session that gives these values."""
    model = onnx.load(path)
    kept = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in kept)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def largest(activations, units):
    """The largest number of each unit, and where it is among the unit's positions."""
    rows = activations.reshape(units, -1)
    return rows.max(1), rows.argmax(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network", type=pathlib.Path)
    parser.add_argument("photographs", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--top", type=int, default=16)
    options = parser.parse_args()
    model = deepinside.Model(options.network)
    with tempfile.TemporaryDirectory() as folder:
        chosen = pathlib.Path(folder) / "photographs"
        chosen.mkdir()
        for path in sorted(options.photographs.iterdir())[: options.count]:
            shutil.copy(path, chosen)
        found = model.exemplars(chosen, pathlib.Path(folder) / "out", top=options.top)
        keys = sorted(str(path) for path in chosen.iterdir())
        assert found.photographs == len(keys) and not found.failed
        session = with_all_values(options.network, found.layers)
        maxima = {layer: np.empty((len(keys), units), np.float32) for layer, units in found.layers.items()}
        places = {layer: np.empty((len(keys), units), np.int64) for layer, units in found.layers.items()}
        shapes, furthest = {}, 0.0
        for row, key in enumerate(keys):
            array = model.prepare(key)
            ours = model.forward(array, list(found.layers))
            theirs = session.run(list(found.layers), {session.get_inputs()[0].name: array[None]})
            for (layer, units), other in zip(found.layers.items(), theirs):
                own = ours[layer]
                shapes[layer] = own.shape
                furthest = max(furthest, np.abs(own - other.reshape(own.shape)).max() / np.abs(other).max())
                maxima[layer][row], places[layer][row] = largest(own, units)
        compared = different = 0
        for layer, units in found.layers.items():
            width = shapes[layer][-1] if len(shapes[layer]) > 1 else 1
            # Of equal ones the first photograph: a stable sort of the negatives.
            order = np.argsort(-maxima[layer], axis=0, kind="stable")[: options.top]
            for index in range(units):
                unit, column = found.unit(layer, index), maxima[layer][:, index]
                expected = [(column[row], keys[row], divmod(int(places[layer][row, index]), width)) for row in order[:, index]]
                same = [(own.activation, own.photograph, tuple(own.position)) for own in unit.exemplars] == expected
                same &= unit.photographs == len(keys) and unit.active == (column > 0).sum() == sum(unit.histogram.values())
                same &= np.isclose(unit.mean, column.mean(dtype=np.float64), rtol=1e-6, atol=1e-6)
                compared, different = compared + 1, different + (not same)
    print(f"{len(keys)} photographs, {len(found.layers)} layers, {compared} units with {options.top} exemplars each: {different} differ from NumPy's")
    print(f"activations: at most {furthest:.1e} of a layer's largest from ONNX Runtime's")
    raise SystemExit(different > 0)


if __name__ == "__main__":
    main()
