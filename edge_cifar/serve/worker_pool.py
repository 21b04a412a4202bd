"""Worker threads that decode and classify, each with interpreters of its own, behind a queue that may fill."""

from __future__ import annotations

import queue
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from edge_cifar.classifier import Classifier, common_size
from edge_cifar.data import pictures
from edge_cifar.errors import BundleError, EdgeCifarError, UsageError
from edge_cifar.model_options import ModelOptions

# What browsers and cameras make. Pillow reads more, but a parser that nobody needs is only an
# opening for whoever sends the bytes (its EPS reader starts Ghostscript).
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
# What phones take unless told otherwise: 100 MB once unpacked, three times that with transparency, in each worker.
MAX_PIXELS = 25_000_000


class BusyError(EdgeCifarError):
    """The queue is full, or the server is shutting down."""


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """One artifact that the pool answers with.

    Attributes:
        name: what requests and the page call it; no two of a pool have the same.
        path: the file.
        labels: names of its classes, where something beside the file tells them.
        variant: such as ``tflite-int8``; None for a bare file.
        foreign: whether the file was made elsewhere, so that neither a manifest nor a run vouches for it.
        options: what a user says of such a file.
    """

    name: str
    path: Path
    labels: tuple[str, ...] | None
    variant: str | None
    foreign: bool = False
    options: ModelOptions = field(default_factory=ModelOptions)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A picture and what is asked about it.

    Attributes:
        picture: a picture file. Whoever works on it reads it, so that what waits, waits on the disk where it is large.
        models: names of those that answer, in the pool's order whatever theirs; empty asks all.
        top: how many classes to tell.
        threshold: probability in 0..1 below which the likeliest class counts as unsure.
    """

    picture: BinaryIO
    models: Collection[str]
    top: int
    threshold: float


class WorkerPool:
    """A fixed number of threads that answer questions.

    Attributes:
        models: the artifacts.
        classifiers: those of the first worker, to be looked at but not asked.
        workers: number of threads.
        places: questions that may wait beside those being answered.
    """

    def __init__(self, models: Sequence[ServedModel], *, workers: int, places: int) -> None:
        """Load every artifact once for each worker and start the workers.

        Raises:
            RuntimeUnavailable: an artifact cannot run here.
            BundleError: an artifact is damaged.
        """
        self.models = tuple(models)
        self.workers = workers
        self.places = places
        self._queue: queue.Queue[tuple[Question, Future[dict[str, Any]]] | None] = queue.Queue(places)
        self._closed = threading.Event()
        loaded = [_load(self.models) for _ in range(workers)]
        self.classifiers = loaded[0]
        self._threads = [
            threading.Thread(target=self._work, args=(classifiers,), name=f"worker-{number}", daemon=True)
            for number, classifiers in enumerate(loaded)
        ]
        for thread in self._threads:
            thread.start()

    def ask(self, question: Question) -> dict[str, Any]:
        """Wait for the answer to a question.

        Returns:
            the answer as JSON.

        Raises:
            BusyError: as many questions wait as may.
            UsageError: there is no picture.
            DataError: the picture cannot be read or is too large.
        """
        answer: Future[dict[str, Any]] = Future()
        try:
            if self._closed.is_set():
                raise queue.Full
            self._queue.put_nowait((question, answer))
        except queue.Full:
            raise BusyError("all workers are busy and the queue is full; try again in a moment") from None
        return answer.result()

    def waiting(self) -> int:
        """How many questions wait now."""
        return self._queue.qsize()

    def close(self) -> None:
        """Answer what was asked, take no more, and end the threads."""
        self._closed.set()
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self, classifiers: Sequence[tuple[ServedModel, Classifier]]) -> None:
        while (job := self._queue.get()) is not None:
            question, answer = job
            try:
                answer.set_result(_answer(question, classifiers))
            except BaseException as error:
                # Whatever went wrong is told to who asked; the worker goes on.
                answer.set_exception(error)


def _load(models: Sequence[ServedModel]) -> list[tuple[ServedModel, Classifier]]:
    classifiers = []
    for served in models:
        classifier = Classifier(
            served.path,
            labels=served.labels,
            variant=served.variant,
            foreign=served.foreign,
            options=served.options,
        )
        # A first inference also lays out memory; no visitor should wait for that.
        classifier.runtime.predict(np.zeros((1, *classifier.runtime.input_shape), np.uint8))
        classifiers.append((served, classifier))
    return classifiers


def _answer(question: Question, classifiers: Sequence[tuple[ServedModel, Classifier]]) -> dict[str, Any]:
    content = question.picture.read()
    if not content:
        raise UsageError("the request has no image; send the image's bytes or a form with the image as a file")
    size = common_size([classifier for _, classifier in classifiers])
    photograph = pictures.decode(content, max_pixels=MAX_PIXELS, formats=FORMATS, target=size)
    results = []
    for served, classifier in classifiers:
        if question.models and served.name not in question.models:
            continue
        # Where files lie on the server is nobody's business.
        try:
            prediction = classifier.classify(
                photograph, image=Path("picture"), top=question.top, threshold=question.threshold
            )
        except BundleError as error:
            raise BundleError(str(error).replace(str(classifier.path), served.name)) from error
        document = prediction.document()
        del document["image"], document["model"], document["error"]
        document["warnings"] = list(filter(None, (classifier.assumption, classifier.alike())))
        results.append({"name": served.name, **document})
    width, height = photograph.size
    return {"width": width, "height": height, "results": results}
