"""Trains a model's weights again, in a process of its own: the caller's end of it.

The other end, and why there is one: :mod:`edge_cifar.compression.worker`.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_cifar import packages
from edge_cifar.compression.exchange import REFUSAL, Outcome, Request
from edge_cifar.errors import ConversionError, MissingPackage
from edge_cifar.processes import allocator, exit_status
from edge_cifar.processes.launch import worker_command, worker_environment
from edge_cifar.storage import scratch, strict_json

PACKAGES = ("tensorflow", "tf_keras", "tensorflow_model_optimization")
_WORKER = worker_command("edge_cifar.compression.worker")
# It speaks every few steps; before the first it imports TensorFlow and measures, behind the last it converts.
_SILENCE_SECONDS = 1800.0
_COMPLAINTS = "stderr"


def retrain(
    request: Request,
    *,
    started: Callable[[int], None] = lambda steps: None,
    advanced: Callable[[int], None] = lambda steps: None,
) -> Outcome:
    """Train a network's weights again, in a process of its own, which does not outlive this call.

    Args:
        request: what to train, how, and on what.
        started: told the number of steps.
        advanced: told of steps that were made.

    Raises:
        ConversionError: the process refused the network, crashed, or fell silent.
        MissingPackage: tensorflow-model-optimization or tf_keras is not installed.
    """
    if absent := missing():
        raise absent
    with scratch.folder("retrain") as folder:
        request.write(folder)
        with _worker(folder) as process:
            said = _lines(process)
            done = 0
            started(next(said, 0))
            for step in said:
                advanced(step - done)
                done = step
            status = process.wait()
        if (folder / REFUSAL).exists():
            raise ConversionError(strict_json.message((folder / REFUSAL).read_text(encoding="utf-8")))
        if status:
            raise _death(status, (folder / _COMPLAINTS).read_text(encoding="utf-8", errors="replace"))
        return Outcome.read(folder)


def missing() -> MissingPackage | None:
    """What training again lacks on this machine."""
    absent = [package for package in PACKAGES if not packages.installed(package)]
    return MissingPackage(absent[0], "convert") if absent else None


@contextmanager
def _worker(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / _COMPLAINTS).open("wb") as complaints:
        process = subprocess.Popen(
            [*_WORKER, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            # Set for the child alone: this process and its other children stay with Keras 3.
            env={
                **worker_environment(),
                **allocator.settings(),
                "TF_USE_LEGACY_KERAS": "1",
                "TF_CPP_MIN_LOG_LEVEL": "3",
            },
            # Ctrl-C reaches this process alone, which then ends the worker.
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _lines(process: subprocess.Popen[bytes]) -> Iterator[int]:
    """The numbers that a worker prints, until it closes its output.

    Raises:
        ConversionError: it fell silent.
    """
    assert process.stdout is not None
    output, unread = process.stdout.fileno(), b""
    while True:
        ready, _, _ = select.select([output], [], [], _SILENCE_SECONDS)
        if not ready:
            raise ConversionError(f"its training hung: not a word for {_SILENCE_SECONDS:.0f} s")
        piece = os.read(output, 1 << 16)
        if not piece:
            return
        *lines, unread = (unread + piece).split(b"\n")
        yield from (int(line) for line in lines if line.isdigit())


def _death(status: int, complaints: str) -> ConversionError:
    error = ConversionError(f"its weights cannot be trained again: {exit_status.of(status, complaints).cause}")
    error.add_note("The process wrote:\n" + complaints.strip())
    return error
