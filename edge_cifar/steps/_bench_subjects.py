"""What ``bench`` measures and what it asks: from a user's targets to subjects with their images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from edge_cifar.artifact import Bundle
from edge_cifar.bench.examination import Examination
from edge_cifar.bench.subject import Subject
from edge_cifar.data import Dataset, calibration
from edge_cifar.data.loading import load
from edge_cifar.errors import BundleError, DataError, UsageError
from edge_cifar.parity.bundle import read_reference
from edge_cifar.progress import Progress
from edge_cifar.run import Run
from edge_cifar.runtimes import loading
from edge_cifar.steps._bundles import open_bundle

Target = Bundle | Run | Path | str
Count = int | Literal["all"] | None


def find_subjects(
    targets: Sequence[Target], *, images: Count, data: str | None, data_dir: Path | None, progress: Progress
) -> tuple[list[Subject], list[Bundle]]:
    """Everything to be measured, and the bundles among the targets.

    Args:
        targets: as :func:`edge_cifar.steps.bench.bench` takes them.
        images: likewise.
        data: likewise.
        data_dir: likewise.
        progress: told of a download.
    """
    if isinstance(images, int) and images < 1:
        raise UsageError(f"--images must be at least 1, or all; got {images}")
    if data is None and data_dir is not None:
        data = "cifar10"
    opened = [_open(target) for target in targets] if targets else [open_bundle()]
    given = None if data is None else _of_dataset(load(data, data_dir=data_dir, progress=progress), images)
    subjects: list[Subject] = []
    for target in opened:
        if isinstance(target, Bundle):
            subjects += _of_bundle(target, given, images, progress)
        else:
            subjects.append(Subject(model=target.stem, path=target, accuracy_on=given))
    if not subjects:
        raise BundleError("there is nothing to measure: no artifact in the bundle; export again")
    return subjects, [target for target in opened if isinstance(target, Bundle)]


def _open(target: Target) -> Bundle | Path:
    """A bundle, or the path of a bare model file."""
    if isinstance(target, Bundle | Run):
        return open_bundle(target)
    path = Path(target)
    return path if path.suffix in loading.suffixes() or path.is_file() else open_bundle(path)


def _of_bundle(bundle: Bundle, given: Examination | None, images: Count, progress: Progress) -> list[Subject]:
    agreement_on = _reference(bundle, images)
    accuracy_on = given or _whole_test_set(bundle, agreement_on, images, progress) or agreement_on
    return [
        Subject(
            model=bundle.model,
            path=artifact.path,
            artifact=artifact,
            accuracy_on=accuracy_on,
            agreement_on=agreement_on,
        )
        for artifact in bundle.artifacts
    ]


def _reference(bundle: Bundle, images: Count) -> Examination | None:
    """The images that the bundle brings; None where they were not copied along."""
    if not bundle.reference_path.exists():
        return None
    reference = read_reference(bundle, images if isinstance(images, int) else None)
    facts = _facts(bundle, "data")
    return Examination(
        images=reference.images,
        labels=reference.labels,
        classes=reference.probabilities.shape[1],
        reference=reference.probabilities,
        facts={
            "name": facts.get("name"),
            "checksum": facts.get("checksum"),
            "synthetic": bool(facts.get("synthetic", False)),
        },
    )


def _whole_test_set(
    bundle: Bundle, brought: Examination | None, images: Count, progress: Progress
) -> Examination | None:
    """The test set of the bundle's own data, where more images are wanted than it brings."""
    if images is None or (brought is not None and isinstance(images, int) and images <= len(brought.images)):
        return None
    facts = _facts(bundle, "data")
    if brought is not None and facts.get("test_images") == len(brought.images):
        return None
    if "name" not in facts:
        raise BundleError(f"{bundle.path} does not tell which data it was made from; name them with --data")
    seed = _facts(bundle, "reference").get("seed", 0)
    dataset = load(str(facts["name"]), seed=seed, limit=facts.get("limit"), progress=progress)
    if dataset.checksum != facts.get("checksum"):
        raise DataError(
            f"the {dataset.name} images found are not those that {bundle.model} was made from; "
            "name others with --data, or leave --images out"
        )
    return _of_dataset(dataset, images)


def _of_dataset(dataset: Dataset, images: Count) -> Examination:
    """The test images of a data set, or a class-balanced part of them."""
    test = dataset.test
    if isinstance(images, int) and images < len(test):
        test = test.take(calibration.sample(test, images, seed=0))
    return Examination(
        images=test.images,
        labels=test.labels,
        classes=len(dataset.labels),
        facts={"name": dataset.name, "checksum": dataset.checksum, "synthetic": dataset.synthetic},
    )


def _facts(bundle: Bundle, kind: str) -> Mapping[str, Any]:
    """A part of the manifest that an older or foreign bundle may lack."""
    facts = bundle.facts.get(kind, {})
    return facts if isinstance(facts, dict) else {}
