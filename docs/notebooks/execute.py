"""Runs the notebooks of this folder; from the command line, it also stores their outputs.

python docs/notebooks/execute.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

_SECONDS = 1800


def executed(path: Path, folder: Path) -> Any:
    """A notebook as it is after all of its cells have run.

    Args:
        path: the notebook's file, which is only read.
        folder: where it runs, and writes what it writes. Outputs have paths below it without it.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        # When each cell ran would be another difference at every execution.
        record_timing=False,
    )
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            # What libraries say of the machine, such as TensorFlow of its missing GPU, is no output of the cell.
            kept = [output for output in cell.outputs if output.get("name") != "stderr"]
            cell.outputs = [_without(output, f"{folder.resolve()}/") for output in kept]
    # The interpreter's version says nothing about the notebook.
    notebook.metadata.language_info.pop("version", None)
    return notebook


def _without(value: Any, prefix: str) -> Any:
    """An output with a prefix removed from its texts."""
    if isinstance(value, str):
        return value.replace(prefix, "")
    if isinstance(value, dict):
        return type(value)({key: _without(one, prefix) for key, one in value.items()})
    return [_without(one, prefix) for one in value] if isinstance(value, list) else value


if __name__ == "__main__":
    for found in sorted(Path(__file__).parent.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as scratch:
            nbformat.write(executed(found, Path(scratch)), found)
