"""notebooks/tour.ipynb: executed as a user would, and stored without a trace of any machine."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

import gan_cli
from tests.helpers.paths import ROOT

FILE = ROOT / "notebooks" / "tour.ipynb"
NOTEBOOK: dict[str, Any] = json.loads(FILE.read_text())
CODE = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
# Packages that a cell may import: those that gan_cli itself needs.
PACKAGES = {"gan_cli", "numpy", "PIL", "torch", "dataclasses"}
# Names in cells that hold a run.
RUNS = {"ring", "digits", "run", "stopped"}
SECONDS = 300


def test_cells_compile_and_use_public_names_alone() -> None:
    public = {name for name in dir(gan_cli) if not name.startswith("_")}
    of_runs = {name for name in dir(gan_cli.Run) if not name.startswith("_")}
    for cell in CODE:
        for node in ast.walk(ast.parse(cell)):
            if isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= PACKAGES
            if isinstance(node, ast.ImportFrom):
                assert node.module in PACKAGES - {"gan_cli"}
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                allowed = public if node.value.id == "gan_cli" else of_runs if node.value.id in RUNS else {node.attr}
                assert node.attr in allowed, ast.unparse(node)


def test_notebook_is_stored_without_outputs() -> None:
    for cell in NOTEBOOK["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
        assert cell["metadata"] == {}
    assert set(NOTEBOOK["metadata"]) == {"kernelspec", "language_info"}
    assert NOTEBOOK["metadata"]["language_info"] == {"name": "python"}
    assert re.findall(r"/(?:home|root|tmp|work|usr|Users)\b|[A-Z]:\\\\", FILE.read_text()) == []


@pytest.mark.slow
def test_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("GAN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(FILE, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources).execute()
    shown = {kind for cell in notebook.cells for output in cell.get("outputs", ()) for kind in output.get("data", ())}
    assert {"text/html", "image/png"} <= shown
    assert len(list((tmp_path / "outputs").glob("*/*/summary.json"))) == 5
