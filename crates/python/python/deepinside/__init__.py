"""Look inside trained image networks.

    import deepinside

    model = deepinside.Model("resnet50.onnx")        # or "deploy.prototxt" with weights=, or deepinside.builtin()
    model.classify("cat.jpg")
    model.explain("cat.jpg", method="integrated-gradients", target="tabby").save("cat.png")

Every method of :func:`methods` explains a *target*: a class, its probability, a difference of classes, or any value of the network
(``"map[15,:,:]"``). Arrays are NumPy's; nothing else is needed.
"""

from ._exemplars import Exemplar, Exemplars, Unit
from ._model import Model
from ._native import UnsupportedOperator, methods, metrics
from ._openers import builtin, from_keras, from_timm, from_torch
from ._page import Page
from ._results import Attribution, ClassModel, ClassModelFrame, Layer, Localisation, Prediction

__all__ = [
    "Attribution", "ClassModel", "ClassModelFrame", "Exemplar", "Exemplars", "Layer", "Localisation", "Model", "Page", "Prediction", "Unit",
    "UnsupportedOperator", "builtin", "from_keras", "from_timm", "from_torch", "methods", "metrics",
]
