"""Run artifacts, each in its own process, several in parallel."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_cifar.parity import worker
from edge_cifar.parity.matching import Match
from edge_cifar.parity.perturbations import PLAIN
from edge_cifar.pixels import PLAIN as PLAIN_SETUP
from edge_cifar.pixels import Ground, Setup
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.processes.launch import ONE_THREAD, worker_command
from edge_cifar.processes.request_loop import Message
from edge_cifar.processes.worker import WorkerError
from edge_cifar.processes.worker_pool import WorkerPool
from edge_cifar.storage import archives, scratch, strict_json

Outcome = TypeVar("Outcome")
Result = TypeVar("Result")

WORKER = worker_command("edge_cifar.parity.worker")

# A hung runtime is given up after this: thousands of times longer than any supported network needs.
_START_SECONDS = 120.0
_SECONDS_PER_IMAGE = 2.0
_MOST_WORKERS = 4


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request to run an artifact on images.

    Attributes:
        images: a bundle's ``reference.npz``, or an ``.npy`` file of uint8 ``[N, H, W, 3]``.
        start: number of the first image.
        stop: number of the image behind the last.
        views: what changes are made to them, by name; each gives answers of its own.
        setup: how the artifact is run.
    """

    images: Path
    stop: int
    start: int = 0
    views: tuple[str, ...] = (PLAIN,)
    setup: Setup = PLAIN_SETUP


@dataclass(frozen=True, kw_only=True)
class Answers:
    """An artifact's answers.

    Attributes:
        runtime: name of the runtime that ran it.
        input_shape: (height, width, 3) that it takes.
        preprocessing: how pixels are given to it.
        ground: why in that range.
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
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    ground: Ground = "stated"

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


class Workers(WorkerPool):
    """Workers that run artifacts, one process an artifact and a request."""

    def __init__(self) -> None:
        super().__init__(min(os.cpu_count() or 1, _MOST_WORKERS))

    def answers(self, artifact: Path, question: Question) -> Answers | Refusal:
        """Run an artifact on images in its own process, and wait for it."""
        with scratch.folder("verify") as out:
            request = {
                "do": "answer",
                "artifact": str(artifact),
                "images": str(question.images),
                "start": question.start,
                "stop": question.stop,
                "views": question.views,
                "setup": question.setup.to_json(),
                "out": str(out),
            }
            images = (question.stop - question.start) * len(question.views)
            return self._outcome(request, images, lambda answer, seconds: _read_answers(out, seconds))

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
        return self._outcome(
            request, images, lambda answer, seconds: tuple(Match(**match) for match in answer["matches"])
        )

    def latency_ms(self, artifact: Path, images: Path, runs: int) -> float | Refusal:
        """Median time of single inferences, in a process of its own; waits for it.

        Args:
            artifact: the file or folder.
            images: as a question's; the first one is shown.
            runs: how many inferences are timed, after one that is not.
        """
        request = {"do": "latency", "artifact": str(artifact), "images": str(images), "runs": runs}
        return self._outcome(request, runs, lambda answer, seconds: float(answer["milliseconds"]))

    def _outcome(self, request: Message, images: int, read: Callable[[Message, float], Outcome]) -> Outcome | Refusal:
        """The outcome of a request in its own process; ``read`` is given its answer and the seconds it took."""
        start = time.perf_counter()
        try:
            with self.worker(WORKER, ONE_THREAD) as process:
                answer = process.ask(request, seconds=_START_SECONDS + _SECONDS_PER_IMAGE * images)
        except WorkerError as error:
            seconds = time.perf_counter() - start
            return Refusal(reason=str(error), unavailable=error.unavailable, seconds=seconds)
        return read(answer, time.perf_counter() - start)


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
        given = strict_json.parse(str(archive["input"]))
        return Answers(
            runtime=str(archive["runtime"]),
            input_shape=shape,
            preprocessing=Preprocessing.from_json(given["preprocessing"]),
            ground=given["ground"],
            labels=labels,
            views=views,
            backends=backends,
            seconds=seconds,
        )
