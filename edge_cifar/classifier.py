"""A model file that names what it sees: pictures in, ranked labels out. What ``predict`` and ``serve`` share."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edge_cifar import class_names, input_ranges, model_files
from edge_cifar.answer_check import AnswerCheck
from edge_cifar.data.pictures import Photograph
from edge_cifar.documents.prediction import Prediction
from edge_cifar.errors import BundleError
from edge_cifar.evaluation import scores
from edge_cifar.model_options import ModelOptions
from edge_cifar.pixels import Setup, described
from edge_cifar.runtimes import Runtime

# A file that takes images of any size gets a picture whole up to this side; larger ones fill the memory.
_LARGEST_SIDE = 1024


class Classifier:
    """A loaded model file with the names of its classes. Not to be used by two threads at once.

    Attributes:
        path: the model file.
        variant: such as ``tflite-int8``; None for a Keras model or somebody else's file.
        runtime: what computes.
        labels: names of the classes, in the order of the probabilities.
        foreign: whether nothing vouches for what the file takes and answers.
        fitted: whether pictures are brought to one size; a file may take them at their own.
    """

    def __init__(
        self,
        path: Path,
        *,
        labels: tuple[str, ...] | None,
        variant: str | None,
        foreign: bool = False,
        options: ModelOptions | None = None,
        threads: int = 1,
    ) -> None:
        """Load a model file.

        Args:
            path: the file, or ``.mlpackage`` folder.
            labels: names of its classes; None takes those that the file itself holds, or numbers them.
            variant: such as ``tflite-int8``.
            foreign: whether it was made elsewhere, so that neither a manifest nor a run vouches for it.
            options: what a user says of it then.
            threads: CPU threads that one inference may use.

        Raises:
            RuntimeUnavailable: nothing on this machine runs the file.
            BundleError: the file is damaged, or is no image classifier, or the labels are not those of its classes.
        """
        self.path = path
        self.variant = variant
        self.foreign = foreign
        options = options or ModelOptions()
        stated = model_files.stated(path) if foreign else ModelOptions()
        setup = Setup(
            preprocessing=options.preprocessing,
            output=options.output,
            image_size=options.image_size or stated.image_size,
        )
        self.runtime: Runtime = model_files.load(path, threads=threads, setup=setup)
        self.fitted = not self.runtime.any_size or setup.image_size is not None
        self._told = options.preprocessing
        self._ground = self.runtime.range_ground
        self._check = AnswerCheck(path, self.runtime, setup, threads) if foreign else None
        labels = labels or options.labels or self.runtime.labels or stated.labels
        beside = class_names.beside(path, scores.classes(self.runtime.classes)) if foreign and not labels else None
        self._labels_beside = beside is not None
        self.labels = _named(labels or beside, self.runtime.classes)
        if len(self.labels) != scores.classes(self.runtime.classes):
            names = f"{len(self.labels)} class names were given" if options.labels else f"{len(self.labels)} labels"
            remedy = "give as many" if options.labels else "name them with --labels" if foreign else "export again"
            raise BundleError(f"{path} has {scores.classes(self.runtime.classes)} classes but {names}; {remedy}")

    @property
    def input(self) -> dict[str, Any]:
        """How pixels are given, as :func:`edge_cifar.pixels.described` tells it."""
        return described(self.runtime.preprocessing, self._ground)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was taken for a foreign file, and on what ground, for people; none where a user told it."""
        if not self._check:
            return ()
        taken = f"pixels are given in {input_ranges.name_of(self.runtime.preprocessing)}"
        ground = {"stated": "as the file states", "quantized": "which its quantization spans"}.get(self._ground)
        told = model_files.overruled(self.path, self._told)
        overruled = f"{self.path.name}: {told}" if told else ""
        beside = f"{self.path.name}: class names from {class_names.FILE}" if self._labels_beside else ""
        return tuple(
            filter(None, (self.assumption, overruled, ground and f"{self.path.name}: {taken}, {ground}", beside))
        )

    @property
    def assumption(self) -> str:
        """What is taken for granted of a foreign file, for people; empty where nothing is."""
        return self._check.assumption if self._check else ""

    def classify(self, photograph: Photograph, *, image: Path | int, top: int, threshold: float = 0.0) -> Prediction:
        """Ask the model about one picture.

        Args:
            photograph: the picture, of any size.
            image: its path or number, for the prediction.
            top: how many classes to tell; all of them where the model has fewer.
            threshold: probability in 0..1 below which the likeliest class counts as unsure.

        Raises:
            BundleError: the model's answer is no numbers.
        """
        height, width, _ = self.runtime.input_shape
        if self.fitted:
            picture = photograph.fitted(height=height, width=width)
        else:
            picture = photograph.whole(largest=_LARGEST_SIDE)
        start = time.perf_counter()
        answers = self.runtime.predict(picture.pixels[None])
        milliseconds = 1e3 * (time.perf_counter() - start)
        if not scores.are_numbers(answers):
            raise BundleError(f"{self.path} outputs NaN or infinity")
        preparations = [picture.preparation] if picture.preparation else []
        if self.variant is None:
            answers, how = scores.as_probabilities(answers)
            preparations += [how] if how else []
        probabilities = answers[0]
        if self._check:
            self._check.add(picture.pixels, probabilities)
        likeliest = (-probabilities).argsort(kind="stable")[:top]
        return Prediction(
            image=image,
            model=self.path,
            variant=self.variant,
            runtime=self.runtime.name,
            preparation="; ".join(preparations),
            answers=tuple((self.labels[number], float(probabilities[number])) for number in likeliest),
            unsure=bool(probabilities[likeliest[0]] < threshold),
            milliseconds=milliseconds,
            input=self.input,
        )

    def unread(self, *, image: Path | int, error: str) -> Prediction:
        """In place of the answer to a picture that cannot be read.

        Args:
            image: its path or number.
            error: why.
        """
        return Prediction(
            image=image, model=self.path, variant=self.variant, runtime=self.runtime.name, input=self.input, error=error
        )

    def doubts(self) -> Iterator[str]:
        """What the answers so far say against the range that was assumed for a foreign file, a sentence each."""
        yield from filter(None, (self.alike(), self._check.better_range() if self._check else ""))

    def alike(self) -> str:
        """That a foreign file gave several different pictures the same answer, for people; empty where it did not."""
        return self._check.alike(self.labels) if self._check else ""


def common_size(classifiers: Sequence[Classifier]) -> tuple[int, int] | None:
    """Height and width that all of some classifiers take; None where they differ or take any size."""
    sizes = {one.runtime.input_shape[:2] if one.fitted else None for one in classifiers}
    return sizes.pop() if len(sizes) == 1 else None


def _named(labels: tuple[str, ...] | None, count: int) -> tuple[str, ...]:
    """Names of all classes; of the two that a single score tells apart, a lone name is that of the second."""
    if labels and len(labels) == count == 1:
        return f"not {labels[0]}", labels[0]
    return labels or tuple(f"class {number}" for number in range(scores.classes(count)))
