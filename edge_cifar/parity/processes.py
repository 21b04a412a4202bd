"""Artifacts' answers, each from a process of its own, a few side by side."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_cifar.parity import worker
from edge_cifar.parity.matching import Match
from edge_cifar.parity.perturbations import PLAIN
from edge_cifar.processes import exit_status
from edge_cifar.processes.launch import ONE_THREAD, worker_command, worker_environment
from edge_cifar.storage import archives, scratch, strict_json

Outcome = TypeVar("Outcome")
Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")

WORKER = worker_command("edge_cifar.parity.worker")

# A hung runtime is given up after this: thousands of times longer than any supported network needs.
_START_SECONDS = 120.0
_SECONDS_PER_IMAGE = 2.0
_MOST_WORKERS = 4


@dataclass(frozen=True, kw_only=True)
class Question:
    """Images that an artifact is asked about.

    Attributes:
        images: a bundle's ``reference.npz``, or an ``.npy`` file of uint8 ``[N, H, W, 3]``.
        start: number of the first image.
        stop: number of the image behind the last.
        views: what changes are made to them, by name; each gives answers of its own.
    """

    images: Path
    stop: int
    start: int = 0
    views: tuple[str, ...] = (PLAIN,)


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

    def part(self, start: int, stop: int | None = None) -> Answers:
        """The answers to some of the images."""
        views, backends = (
            {name: answers[start:stop] for name, answers in one.items()} for one in (self.views, self.backends)
        )
        return replace(self, views=views, backends=backends)


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


class Workers:
    """Worker processes, which end with the block that they are started in, as threads that wait for them do."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_WORKERS))
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ended = False

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._ended = True
            for process in self._running:
                process.kill()
        self._threads.shutdown(cancel_futures=True)

    def submit(
        self, work: Callable[Parameters, Result], *arguments: Parameters.args, **named: Parameters.kwargs
    ) -> Future[Result]:
        """Have work that waits for a process done beside this thread, as much at once as there are processors."""
        return self._threads.submit(work, *arguments, **named)

    def answers(self, artifact: Path, question: Question) -> Answers | Refusal:
        """Run an artifact on images, in a process of its own; waits for it."""
        return self._outcome(
            {
                "do": "answer",
                "artifact": str(artifact),
                "images": str(question.images),
                "start": question.start,
                "stop": question.stop,
                "views": question.views,
            },
            (question.stop - question.start) * len(question.views),
            _read_answers,
        )

    def layers(self, format_: str, artifact: Path, reference: Path, activations: Path, images: int) -> Matches:
        """Match the values on the way through an artifact with the Keras model's layers; waits for its process.

        Args:
            format_: the artifact's.
            artifact: the file or folder.
            reference: the bundle's ``reference.npz``.
            activations: its ``activations.npz``.
            images: how many images that one is of.
        """
        paths = {"artifact": artifact, "reference": reference, "activations": activations}
        request = {"do": "layers", "format": format_, **{name: str(path) for name, path in paths.items()}}
        return self._outcome(request, images, _read_matches)

    def latency_ms(self, artifact: Path, images: Path, runs: int) -> float | Refusal:
        """Median time of single inferences, in a process of its own; waits for it.

        Args:
            artifact: the file or folder.
            images: as a question's; the first one is shown.
            runs: how many inferences are timed, after one that is not.
        """
        request = {"do": "latency", "artifact": str(artifact), "images": str(images), "runs": runs}
        return self._outcome(request, runs, _read_latency)

    def _outcome(
        self, request: dict[str, Any], images: int, read: Callable[[Path, float], Outcome]
    ) -> Outcome | Refusal:
        """What a process of its own makes of a request."""
        limit_seconds = _START_SECONDS + _SECONDS_PER_IMAGE * images
        with scratch.folder("verify") as out:
            start = time.perf_counter()
            status = self._run({**request, "out": str(out)}, out / "stderr", limit_seconds)
            seconds = time.perf_counter() - start
            if status is None:
                reason = f"it did not answer within {limit_seconds:.0f} s"
                return Refusal(reason=reason, unavailable=False, seconds=seconds)
            if status:
                said = (out / "stderr").read_text(encoding="utf-8", errors="replace")
                return Refusal(reason=exit_status.of(status, said).cause, unavailable=False, seconds=seconds)
            if (out / worker.REFUSAL).exists():
                refusal = strict_json.message((out / worker.REFUSAL).read_text(encoding="utf-8"))
                return Refusal(reason=refusal["reason"], unavailable=refusal["unavailable"], seconds=seconds)
            if not (out / worker.DONE).exists():
                return Refusal(reason="its process ended before it had answered", unavailable=False, seconds=seconds)
            return read(out, seconds)

    def _run(self, request: dict[str, Any], complaints: Path, limit_seconds: float) -> int | None:
        """The exit status of a process that is given a request; None when it took too long and was killed."""
        with complaints.open("wb") as stderr:
            with self._lock:
                process = subprocess.Popen(
                    WORKER,
                    stdin=subprocess.PIPE,
                    stdout=stderr,
                    stderr=stderr,
                    env={**worker_environment(), **ONE_THREAD},
                    # Ctrl-C reaches the command alone, which then ends its workers in good order.
                    start_new_session=True,
                )
                self._running.add(process)
                if self._ended:
                    process.kill()
            assert process.stdin is not None
            try:
                with suppress(BrokenPipeError):
                    # Left open: its end tells the worker that nobody waits for it any more.
                    process.stdin.write(json.dumps(request).encode() + b"\n")
                    process.stdin.flush()
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(limit_seconds)
                return None
            finally:
                process.kill()
                process.wait()
                with suppress(BrokenPipeError):
                    process.stdin.close()
                with self._lock:
                    self._running.discard(process)


Matches = tuple[Match, ...] | Refusal


def ask(
    artifacts: Sequence[Path], question: Question, *, answered: Callable[[], None] = lambda: None
) -> list[Answers | Refusal]:
    """Run artifacts on images.

    Args:
        artifacts: files or folders.
        question: the images.
        answered: called each time a process is done.

    Returns:
        one outcome an artifact, in the same order.
    """
    with Workers() as workers:
        asked = [workers.submit(workers.answers, artifact, question) for artifact in artifacts]
        return _all(asked, answered)


def ask_layers(
    artifacts: Sequence[tuple[str, Path]],
    reference: Path,
    activations: Path,
    images: int,
    *,
    answered: Callable[[], None] = lambda: None,
) -> list[Matches]:
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
    with Workers() as workers:
        asked = [
            workers.submit(workers.layers, format_, path, reference, activations, images) for format_, path in artifacts
        ]
        return _all(asked, answered)


def _all(asked: Sequence[Future[Result]], answered: Callable[[], None]) -> list[Result]:
    for _ in as_completed(asked):
        answered()
    return [one.result() for one in asked]


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


def _read_latency(out: Path, seconds: float) -> float:
    return float(strict_json.message((out / worker.LATENCY).read_text(encoding="utf-8")))
