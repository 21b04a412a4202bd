"""A model file that names what it sees: pictures in, ranked labels out. What ``predict`` and ``serve`` share."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_cifar.data.pictures import Photograph
from edge_cifar.errors import BundleError
from edge_cifar.evaluation import scores
from edge_cifar.runtimes import Runtime, loading


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A model's answer to one picture.

    Attributes:
        image: the picture's path; ``-`` for standard input.
        model: the model file's path.
        variant: such as ``tflite-int8``; None for a Keras model or somebody else's file.
        runtime: what computed the answer.
        preparation: how the picture was fitted to the model's input, and how the answer became
            probabilities; empty where nothing was needed.
        answers: (label, probability in 0..1), the likeliest first.
        unsure: whether even the likeliest is less likely than was asked for.
        milliseconds: that the inference took, the picture being ready. One inference among other
            work: what an artifact costs is for ``bench`` to tell.
    """

    image: Path
    model: Path
    variant: str | None
    runtime: str
    preparation: str
    answers: tuple[tuple[str, float], ...]
    unsure: bool
    milliseconds: float = field(compare=False)

    @property
    def name(self) -> str:
        """What tables call the model: its variant, or its file's name."""
        return self.variant or self.model.name

    def document(self) -> dict[str, Any]:
        """The prediction as JSON."""
        return {
            "image": str(self.image),
            "model": str(self.model),
            "variant": self.variant,
            "runtime": self.runtime,
            "preparation": self.preparation,
            "milliseconds": self.milliseconds,
            "unsure": self.unsure,
            "predictions": [{"label": label, "probability": probability} for label, probability in self.answers],
        }


class Classifier:
    """A loaded model file with the names of its classes. Not to be used by two threads at once.

    Attributes:
        path: the model file.
        variant: such as ``tflite-int8``; None for a Keras model or somebody else's file.
        runtime: what computes.
        labels: names of the classes, in the order of the probabilities.
    """

    def __init__(self, path: Path, *, labels: tuple[str, ...] | None, variant: str | None, threads: int = 1) -> None:
        """Load a model file.

        Args:
            path: the file, or ``.mlpackage`` folder.
            labels: names of its classes; None takes those that the file itself holds, or numbers them.
            variant: such as ``tflite-int8``.
            threads: CPU threads that one inference may use.

        Raises:
            RuntimeUnavailable: nothing on this machine runs the file.
            BundleError: the file is damaged, or is no image classifier, or the labels are not those of its classes.
        """
        self.path = path
        self.variant = variant
        self.runtime: Runtime = loading.load(path, threads=threads)
        classes = self.runtime.classes
        self.labels = labels or self.runtime.labels or tuple(f"class {number}" for number in range(classes))
        if len(self.labels) != classes:
            raise BundleError(f"{path} tells {classes} classes, its labels name {len(self.labels)}; export again")

    def classify(self, photograph: Photograph, *, image: Path, top: int, threshold: float = 0.0) -> Prediction:
        """Ask the model about one picture.

        Args:
            photograph: the picture, of any size.
            image: its path, for the prediction.
            top: how many classes to tell; all of them where the model has fewer.
            threshold: probability in 0..1 below which the likeliest class counts as unsure.

        Raises:
            BundleError: the model's answer is no numbers.
        """
        height, width, _ = self.runtime.input_shape
        picture = photograph.fitted(height=height, width=width)
        start = time.perf_counter()
        answers = self.runtime.predict(picture.pixels[None])
        milliseconds = 1e3 * (time.perf_counter() - start)
        if not scores.are_numbers(answers):
            raise BundleError(f"{self.path} answers with what is no number (NaN or infinite)")
        preparations = [picture.preparation] if picture.preparation else []
        if self.variant is None and not scores.are_probabilities(answers):
            answers = scores.softmax(answers)
            preparations.append("the model's scores are no probabilities; softmax made them so")
        probabilities = answers[0]
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
        )
