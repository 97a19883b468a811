"""The notebooks of `examples/` run from the first cell to the last, and show what they promise. Needs nbclient, ipykernel and matplotlib."""

import json
import os
from pathlib import Path

import pytest

import deepinside

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def test_notebooks_are_kept_without_results():
    assert len(NOTEBOOKS) == 3
    for path in NOTEBOOKS:
        assert path.stat().st_size < 20_000
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            assert cell.get("outputs", []) == [] and cell.get("execution_count") is None, path


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, monkeypatch):
    for needed in ("nbformat", "ipykernel", "matplotlib"):
        pytest.importorskip(needed)
    nbclient = pytest.importorskip("nbclient")
    import nbformat

    # The kernel finds the package that is tested here.
    folder = str(Path(deepinside.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(EXAMPLES)}}).execute()
    pictures = 0
    for cell in notebook.cells:
        found = [output.get("data", {}) for output in cell.get("outputs", [])]
        if "plt.show()" in cell.source:
            assert any("image/png" in data for data in found), cell.source
        pictures += sum("image/png" in data for data in found)
        errors = [output for output in cell.get("outputs", []) if output.output_type == "stream" and output.name == "stderr"]
        assert errors == [], errors
    assert pictures >= 1
    if kept := os.environ.get("DEEPINSIDE_NOTEBOOKS"):
        nbformat.write(notebook, Path(kept) / path.name)
