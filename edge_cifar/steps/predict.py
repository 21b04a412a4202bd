"""``predict``: classify the user's own images."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from edge_cifar.arguments import as_tuple
from edge_cifar.classifier import Classifier, common_size
from edge_cifar.data import pictures
from edge_cifar.data.in_memory import InMemory, Pictures, each
from edge_cifar.documents.prediction import Prediction, Predictions
from edge_cifar.errors import DataError, NoPicture, UsageError
from edge_cifar.model_options import ModelOptions, ToldOfOutput
from edge_cifar.progress import SILENT, Progress
from edge_cifar.steps import _saturation
from edge_cifar.steps.choice import choose
from edge_cifar.steps.targets import Target, resolve_all

STANDARD_INPUT = Path("-")


def predict(
    model: Target | Iterable[Target],
    images: Pictures,
    *,
    top: int = 3,
    threshold: float = 0.0,
    threads: int = 1,
    progress: Progress = SILENT,
    **told: Unpack[ToldOfOutput],
) -> Predictions:
    """Classify images.

    Args:
        model: a model file, a bundle or a run, or a list of them to compare. Of a bundle or run, the most precise
            artifact that runs on this machine is used.
        images: one or several of any size: image files in any format supported by Pillow; folders, which are searched
            recursively; ``-`` for one image on standard input; images of Pillow; arrays or tensors, ``[H, W, 3]`` for
            one image and ``[N, H, W, 3]`` for several, of integers in 0..255 or floats in 0..1.
        top: number of classes to return per image, or all if the model has fewer.
        threshold: probability in 0..1 below which a prediction is marked as unsure.
        threads: CPU threads per inference.
        progress: receives messages: which artifact was chosen, which files were skipped, what is assumed about a
            model file made elsewhere, and evidence against these assumptions.
        **told: what model files made elsewhere take and answer, as :class:`edge_cifar.model_options.Told` lists it.

    Returns:
        A list, also for a single image, with one prediction per image and model, in the given order; a notebook shows
        it as a table. An image that cannot be read has a prediction with an ``error`` and no answers, unless none can
        be read. Images in memory are named by their place, from 0 on.

    Raises:
        UsageError: ``top`` is less than 1, ``threshold`` is not in 0..1, a file is not a model, or options contradict
            each other or are told of no model made elsewhere.
        BundleError: a model is missing or damaged.
        RuntimeUnavailable: this machine has no runtime for a model.
        DataError: all images are missing, damaged or too large, a folder contains none, or an array is no image.
    """
    stream = predict_each(model, images, top=top, threshold=threshold, threads=threads, progress=progress, **told)
    predictions = Predictions(stream)
    errors = [prediction.error for prediction in predictions if prediction.error]
    if errors and len(errors) == len(predictions):
        raise DataError("; ".join(dict.fromkeys(errors)))
    return predictions


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Predictions that are made as they are asked for; iterate over it once.

    Attributes:
        images: that it is about: those named, and the files of folders.
        labels: names of all classes, of every model.
        models: how many models answer to each image, one after the other.
    """

    images: tuple[Path | int, ...]
    labels: tuple[str, ...]
    models: int
    _predictions: Iterator[Prediction]

    def __iter__(self) -> Iterator[Prediction]:
        return self._predictions


def predict_each(
    model: Target | Iterable[Target],
    images: Pictures,
    *,
    top: int = 3,
    threshold: float = 0.0,
    threads: int = 1,
    progress: Progress = SILENT,
    **told: Unpack[ToldOfOutput],
) -> Stream:
    """Classify images one by one; as :func:`predict`, but an answer is there as soon as it is known.

    Raises:
        UsageError, BundleError, RuntimeUnavailable: as :func:`predict`.
        DataError: a folder cannot be read, or an array is no image.
    """
    if top < 1:
        raise UsageError(f"top must be at least 1; got {top}")
    if not 0 <= threshold <= 1:
        raise UsageError(f"the threshold must be between 0 and 1; got {threshold:g}")
    models = resolve_all(as_tuple(model), ModelOptions.of(told, predict))
    classifiers = [_load(one, threads, progress) for one in models]
    named = [(image, _files(image)) for image in each(images)]

    def predictions() -> Iterator[Prediction]:
        for image, found in _photographs(named, common_size(classifiers), progress):
            for classifier in classifiers:
                if isinstance(found, DataError):
                    yield classifier.unread(image=image, error=str(found))
                else:
                    yield classifier.classify(found, image=image, top=top, threshold=threshold)
        for classifier in classifiers:
            for doubt in classifier.doubts():
                progress.say(doubt)

    return Stream(
        images=tuple(_name(one) for image, files in named for one in (files or (image,))),
        labels=tuple(label for classifier in classifiers for label in classifier.labels),
        models=len(classifiers),
        _predictions=predictions(),
    )


def _load(model: Target, threads: int, progress: Progress) -> Classifier:
    choice = choose(model)
    classifier = Classifier(
        choice.path,
        labels=choice.labels,
        variant=choice.variant,
        foreign=choice.foreign,
        options=choice.options,
        threads=threads,
    )
    if choice.chosen:
        progress.say(f"using {choice.variant or choice.path.name} ({classifier.runtime.name})")
    for note in classifier.notes:
        progress.say(note)
    if doubt := _saturation.doubt(choice.path):
        progress.say(f"{choice.variant or choice.path.name} {doubt}")
    return classifier


def _files(image: Path | InMemory) -> list[Path] | None:
    """The files of a folder; None where no folder was named."""
    return pictures.below(image) if isinstance(image, Path) and image.is_dir() else None


def _name(image: Path | InMemory) -> Path | int:
    return image if isinstance(image, Path) else image.number


def _photographs(
    named: Iterable[tuple[Path | InMemory, list[Path] | None]], size: tuple[int, int] | None, progress: Progress
) -> Iterator[tuple[Path | int, pictures.Photograph | DataError]]:
    """Every picture, or why it cannot be read; one by one, as each may unpack to hundreds of megabytes.

    Nobody named the files of a folder one by one: what is no picture among them is told and passed over.
    """
    for image, files in named:
        if files is None:
            yield _name(image), _photograph(image, size)
            continue
        found = False
        for file in files:
            photograph = _photograph(file, size)
            if isinstance(photograph, NoPicture):
                progress.say(f"skipped: {photograph}")
            else:
                found = True
                yield file, photograph
        if not found:
            yield _name(image), DataError(f"{image} contains no readable image")


def _photograph(image: Path | InMemory, size: tuple[int, int] | None) -> pictures.Photograph | DataError:
    try:
        if isinstance(image, InMemory):
            return image.photograph()
        if image == STANDARD_INPUT:
            content = sys.stdin.buffer.read()
            return pictures.decode(content, name="the image on standard input", target=size)
        return pictures.decode(image, target=size)
    except DataError as error:
        return error
