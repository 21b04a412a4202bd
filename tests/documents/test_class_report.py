"""``classification.json``: every one in the repository is written again as it was, and a broken one is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_cifar.documents.class_report import ClassReport
from edge_cifar.errors import BundleError

FILES = sorted((Path(__file__).resolve().parents[2] / "models").glob("*/classification.json"))
SCORES = {"label": "a", "precision": 0.5, "recall": 0.5, "f1": 0.5, "images": 2}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_every_class_report_in_the_repository_is_written_again_as_it_was(path: Path, tmp_path: Path) -> None:
    report = ClassReport.read(path)
    assert len(report.per_class) == len(report.labels) == len(report.confusion)
    report.write(tmp_path / path.name)
    assert (tmp_path / path.name).read_text(encoding="utf-8") == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"confusion": [[1, 2]]}, "confusion is .*, not a square of counts"),
        ({"confusion": [[1, 0], [0, 1]]}, "confusion is .*, not a matrix of 1 × 1 counts"),
        ({"per_class": [{**SCORES, "f1": "high"}]}, r"per_class\[0\].f1 is 'high', not a finite number"),
    ],
)
def test_a_broken_class_report_is_named(changes: dict[str, Any], said: str) -> None:
    document = json.loads(json.dumps({"labels": ["a"], "per_class": [SCORES], "confusion": [[2]], **changes}))
    with pytest.raises(BundleError, match=said):
        ClassReport.from_json(document, "classification.json")
