"""How a run's model does on each class: ``classification.json``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_cifar.documents.fields import Fields
from edge_cifar.evaluation.metrics import ClassScores
from edge_cifar.storage import files


@dataclass(frozen=True, kw_only=True)
class ClassReport:
    """Scores of each class and the confusion matrix, on the test images; empty where a run kept none.

    Attributes:
        labels: class names.
        per_class: one entry a class.
        confusion: images by true class (rows) and by predicted class.
    """

    labels: tuple[str, ...] = ()
    per_class: tuple[ClassScores, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The attributes by their names."""
        return {
            "labels": list(self.labels),
            "per_class": [asdict(scores) for scores in self.per_class],
            "confusion": list(map(list, self.confusion)),
        }

    @classmethod
    def from_json(cls, document: Any, file: str) -> ClassReport:
        """Read what :meth:`to_json` writes.

        Args:
            document: the parsed JSON.
            file: what to call the file in an error.

        Raises:
            BundleError: a value is missing or has another type.
        """
        fields = Fields(document, file)
        labels, confusion = fields.texts("labels"), fields.matrix("confusion")
        if confusion and len(confusion) != len(labels):
            raise fields.refuse("confusion", f"a matrix of {len(labels)} × {len(labels)} counts")
        return cls(labels=labels, per_class=tuple(map(_scores, fields.children("per_class"))), confusion=confusion)

    @classmethod
    def read(cls, path: Path) -> ClassReport:
        """Read a file.

        Raises:
            BundleError: it is missing, is no JSON, or no class report.
        """
        return cls.from_json(files.read_json(path, "class report"), str(path))

    def write(self, path: Path) -> None:
        """Write a file, whole."""
        files.write_json(path, self.to_json())


def _scores(fields: Fields) -> ClassScores:
    return ClassScores(
        label=fields.required_text("label"),
        precision=fields.required_number("precision"),
        recall=fields.required_number("recall"),
        f1=fields.required_number("f1"),
        images=fields.required_whole("images"),
    )
