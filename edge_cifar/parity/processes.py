"""Artifacts' answers, each from a process of its own, a few side by side."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_cifar import archives, deaths, scratch, strict_json
from edge_cifar.parity import worker
from edge_cifar.parity.matching import Match
from edge_cifar.workers import worker_command, worker_environment

Outcome = TypeVar("Outcome")

_POLL_SECONDS = 0.02
# A hung runtime is given up after this: thousands of times longer than any supported network needs.
_START_SECONDS = 120.0
_SECONDS_PER_IMAGE = 2.0
# One thread each: as many workers as processors run side by side, and numbers do not depend on threads.
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
_MOST_WORKERS = 4


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What an artifact answered.

    Attributes:
        runtime: name of the runtime that ran it.
        input_shape: (height, width, 3) that it takes.
        labels: class names that the artifact itself holds; None where it holds none.
        views: float32 ``[N, classes]`` by view; empty when the images have another shape.
        backends: as many by the runtime's other backends, where it answers by each.
        seconds: wall time of its process.
    """

    runtime: str
    input_shape: tuple[int, ...]
    labels: tuple[str, ...] | None
    views: dict[str, NDArray[np.float32]]
    backends: dict[str, NDArray[np.float32]]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why an artifact gave no answers.

    Attributes:
        reason: in words.
        unavailable: True when this machine lacks the runtime, False when the artifact is at fault.
        seconds: wall time of its process.
    """

    reason: str
    unavailable: bool
    seconds: float


def ask(
    artifacts: Sequence[Path],
    reference: Path,
    count: int,
    views: Sequence[str],
    *,
    answered: Callable[[], None] = lambda: None,
) -> list[Answers | Refusal]:
    """Run artifacts on the reference images.

    Args:
        artifacts: files or folders.
        reference: the bundle's ``reference.npz``.
        count: how many of its images, from the first.
        views: what changes are made to them, by name; each gives answers of its own.
        answered: called each time a process is done.

    Returns:
        one outcome an artifact, in the same order.
    """
    requests = [["answer", str(artifact), str(reference), str(count), ",".join(views)] for artifact in artifacts]
    return _outcomes(requests, count * len(views), _read_answers, answered)


def ask_layers(
    artifacts: Sequence[tuple[str, Path]],
    reference: Path,
    activations: Path,
    images: int,
    *,
    answered: Callable[[], None] = lambda: None,
) -> list[tuple[Match, ...] | Refusal]:
    """Match the values on the way through artifacts with the Keras model's layers.

    Args:
        artifacts: format and path of each.
        reference: the bundle's ``reference.npz``.
        activations: its ``activations.npz``.
        images: how many images that one is of.
        answered: called each time a process is done.

    Returns:
        one outcome an artifact, in the same order.
    """
    requests = [["layers", format_, str(path), str(reference), str(activations)] for format_, path in artifacts]
    return _outcomes(requests, images, _read_matches, answered)


def _outcomes(
    requests: Sequence[Sequence[str]],
    images: int,
    read: Callable[[Path, float], Outcome],
    answered: Callable[[], None],
) -> list[Outcome | Refusal]:
    """A process for each request, a few at a time."""
    outcomes: dict[int, Outcome | Refusal] = {}
    waiting = list(enumerate(requests))
    running: dict[int, _Worker] = {}
    with ExitStack() as stack:
        while waiting or running:
            while waiting and len(running) < min(os.cpu_count() or 1, _MOST_WORKERS):
                number, request = waiting.pop(0)
                running[number] = stack.enter_context(_started(request, images))
            for number in [number for number, process in running.items() if process.done()]:
                outcomes[number] = running.pop(number).outcome(read)
                answered()
            time.sleep(_POLL_SECONDS)
    return [outcomes[number] for number in range(len(requests))]


def _read_answers(out: Path, seconds: float) -> Answers:
    with archives.opened(out / worker.ANSWERS) as archive:
        views, backends = (
            {name.partition(":")[2]: archive[name] for name in archive.names if name.startswith(kind)}
            for kind in ("view:", "backend:")
        )
        shape = tuple(int(side) for side in archive["input_shape"])
        labels = tuple(archive["labels"].tolist()) if "labels" in archive else None
        return Answers(
            runtime=str(archive["runtime"]),
            input_shape=shape,
            labels=labels,
            views=views,
            backends=backends,
            seconds=seconds,
        )


def _read_matches(out: Path, seconds: float) -> tuple[Match, ...]:
    return tuple(Match(**match) for match in strict_json.message((out / worker.MATCHES).read_text(encoding="utf-8")))


class _Worker:
    """A running worker process and the folder where its outcome appears."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, limit_seconds: float) -> None:
        self._process = process
        self._out = out
        self._limit_seconds = limit_seconds
        self._start = time.perf_counter()
        self._overran = False

    def done(self) -> bool:
        """Whether the process has ended; one that exceeds its limit is ended here."""
        if self._process.poll() is None and time.perf_counter() - self._start > self._limit_seconds:
            self._overran = True
            self.end()
        return self._process.poll() is not None

    def end(self) -> None:
        """Kill the process if it still runs."""
        self._process.kill()
        self._process.wait()

    def outcome(self, read: Callable[[Path, float], Outcome]) -> Outcome | Refusal:
        """What the ended process left behind."""
        seconds = time.perf_counter() - self._start
        status = self._process.returncode
        if status:
            return Refusal(reason=self._death(status), unavailable=False, seconds=seconds)
        if (self._out / worker.REFUSAL).exists():
            refusal = strict_json.message((self._out / worker.REFUSAL).read_text(encoding="utf-8"))
            return Refusal(reason=refusal["reason"], unavailable=refusal["unavailable"], seconds=seconds)
        return read(self._out, seconds)

    def _death(self, status: int) -> str:
        if self._overran:
            return f"it did not answer within {self._limit_seconds:.0f} s"
        return deaths.of(status, (self._out / "stderr").read_text(encoding="utf-8", errors="replace")).cause


@contextmanager
def _started(request: Sequence[str], images: int) -> Iterator[_Worker]:
    with scratch.folder("verify") as out:
        with (out / "stderr").open("wb") as stderr:
            process = subprocess.Popen(
                [*worker_command("edge_cifar.parity.worker"), *request, str(out)],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                env={**worker_environment(), **_ONE_THREAD},
            )
        started = _Worker(process, out, _START_SECONDS + _SECONDS_PER_IMAGE * images)
        try:
            yield started
        finally:
            # Reached while it still runs only when verify itself is interrupted.
            started.end()
