"""``runs diff``: two trainings side by side, by their records and by what they answered to the same images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge_cifar.documents.accuracy import drop_to_json
from edge_cifar.documents.predictions import Predictions
from edge_cifar.documents.run import Run
from edge_cifar.documents.run_record import RunRecord
from edge_cifar.errors import RunError, UsageError
from edge_cifar.evaluation.paired import PairedDrop, paired

# Of a machine, what stays the same from one training to the next.
_MACHINE = ("cpu_model", "architecture", "physical_cores", "memory_bytes", "os", "python")
# Other words for the same, or too long to stand side by side.
_NOT_COMPARED = ("kind", "schema", "history", "command", "model")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two records side by side.

    Attributes:
        first, second: the runs.
        fields: by name, such as ``recipe.batch_size``, what each record says; None where it says nothing.
        drop: accuracy that the second lost on the same test images; None where they had other ones.
    """

    first: Run
    second: Run
    fields: Mapping[str, tuple[Any, Any]]
    drop: PairedDrop | None

    def document(self) -> dict[str, Any]:
        """As JSON-safe values."""
        return {
            "runs": [str(self.first.path), str(self.second.path)],
            "differences": {name: list(both) for name, both in self.differing.items()},
            "drop": drop_to_json(self.drop) if self.drop else None,
        }

    @property
    def differing(self) -> dict[str, tuple[Any, Any]]:
        """The fields in which they differ."""
        return {name: both for name, both in self.fields.items() if both[0] != both[1]}


def compare(first: Run, second: Run) -> Comparison:
    """Put two runs' records side by side.

    Raises:
        UsageError: they are one run.
        RunError: one is not finished, or its record is damaged.
    """
    if first.path.resolve() == second.path.resolve():
        raise UsageError(f"{first.path} and {second.path} are the same run")
    one, other = (Run.open(run.path).record() for run in (first, second))
    flat = [dict(_flat(_comparable(record))) for record in (one, other)]
    names = dict.fromkeys(name for fields in flat for name in fields)
    same_images = one.data.checksum is not None and one.data.checksum == other.data.checksum
    return Comparison(
        first=first,
        second=second,
        fields={name: (flat[0].get(name), flat[1].get(name)) for name in names},
        drop=_drop(first, second) if same_images else None,
    )


def _comparable(record: RunRecord) -> dict[str, Any]:
    document = {name: value for name, value in record.to_json().items() if name not in _NOT_COMPARED}
    machine = document.get("machine")
    if isinstance(machine, dict):
        document["machine"] = {name: machine[name] for name in _MACHINE if name in machine}
    return document


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf by its path; lists of plain values are leaves."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _flat(one, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for place, one in enumerate(value):
            yield from _flat(one, f"{name}[{place}]")
    else:
        yield name, value


def _drop(first: Run, second: Run) -> PairedDrop | None:
    try:
        one, other = (Predictions.read(run.predictions_path) for run in (first, second))
    except RunError:
        return None
    if one.labels.shape != other.labels.shape or (one.labels != other.labels).any():
        return None
    return paired(one.right, other.right)
