"""Images whose predicted class changed by conversion, with the predictions of the Keras model and the artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.documents.verification import Verification
from edge_cifar.documents.verify_figures import Change
from edge_cifar.errors import BundleError
from edge_cifar.report.examples import png

COUNT = 12


@dataclass(frozen=True, kw_only=True)
class Changed:
    """One image: a PNG in base64, its number in the bundle, its true class, and the predicted classes.

    Attributes:
        reference: the Keras model's class.
        artifacts: (variant, class) of each artifact that predicts another.
    """

    png: str
    number: int
    label: str
    reference: str
    artifacts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The images of one bundle.

    Attributes:
        model: the run's name.
        summary: a sentence on how many images changed, by artifact.
        rows: those that changed in the most artifacts, at most :data:`COUNT`.
    """

    model: str
    summary: str
    rows: tuple[Changed, ...]


def of_bundle(bundle: Bundle, verified: Iterable[Verification]) -> Changes | None:
    """The images for which an artifact predicts another class than the Keras model; None if there are none.

    Args:
        bundle: contains the images.
        verified: the results of ``verify``, of any models.

    Raises:
        BundleError: the bundle's reference is missing or damaged, or the results are about another bundle.
    """
    known = {artifact.variant for artifact in bundle.artifacts}
    counts: dict[str, int] = {}
    found: dict[int, list[tuple[str, Change]]] = {}
    for result in verified:
        if result.model != bundle.model or result.variant not in known or result.figures is None:
            continue
        for change in result.figures.changed:
            variant = str(result.variant)
            counts[variant] = counts.get(variant, 0) + 1
            found.setdefault(change.image, []).append((variant, change))
    if not found:
        return None
    images = Reference.read(bundle.reference_path).images
    chosen = sorted(found, key=lambda number: (-len(found[number]), number))[:COUNT]
    rows = []
    for number in chosen:
        (_, first), *_ = found[number]
        if not 0 <= number < len(images):
            raise BundleError(
                f"the verification of {bundle.model} refers to image {number}, but {bundle.path} has only "
                f"{len(images)}; run verify again"
            )
        rows.append(
            Changed(
                png=png(images[number]),
                number=number,
                label=first.label,
                reference=first.reference,
                artifacts=tuple((variant, change.artifact) for variant, change in found[number]),
            )
        )
    return Changes(model=bundle.model, summary=_summary(bundle, counts, len(found)), rows=tuple(rows))


def view(changes: Sequence[Changes]) -> list[Mapping[str, object]]:
    """The changes as the page shows them."""
    return [
        {
            "model": one.model,
            "summary": one.summary,
            "rows": [
                {
                    "png": row.png,
                    "number": row.number,
                    "label": row.label,
                    "reference": row.reference,
                    "right": row.reference == row.label,
                    "artifacts": [
                        {"variant": variant, "label": label, "right": label == row.label}
                        for variant, label in row.artifacts
                    ],
                }
                for row in one.rows
            ],
        }
        for one in changes
    ]


def _summary(bundle: Bundle, counts: Mapping[str, int], images: int) -> str:
    by_artifact = ", ".join(f"{variant} on {count}" for variant, count in counts.items())
    return (
        f"On {images} of the bundle's images, at least one artifact of {bundle.model} predicts another class than the "
        f"Keras model: {by_artifact}."
    )
