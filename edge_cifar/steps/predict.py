"""``predict``: classify the user's own images."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from edge_cifar.arguments import as_tuple
from edge_cifar.classifier import Classifier, Prediction
from edge_cifar.data import pictures
from edge_cifar.errors import DataError, UsageError
from edge_cifar.progress import SILENT, Progress
from edge_cifar.steps import _saturation
from edge_cifar.steps.choice import choose
from edge_cifar.steps.targets import Target

STANDARD_INPUT = Path("-")


def predict(
    model: Target | Iterable[Target],
    images: Path | str | Iterable[Path | str],
    *,
    top: int = 3,
    threshold: float = 0.0,
    threads: int = 1,
    progress: Progress = SILENT,
) -> list[Prediction]:
    """Classify images.

    Args:
        model: a model file, a bundle or a run, or a list of them to compare. Of a bundle or run, the most precise
            artifact that runs on this machine is used.
        images: image files of any size and any format supported by Pillow; folders, which are searched
            recursively; ``-`` for one image on standard input.
        top: number of classes to return per image, or all if the model has fewer.
        threshold: probability in 0..1 below which a prediction is marked as unsure.
        threads: CPU threads per inference.
        progress: receives messages: which artifact was chosen, which files were skipped, what is assumed about a
            model file made elsewhere, and evidence against these assumptions.

    Returns:
        One prediction per image and model, in the given order. An image that cannot be read has a prediction
        with an ``error`` and no answers, unless none can be read.

    Raises:
        UsageError: ``top`` is less than 1, ``threshold`` is not in 0..1, or a file is not a model.
        BundleError: a model is missing or damaged.
        RuntimeUnavailable: this machine has no runtime for a model.
        DataError: all images are missing, damaged or too large, or a folder contains none.
    """
    if top < 1:
        raise UsageError(f"top must be at least 1; got {top}")
    if not 0 <= threshold <= 1:
        raise UsageError(f"the threshold must be between 0 and 1; got {threshold:g}")
    models: tuple[Target, ...] = as_tuple(model)
    classifiers = [_load(one, threads, progress) for one in models]
    predictions: list[Prediction] = []
    for image, found in _photographs(as_tuple(images), progress):
        for classifier in classifiers:
            if isinstance(found, DataError):
                predictions.append(classifier.unread(image=image, error=str(found)))
            else:
                predictions.append(classifier.classify(found, image=image, top=top, threshold=threshold))
    errors = [prediction.error for prediction in predictions if prediction.error]
    if errors and len(errors) == len(predictions):
        raise DataError("; ".join(dict.fromkeys(errors)))
    for classifier in classifiers:
        for doubt in classifier.doubts():
            progress.say(doubt)
    return predictions


def _load(model: Target, threads: int, progress: Progress) -> Classifier:
    choice = choose(model)
    classifier = Classifier(
        choice.path, labels=choice.labels, variant=choice.variant, foreign=choice.foreign, threads=threads
    )
    if choice.chosen:
        progress.say(f"using {choice.variant or choice.path.name} ({classifier.runtime.name})")
    if classifier.assumption:
        progress.say(classifier.assumption)
    if doubt := _saturation.doubt(choice.path):
        progress.say(f"{choice.variant or choice.path.name} {doubt}")
    return classifier


def _photographs(
    images: Iterable[Path | str], progress: Progress
) -> Iterator[tuple[Path, pictures.Photograph | DataError]]:
    """Each named picture or its error, one at a time: each may decode to hundreds of megabytes."""
    for image in map(Path, images):
        if image.is_dir():
            yield from _of_folder(image, progress)
            continue
        try:
            if image == STANDARD_INPUT:
                yield image, pictures.decode(sys.stdin.buffer.read(), name="the image on standard input")
            else:
                yield image, pictures.decode(image)
        except DataError as error:
            yield image, error


def _of_folder(folder: Path, progress: Progress) -> Iterator[tuple[Path, pictures.Photograph]]:
    """The pictures in a folder; unreadable files are reported and skipped, as they were not named one by one."""
    found = False
    for path in pictures.below(folder):
        try:
            photograph = pictures.decode(path)
        except DataError as error:
            progress.say(f"skipped: {error}")
        else:
            found = True
            yield path, photograph
    if not found:
        raise DataError(f"{folder} contains no readable image")
