"""``predict``: what a model sees in a user's own pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_cifar.artifact import Bundle
from edge_cifar.data import pictures
from edge_cifar.errors import BundleError, UsageError
from edge_cifar.progress import SILENT, Progress
from edge_cifar.run import Run
from edge_cifar.runtimes import loading
from edge_cifar.steps._choice import choose


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A model's answer to one picture.

    Attributes:
        image: the picture's path.
        model: the model file's path.
        variant: such as ``tflite-int8``; None for a Keras model or somebody else's file.
        runtime: what computed the answer.
        preparation: how the picture was fitted to the model's input; empty where it needed nothing.
        answers: (label, probability in 0..1), the likeliest first.
    """

    image: Path
    model: Path
    variant: str | None
    runtime: str
    preparation: str
    answers: tuple[tuple[str, float], ...]

    def document(self) -> dict[str, Any]:
        """The prediction as JSON."""
        return {
            "image": str(self.image),
            "model": str(self.model),
            "variant": self.variant,
            "runtime": self.runtime,
            "preparation": self.preparation,
            "predictions": [{"label": label, "probability": probability} for label, probability in self.answers],
        }


def predict(
    model: Bundle | Run | Path | str,
    images: Iterable[Path | str],
    *,
    top: int = 3,
    threads: int = 1,
    progress: Progress = SILENT,
) -> list[Prediction]:
    """Classify pictures.

    Args:
        model: a model file, a bundle or a run; of a folder, the most precise artifact that runs here.
        images: picture files, of any size and any format that Pillow reads.
        top: how many classes to tell for each picture; all of them where the model has fewer.
        threads: CPU threads that one inference may use.
        progress: told which file is used when there was a choice.

    Returns:
        One prediction a picture, in their order.

    Raises:
        UsageError: ``top`` is less than 1, or the file is no model.
        BundleError: the model is missing or damaged.
        RuntimeUnavailable: nothing on this machine runs the model.
        DataError: a picture is missing, damaged or too large.
    """
    if top < 1:
        raise UsageError(f"top must be at least 1, not {top}")
    choice = choose(model)
    runtime = loading.load(choice.path, threads=threads)
    if choice.chosen:
        progress.say(f"using {choice.variant or choice.path.name} ({runtime.name})")
    labels = choice.labels or tuple(f"class {number}" for number in range(runtime.classes))
    if len(labels) != runtime.classes:
        raise BundleError(f"{choice.path} tells {runtime.classes} classes, its labels name {len(labels)}; export again")
    height, width, _ = runtime.input_shape
    predictions = []
    for image in map(Path, images):
        picture = pictures.read(image, height=height, width=width)
        probabilities = runtime.predict(picture.pixels[None])[0]
        likeliest = (-probabilities).argsort(kind="stable")[:top]
        predictions.append(
            Prediction(
                image=image,
                model=choice.path,
                variant=choice.variant,
                runtime=runtime.name,
                preparation=picture.preparation,
                answers=tuple((labels[number], float(probabilities[number])) for number in likeliest),
            )
        )
    return predictions
