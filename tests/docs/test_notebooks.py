"""The notebooks of the documentation: they run, and what is stored of them is fit for readers."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support import ROOT

import edge_cifar

FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
IDS = [path.stem for path in NOTEBOOKS]


def read(path: Path) -> Any:
    nbformat = pytest.importorskip("nbformat", reason="it reads notebooks")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def execute_module() -> ModuleType:
    pytest.importorskip("nbclient", reason="it runs notebooks")
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def jupyter_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Jupyter's own files go into a folder of the test."""
    (tmp_path / "home").mkdir()
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / "home" / name.lower()))
    # Notebooks import what is installed; this checkout may not be.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path / "home"


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_is_one() -> None:
    assert IDS == ["your-own-model"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_stored_outputs_are_of_one_whole_execution(path: Path) -> None:
    cells = code_cells(read(path))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output.output_type for cell in cells for output in cell.outputs}
    # No error, and nothing that a library printed.
    assert kinds <= {"execute_result", "display_data"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_no_path_of_a_machine_is_stored(path: Path) -> None:
    pattern = r"(?<![\w.<:/])/(?:tmp|var|home|root|Users|private|opt|mnt)\b[^\"\s]*"
    assert re.findall(pattern, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_functions_that_it_calls_are_public(path: Path) -> None:
    tree = ast.parse("\n".join(cell.source for cell in code_cells(read(path))))
    called = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ec"
    }
    assert {"export", "verify", "bench", "predict"} <= called <= set(edge_cifar.__all__)


def test_a_result_is_a_table_in_a_notebook_that_runs(tmp_path: Path, jupyter_home: Path) -> None:
    """The quick one: Jupyter finds what a result shows, and paths of the folder it runs in are left out."""
    nbformat = pytest.importorskip("nbformat", reason="it writes the notebook")
    notebook = nbformat.v4.new_notebook()
    source = "from pathlib import Path\nfrom edge_cifar.documents.run import Run\nRun(Path('half').resolve())"
    table = (
        "from edge_cifar.documents.verification import Verifications\n"
        "frame = Verifications().to_dataframe()\nassert 'variant' in frame\nVerifications()"
    )
    notebook.cells = [nbformat.v4.new_code_cell(source), nbformat.v4.new_code_cell(table)]
    nbformat.write(notebook, tmp_path / "small.ipynb")
    folder = tmp_path / "work"
    folder.mkdir()
    line, shown = (cell.outputs[0].data for cell in execute_module().executed(tmp_path / "small.ipynb", folder).cells)
    assert line == {"text/plain": "<Run half: not finished; half>"}
    assert shown["text/plain"] == "<Verifications no artifacts>"
    assert "<table><caption>no artifacts</caption>" in shown["text/html"]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_it_runs(path: Path, tmp_path: Path, jupyter_home: Path) -> None:
    for package in ("ai_edge_litert", "onnxruntime", "pandas", "tensorflow", "tf2onnx"):
        pytest.importorskip(package, reason="the notebook uses it")
    cells = code_cells(execute_module().executed(path, tmp_path))
    texts = [str(output.get("data", "")) for cell in cells for output in cell.outputs]
    (verified,) = [text for text in texts if "<Verifications " in text]
    assert re.search(r"<Verifications shapes: \d+ pass>", verified)
    assert any("<BenchReport shapes: 6 ok" in text for text in texts)
    assert any("image/png" in text for text in texts)
    assert any("<Prediction" in text and "triangle" in text for text in texts)
