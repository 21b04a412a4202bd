"""Write a comparison's results as JSON: the numbers, their origin, and the table shown in the documents."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_cifar import machine
from edge_cifar.documents.provenance import Provenance
from edge_cifar.storage import files

PACKAGES = ("edge-cifar", "numpy", "keras", "tensorflow", "ai-edge-litert", "onnxruntime")


def write(
    output: Path,
    results: Sequence[dict[str, Any]],
    *,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    data: dict[str, Any] | None = None,
) -> None:
    """Write a comparison's JSON atomically.

    Args:
        output: the file.
        results: the figures.
        columns: headings of the table.
        rows: its cells.
        data: name, checksum and number of the images, where images matter.
    """
    document = {
        "schema": 1,
        **Provenance.now(*PACKAGES).to_json(),
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "machine": machine.facts(),
        "data": data or {},
        "results": list(results),
        "comparison": {"columns": list(columns), "rows": [list(row) for row in rows]},
    }
    files.write_json(output, document)
    print(f"written: {output}")
