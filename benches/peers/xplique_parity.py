"""Compares `deepinside.xplique` with Xplique itself: one small network of the same weights as a Keras model and as an ONNX file.

    python3 benches/peers/xplique_parity.py

Needs deepinside, xplique, tensorflow, onnx. Prints a table in Markdown: the relative L2 distance of each explanation, and for methods of random
samples the correlation. Ends with 1 where one is further away than single precision explains.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import onnx
import tensorflow as tf
import xplique
import xplique.attributions
from onnx import TensorProto, helper, numpy_helper

import deepinside
import deepinside.xplique

SIZE, CLASSES = 18, 5


def networks():
    """Two convolutions with rectifiers, maxima, and a product: by Keras, N × H × W × C, and by ONNX."""
    random = np.random.default_rng(0)
    first, last = (random.normal(size=shape).astype(np.float32) / scale for shape, scale in [((8, 3, 3, 3), 5), ((12, 8, 3, 3), 8)])
    biases = [0.1 * random.normal(size=count).astype(np.float32) for count in (8, 12)]
    head = random.normal(size=(CLASSES, 12)).astype(np.float32)
    layers = tf.keras.layers
    x = tf.keras.Input((SIZE, SIZE, 3))
    y = layers.Conv2D(8, 3, padding="same", name="first")(x)
    y = layers.MaxPooling2D(2)(layers.ReLU()(y))
    y = layers.Conv2D(12, 3, padding="same", activation="relu", name="last")(y)
    y = layers.Dense(CLASSES, use_bias=False, name="head")(layers.GlobalAveragePooling2D()(y))
    model = tf.keras.Model(x, y)
    for name, weights, bias in [("first", first, biases[0]), ("last", last, biases[1])]:
        model.get_layer(name).set_weights([weights.transpose(2, 3, 1, 0), bias])
    model.get_layer("head").set_weights([head.T])
    given = {"w1": first, "b1": biases[0], "w2": last, "b2": biases[1], "w3": head}
    node, same = helper.make_node, {"pads": [1, 1, 1, 1]}
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["c1"], **same), node("Relu", ["c1"], ["r1"]),
        node("MaxPool", ["r1"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["p", "w2", "b2"], ["c2"], **same), node("Relu", ["c2"], ["last"]),
        node("GlobalAveragePool", ["last"], ["g"]), node("Flatten", ["g"], ["f"]), node("Gemm", ["f", "w3"], ["s"], transB=1),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "small", [value("x", TensorProto.FLOAT, [1, 3, SIZE, SIZE])], [value("s", TensorProto.FLOAT, [1, CLASSES])],
        [numpy_helper.from_array(array, name) for name, array in given.items()],
    )
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model, deepinside.Model.from_bytes(file.SerializeToString())


#: Class, its arguments, and those that differ between the libraries: the layer's name.
CASES = [
    ("Saliency", {}), ("Saliency", {"reducer": "mean"}), ("GradientInput", {}), ("GuidedBackprop", {}), ("DeconvNet", {}),
    ("IntegratedGradients", {"steps": 20}), ("IntegratedGradients", {"steps": 20, "baseline_value": 0.5}), ("GradCAM", {"conv_layer": "last"}),
    ("Occlusion", {"patch_size": 3, "patch_stride": 3}), ("Occlusion", {"patch_size": 4, "patch_stride": 4, "occlusion_value": 0.5}),
    ("SmoothGrad", {"nb_samples": 800, "noise": 0.3}), ("SquareGrad", {"nb_samples": 800, "noise": 0.3}),
    ("VarGrad", {"nb_samples": 800, "noise": 0.3}), ("Rise", {"nb_samples": 4000, "grid_size": 6}),
]
RANDOM = {"SmoothGrad", "SquareGrad", "VarGrad", "Rise"}


def main():
    keras, model = networks()
    inputs = np.random.default_rng(1).normal(size=(2, SIZE, SIZE, 3)).astype(np.float32)
    targets = np.eye(CLASSES, dtype=np.float32)[[1, 3]]
    print(f"Xplique {xplique.__version__}, TensorFlow {tf.__version__}.\n")
    print("| class | settings | distance | correlation | |\n|---|---|---|---|---|")
    failed = 0
    for name, settings in CASES:
        found = []
        for library, own in ((xplique.attributions, keras), (deepinside.xplique, model)):
            explained = getattr(library, name)(own, **settings)(tf.constant(inputs), tf.constant(targets))
            found.append(np.asarray(explained, np.float64).reshape(2, SIZE, SIZE, -1))
        theirs, ours = found
        distance = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
        correlation = np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]
        is_near = correlation > 0.95 if name in RANDOM else distance < 2e-5
        failed += not is_near
        words = ", ".join(f"`{key}={value}`" for key, value in settings.items())
        print(f"| `{name}` | {words} | {distance:.1e} | {correlation:.4f} | {'same' if is_near else 'DIFFERS'} |", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
