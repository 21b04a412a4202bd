"""Images whose class changed by conversion: what the Keras model says of them, and what the artifacts do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.documents.verify_report import Change, Verification
from edge_cifar.errors import BundleError
from edge_cifar.report.examples import png

COUNT = 12


@dataclass(frozen=True, kw_only=True)
class Changed:
    """One image: a PNG in base64, its number in the bundle, its true class, and who says what.

    Attributes:
        reference: class by the Keras model.
        artifacts: class by each artifact that says another: (variant, class).
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
        summary: how many images of how many changed, by artifact; a sentence.
        rows: those that most artifacts changed, at most :data:`COUNT`.
    """

    model: str
    summary: str
    rows: tuple[Changed, ...]


def of_bundle(bundle: Bundle, verified: Iterable[Verification]) -> Changes | None:
    """The images that some artifact of a bundle calls otherwise than the Keras model; None when there are none.

    Args:
        bundle: has the images.
        verified: the results of ``verify``, of any models.

    Raises:
        BundleError: the bundle's reference is missing or damaged, or the results are of another bundle.
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
                f"the verification of {bundle.model} names image {number}, but {bundle.path} has "
                f"{len(images)}; verify again"
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
    """What the page shows of them."""
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
    by_artifact = ", ".join(f"{count} by {variant}" for variant, count in counts.items())
    return (
        f"{images} of the bundle's images have another class in at least one artifact of {bundle.model} than in its "
        f"Keras model: {by_artifact}."
    )
