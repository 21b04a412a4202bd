"""Stands in for the process that converts: what it does to a variant, the precision's name says."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from edge_cifar.export import worker
from edge_cifar.processes.launch import end_with_the_caller


def main() -> None:
    task = worker.Task.read(sys.stdin.buffer.readline().decode())
    end_with_the_caller()
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
            print(json.dumps({"refused": "no space left"}), flush=True)
            return
        lacking: dict[str, Any] = (
            {"error": "tflite has no Bessel"} if precision == "lacking" else {"facts": {"input": {}}}
        )
        print(json.dumps({"precision": precision, "seconds": 1.5, "peak_bytes": 7, **lacking}), flush=True)


if __name__ == "__main__":
    main()
