"""From a user's targets to the subjects that ``bench`` measures, with their evaluation images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from edge_cifar.arguments import as_int_or_all, flattened
from edge_cifar.bench.evaluation_set import EvaluationSet
from edge_cifar.bench.probe import input_size
from edge_cifar.bench.subject import Subject
from edge_cifar.data import Dataset, calibration
from edge_cifar.data.class_order import in_order
from edge_cifar.data.loading import is_folder, load
from edge_cifar.documents.accuracy import DataSource
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, DataError, UsageError
from edge_cifar.model_options import ModelOptions
from edge_cifar.parity.verify import read_reference
from edge_cifar.progress import SILENT, Progress
from edge_cifar.run_data import kept_with
from edge_cifar.steps.bundles import of_run, run_of
from edge_cifar.steps.targets import ModelFile, Target, resolve_all

Count = int | Literal["all"] | None


def find_subjects(
    targets: Sequence[Target | Iterable[Target]],
    *,
    images: Count = None,
    data: str | None = None,
    data_dir: Path | str | None = None,
    options: ModelOptions | None = None,
    with_keras: bool = False,
    progress: Progress = SILENT,
) -> tuple[list[Subject], list[Bundle]]:
    """Everything to be measured, and the bundles among the targets.

    Args:
        targets: as :func:`edge_cifar.steps.bench.bench` takes them.
        images: likewise.
        data: likewise.
        data_dir: likewise.
        options: of model files made elsewhere; its image size is that of a folder's pictures for bundles, too.
        with_keras: whether to measure the Keras models of the runs that bundles stand in.
        progress: receives progress messages of a download.
    """
    count = as_int_or_all("--images", images)
    if count is not None and count < 1:
        raise UsageError(f"--images must be at least 1, or all; got {images}")
    images = images if count is None else count
    if data is None and data_dir is not None:
        data = "cifar10"
    folder = data is not None and is_folder(data)
    options = options or ModelOptions()
    image_size, options = options.image_size, replace(options, image_size=None)

    @cache
    def dataset(name: str, size: int | tuple[int, int] | None) -> Dataset:
        """The images named by ``data``: a folder's, resized, or those of a registered set."""
        return load(name, data_dir=data_dir, image_size=size, progress=progress)

    def given(
        size: int | tuple[int, int] | None, labels: tuple[str, ...] = (), told: bool = False
    ) -> EvaluationSet | None:
        """Some of them, with their classes in the order of a model's that has them all.

        Where a user tells the model's, it must.
        """
        if data is None:
            return None
        found = dataset(data, size)
        if told and len(labels) > 1:
            return _of_dataset(in_order(found, labels, by_number=not folder), images)
        known = set(found.labels) <= set(labels)
        return _of_dataset(in_order(found, labels, by_number=False) if known else found, images)

    def of_bundle(bundle: Bundle) -> list[Subject]:
        size = image_size or _size(bundle)
        return _of_bundle(bundle, given(size if folder else None, bundle.labels), images, with_keras, progress)

    bundles: list[Bundle] = []
    subjects: list[Subject] = []
    for found in resolve_all(flattened(targets) or [None], options):
        if not isinstance(found, ModelFile):
            bundles.append(of_run(found) if isinstance(found, Run) else found)
            subjects += of_bundle(bundles[-1])
        elif found.bundle is not None:
            subjects += of_bundle(found.bundle)
        elif found.run is not None:
            told = found.run.record().data
            known_by = given(image_size or (told.size if folder else None), told.labels)
            subjects.append(Subject(model=found.run.name, path=found.path, accuracy_on=known_by, of_run=True))
        else:
            subjects.append(_of_foreign(found, given, folder, image_size))
    if image_size is not None and not folder and not any(subject.bare for subject in subjects):
        raise UsageError("--image-size only applies to a folder of images given by --data")
    if not subjects:
        raise BundleError("nothing to measure: the bundle contains no artifacts; export again")
    return subjects, bundles


def _size(bundle: Bundle) -> tuple[int, int] | None:
    """Height and width of the images that a bundle was made from; None if its manifest does not say."""
    return bundle.dataset.size if bundle.dataset else None


def _of_foreign(
    file: ModelFile,
    given: Callable[[tuple[int, int] | None, tuple[str, ...], bool], EvaluationSet | None],
    folder: bool,
    image_size: tuple[int, int] | None,
) -> Subject:
    """A file made elsewhere, with a folder's pictures at the size that it takes."""
    options = file.options.over(ModelOptions(image_size=image_size))
    subject = Subject(model=file.path.stem, path=file.path, options=options)
    size = None
    if folder:
        size = image_size or input_size(file.path, subject.setup) or subject.setup.image_size
    return replace(subject, accuracy_on=given(size, options.labels or (), options.labels is not None))


def _of_bundle(
    bundle: Bundle, given: EvaluationSet | None, images: Count, with_keras: bool, progress: Progress
) -> list[Subject]:
    agreement_on = _reference(bundle, images)
    common: dict[str, Any] = {
        "model": bundle.model,
        "accuracy_on": given or _whole_test_set(bundle, agreement_on, images, progress) or agreement_on,
        "agreement_on": agreement_on,
        "caveat": _caveat(bundle),
        "multiply_adds": bundle.multiply_adds,
    }
    subjects = [Subject(path=artifact.path, artifact=artifact, **common) for artifact in bundle.artifacts]
    run = run_of(bundle) if with_keras else None
    return [Subject(path=run.model_path, of_run=True, **common), *subjects] if run else subjects


def _reference(bundle: Bundle, images: Count) -> EvaluationSet | None:
    """The images in the bundle; None if they were not copied along."""
    if not bundle.reference_path.exists():
        return None
    reference = read_reference(bundle, images if isinstance(images, int) else None)
    return EvaluationSet(
        images=reference.images,
        labels=reference.labels,
        classes=reference.probabilities.shape[1],
        names=bundle.labels,
        reference=reference.probabilities,
        data=bundle.data,
    )


def _whole_test_set(
    bundle: Bundle, brought: EvaluationSet | None, images: Count, progress: Progress
) -> EvaluationSet | None:
    """The test set of the bundle's own data, if more images are requested than the bundle contains."""
    if images is None or (brought is not None and isinstance(images, int) and images <= len(brought.images)):
        return None
    told = bundle.dataset
    if told is None:
        raise BundleError(f"{bundle.path} does not name its data set; name it with --data")
    if brought is not None and told.test_images == len(brought.images):
        return None
    seed = (bundle.reference.seed if bundle.reference else None) or 0
    size = _size(bundle) if is_folder(told.name) else None
    kept = kept_with(run_of(bundle), told.name)
    dataset = load(told.name, data_dir=kept, seed=seed, limit=told.limit, image_size=size, progress=progress)
    if dataset.checksum != told.checksum:
        raise DataError(
            f"the {dataset.name} images found are not those {bundle.model} was made from; choose a data set with "
            "--data, or omit --images"
        )
    return _of_dataset(in_order(dataset, bundle.labels, by_number=not is_folder(told.name)), images)


def _of_dataset(dataset: Dataset, images: Count) -> EvaluationSet:
    """The test images of a data set, or a class-balanced part of them."""
    test = dataset.test
    if isinstance(images, int) and images < len(test):
        test = test.take(calibration.sample(test, images, seed=0))
    return EvaluationSet(
        images=test.images,
        labels=test.labels,
        classes=len(dataset.labels),
        names=tuple(dataset.labels),
        data=DataSource(name=dataset.name, checksum=dataset.checksum, synthetic=dataset.synthetic),
    )


def _caveat(bundle: Bundle) -> str | None:
    """Why the accuracy is meaningless: weights of a limited training only serve to measure cost."""
    if bundle.dataset is None or bundle.dataset.limit is None:
        return None
    return f"trained on {bundle.dataset.train_images or 0:,} images only"
