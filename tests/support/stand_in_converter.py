"""Stands in for the process that converts: what it does to a variant, the precision's name says."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from edge_cifar.documents.conversion_record import ConversionRecord
from edge_cifar.errors import EdgeCifarError
from edge_cifar.export import worker
from edge_cifar.processes import request_loop
from edge_cifar.processes.request_loop import Answer, Message
from edge_cifar.variant import Variant

RECORD = ConversionRecord(kept_float=("last",))


def handle(request: Message, answer: Answer) -> None:
    task = worker.Task.from_json(request)
    for precision in task.precisions:
        path = Path(task.folder) / f"{task.format}-{precision}.tflite"
        path.write_text("half", encoding="utf-8")
        if precision == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if precision == "crashing":
            os.abort()
        if precision == "raising":
            raise ValueError("Bessel")
        if precision == "littering":
            tempfile.mkdtemp()
        if precision == "endless":
            (Path(task.folder) / "pid").write_text(str(os.getpid()), encoding="utf-8")
            time.sleep(600)
        if precision == "refusing":
            raise EdgeCifarError("no space left")
        told: dict[str, Any] = {"reason": "tflite has no Bessel"} if precision == "lacking" else {"record": RECORD}
        variant = Variant(task.format, precision)
        answer(worker.Conversion(variant=variant, seconds=1.5, peak_bytes=7, **told).to_json())


if __name__ == "__main__":
    request_loop.serve(handle)
