"""A model's answer to a picture, as ``predict`` returns it and ``predict --json`` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_cifar.notebook import Tabular
from edge_cifar.tables import Column, Row, Table

# As many answers as one line names.
_NAMED = 3


@dataclass(frozen=True, kw_only=True, repr=False)
class Prediction(Tabular):
    """A model's answer to one picture.

    Attributes:
        image: the picture's path; ``-`` for standard input; for one that a program holds in memory, its place among
            the images that were given, from 0 on.
        model: the model file's path.
        variant: such as ``tflite-int8``; None for a Keras model or somebody else's file.
        runtime: what computed the answer.
        preparation: how the picture was fitted to the model's input, and how the answer became
            probabilities; empty where nothing was needed.
        answers: (label, probability in 0..1), the likeliest first; none where there is an error.
        unsure: whether even the likeliest is less likely than was asked for.
        milliseconds: that the inference took, the picture being ready. One inference among other
            work: what an artifact costs is for ``bench`` to tell.
        input: how pixels were given, as :func:`edge_cifar.pixels.described` tells it.
        error: why there is no answer: the picture cannot be read.
    """

    image: Path | int
    model: Path
    variant: str | None
    runtime: str
    preparation: str = ""
    answers: tuple[tuple[str, float], ...] = ()
    unsure: bool = False
    milliseconds: float = field(default=0.0, compare=False)
    input: dict[str, Any] = field(default_factory=dict)
    error: str | None = None

    @property
    def name(self) -> str:
        """What tables call the model: its variant, or its file's name."""
        return self.variant or self.model.name

    @property
    def label(self) -> str | None:
        """The likeliest class; None where there is an error."""
        return self.answers[0][0] if self.answers else None

    @property
    def probability(self) -> float | None:
        """Its probability, 0..1."""
        return self.answers[0][1] if self.answers else None

    @property
    def summary(self) -> str:
        """The answer in one line."""
        image = f"image {self.image}" if isinstance(self.image, int) else str(self.image)
        answers = ", ".join(f"{label} {100 * probability:.1f} %" for label, probability in self.answers[:_NAMED])
        return f"{image}: {self.error or answers}{' (unsure)' if self.unsure else ''}"

    def table(self) -> Table:
        """A row for each class that was asked for."""
        return _table([self])

    def document(self) -> dict[str, Any]:
        """The prediction as JSON."""
        return {
            "image": str(self.image),
            "model": str(self.model),
            "variant": self.variant,
            "runtime": self.runtime,
            "input": self.input,
            "preparation": self.preparation,
            "milliseconds": self.milliseconds,
            "unsure": self.unsure,
            "predictions": [{"label": label, "probability": probability} for label, probability in self.answers],
            "error": self.error,
        }


class Predictions(Tabular, list[Prediction]):
    """The answers of one or several models to one or several pictures, picture by picture."""

    @property
    def summary(self) -> str:
        """The answers in one line: of how many models to how many pictures, and the first few."""
        models = list(dict.fromkeys(one.model for one in self))
        images = len({one.image for one in self})
        who = self[0].name if len(models) == 1 else f"{len(models)} models"
        labels = ", ".join(one.label or "unreadable" for one in self[:_NAMED])
        more = ", …" if len(self) > _NAMED else ""
        return f"{who} on {images} {'image' if images == 1 else 'images'}: {labels}{more}" if self else "no images"

    def table(self) -> Table:
        """A row for each picture, model and class that was asked for."""
        return _table(self)


def _table(predictions: Sequence[Prediction]) -> Table:
    several = len({one.model for one in predictions}) > 1
    columns = (
        Column(name="image", key=True),
        Column(name="model", key=True, extra=not several),
        Column(name="rank", figures="d", extra=True),
        Column(name="label"),
        Column(name="probability", unit="%", figures=".1f"),
        Column(name="unsure", extra=True),
        Column(name="runtime", extra=True),
        Column(name="milliseconds", unit="ms", figures=".2f", extra=True),
        Column(name="preparation", extra=True),
        Column(name="error", extra=True),
    )
    rows = tuple(row for one in predictions for row in _rows(one))
    notes = [f"{one.image}: {one.error}" for one in predictions if one.error]
    notes += [f"{one.image}: unsure whether it is {one.label}" for one in predictions if one.unsure]
    return Table(columns=columns, rows=rows, notes=tuple(notes))


def _rows(one: Prediction) -> list[Row]:
    image = one.image if isinstance(one.image, int) else str(one.image)
    told = (one.unsure, one.runtime, one.milliseconds, one.preparation, one.error)
    ranked = enumerate(one.answers, 1)
    rows: list[Row] = [
        (image, one.name, rank, label, 100 * probability, *told) for rank, (label, probability) in ranked
    ]
    return rows or [(image, one.name, None, None, None, *told)]
