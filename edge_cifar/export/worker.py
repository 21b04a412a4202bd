"""The process that converts: ``python -m edge_cifar.export.worker``.

It is given one task (:mod:`edge_cifar.processes.request_loop`), converts one variant after another, and answers
once for each. What the variants share is made once. Converters are native code that may crash or
exhaust memory: that ends this process, not the export.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from edge_cifar import conversion_cache, formats
from edge_cifar.converters import Calibration
from edge_cifar.documents.accuracy import variant_from_json
from edge_cifar.documents.conversion_record import ConversionRecord
from edge_cifar.documents.fields import Fields
from edge_cifar.errors import ConversionError
from edge_cifar.export import source_model
from edge_cifar.export.conversion import LoadedModel, converter_options
from edge_cifar.export.options import ExportOptions
from edge_cifar.processes import request_loop
from edge_cifar.processes.memory import peak_bytes
from edge_cifar.processes.request_loop import Answer, Message
from edge_cifar.storage import archives, files
from edge_cifar.variant import Variant


@dataclass(frozen=True, kw_only=True)
class Task:
    """Variants of one format that start from the same model.

    Attributes:
        format: the converter's name.
        precisions: what to write, in this order.
        model: the file to convert.
        folder: where the artifacts are to appear, each named by its variant.
        labels: class names.
        calibration: a file that :func:`write_calibration` wrote.
        options: what was asked of the export.
        metadata: by precision, what the artifact itself is to hold beside the labels.
        trained: a flatbuffer that quantization-aware training left; None for other models.
    """

    format: str
    precisions: tuple[str, ...]
    model: str
    folder: str
    labels: tuple[str, ...]
    calibration: str
    options: ExportOptions
    metadata: Mapping[str, Mapping[str, str]]
    trained: str | None = None

    def to_json(self) -> Message:
        """The task as a worker is sent it."""
        return asdict(self)

    @classmethod
    def from_json(cls, request: Message) -> Task:
        """Read what :meth:`to_json` made, as JSON hands it on: with lists for tuples."""
        fields = dict(request)
        options = ExportOptions(**_with_tuples(fields.pop("options")))
        return cls(**_with_tuples(fields), options=options)


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What became of one variant in its worker.

    Attributes:
        variant: which.
        record: what its converter told; None when it was not written.
        reason: why it was not written; None when it was.
        seconds: that the conversion took.
        peak_bytes: the largest memory its process had held by then; 0 when that is not known.
    """

    variant: Variant
    record: ConversionRecord | None = None
    reason: str | None = None
    seconds: float = 0.0
    peak_bytes: int = 0

    def to_json(self) -> Message:
        """The conversion as a worker answers it."""
        return {
            "variant": str(self.variant),
            "record": self.record.to_json() if self.record else None,
            "reason": self.reason,
            "seconds": self.seconds,
            "peak_bytes": self.peak_bytes,
        }

    @classmethod
    def from_json(cls, answer: Message) -> Conversion:
        """Read what :meth:`to_json` made."""
        fields = Fields(answer, "the worker's answer")
        return cls(
            variant=variant_from_json(fields, "variant"),
            record=fields.optional("record", ConversionRecord.from_json),
            reason=fields.text("reason"),
            seconds=fields.required_number("seconds"),
            peak_bytes=fields.required_whole("peak_bytes"),
        )


def _with_tuples(fields: Message) -> Message:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write calibration images for the workers."""
    # So that the message for a full disk names the temporary files.
    with files.atomic_write(path) as partial:
        np.savez(
            partial,
            images=calibration.images,
            indices=calibration.indices,
            seed=calibration.seed,
            method=calibration.method,
        )


def _read_calibration(path: str) -> Calibration:
    with archives.opened(Path(path)) as archive:
        return Calibration(
            images=archive["images"],
            indices=archive["indices"],
            seed=int(archive["seed"]),
            method=str(archive["method"]),
        )


def convert(task: Task) -> Iterator[Conversion]:
    """Convert a task's variants, one after another.

    Yields:
        what became of each; one that the format cannot hold has a reason.

    Raises:
        EdgeCifarError: nothing can be converted: a package or the disk is at fault.
    """
    suffix = formats.get(task.format).suffix
    source = source_model.load(Path(task.model))
    loaded = LoadedModel(source=source, labels=task.labels, calibration=_read_calibration(task.calibration))
    trained = Path(task.trained) if task.trained else None
    with conversion_cache.unchanged(source.native):
        for precision in task.precisions:
            start = time.perf_counter()
            variant = Variant(task.format, precision)
            path = Path(task.folder) / f"{variant}{suffix}"
            options = converter_options(task.options, variant, trained)
            record, reason = None, None
            try:
                record = loaded.convert(variant, path, options, task.metadata[precision])
                record = replace(record, calibrated_ranges=loaded.ranges(variant, path, options))
            except ConversionError as error:
                record, reason = None, str(error)
            seconds = time.perf_counter() - start
            yield Conversion(variant=variant, record=record, reason=reason, seconds=seconds, peak_bytes=peak_bytes())


def handle(request: Message, answer: Answer) -> None:
    """Convert a task's variants, with one answer for each."""
    for result in convert(Task.from_json(request)):
        answer(result.to_json())


if __name__ == "__main__":
    request_loop.serve(handle)
