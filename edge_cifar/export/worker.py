"""The process that converts: ``python -m edge_cifar.export.worker``.

It is given one task (:mod:`edge_cifar.processes.request_loop`), converts one variant after another, and answers
once for each. What the variants have in common is made once. Converters are native code that may crash or eat up
the memory: that costs this process, not the export.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import conversion_cache, formats, packages
from edge_cifar.converters import Calibration
from edge_cifar.errors import ConversionError
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
        model: the Keras file to convert.
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

    def request(self) -> Message:
        """The task as a worker is sent it."""
        return asdict(self)

    @classmethod
    def read(cls, request: Message) -> Task:
        """The task of a request that :meth:`request` made, as JSON hands it on: with lists for tuples."""
        fields = dict(request)
        options = ExportOptions(**_with_tuples(fields.pop("options")))
        return cls(**_with_tuples(fields), options=options)


def _with_tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write calibration images for workers to read."""
    # So that a full disk is named as the one of temporary files.
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


def convert(task: Task) -> Iterator[dict[str, Any]]:
    """Convert a task's variants, one after another.

    Yields:
        for each: ``precision``, ``seconds``, ``peak_bytes`` of this process so far, and ``facts`` for the
        manifest, or ``error`` with the reason where the format cannot hold the model.

    Raises:
        EdgeCifarError: nothing can be converted: a package or the disk is at fault.
    """
    from edge_cifar.runtimes import keras as keras_runtime

    suffix = formats.get(task.format).suffix
    model = keras_runtime.load_model(packages.require_keras(), Path(task.model))
    loaded = LoadedModel(model=model, labels=task.labels, calibration=_read_calibration(task.calibration))
    trained = Path(task.trained) if task.trained else None
    with conversion_cache.unchanged(model):
        for precision in task.precisions:
            start = time.perf_counter()
            answer: dict[str, Any] = {"precision": precision}
            try:
                variant = Variant(task.format, precision)
                path = Path(task.folder) / f"{variant}{suffix}"
                options = converter_options(task.options, variant, trained)
                facts = loaded.convert(variant, path, options, task.metadata[precision])
                answer["facts"] = {**facts, **loaded.ranges(variant, path, options)}
            except ConversionError as error:
                answer["error"] = str(error)
            yield {**answer, "seconds": time.perf_counter() - start, "peak_bytes": peak_bytes()}


def handle(request: Message, answer: Answer) -> None:
    """Convert a task's variants and answer once for each."""
    for result in convert(Task.read(request)):
        answer(result)


if __name__ == "__main__":
    request_loop.serve(handle)
