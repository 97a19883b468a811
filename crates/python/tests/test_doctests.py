"""The examples in the package's docstrings."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import deepinside

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
# Those that need another framework to be imported.
FOREIGN = {"ray", "torch", "__main__"}
MODULES = sorted({module.name for module in pkgutil.iter_modules(deepinside.__path__)} - FOREIGN - {"_native"})


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    module = importlib.import_module("deepinside._model")
    assert sum(bool(test.examples) for test in finder.find(module)) >= 5


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name, monkeypatch):
    monkeypatch.chdir(EXAMPLES)
    module = importlib.import_module(f"deepinside.{name}")
    names = {"deepinside": deepinside, "model": deepinside.builtin()}
    failed, _ = doctest.testmod(module, extraglobs=names, optionflags=doctest.ELLIPSIS)
    assert failed == 0
