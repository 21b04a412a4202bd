"""Whether an artifact's class names are the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence

from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.bundle import Bundle

LABELS = "labels.txt"


def wrong_labels(bundle: Bundle, artifact: Artifact, classes: int) -> str | None:
    """What is wrong with an artifact's labels in the manifest, in words; None when nothing is.

    They are held to the number of classes, to the labels of the whole bundle, and to ``labels.txt``,
    which is what an application ships.

    Args:
        bundle: the artifact's bundle.
        artifact: one of its artifacts.
        classes: how many probabilities the Keras model gives.
    """
    labels = artifact.labels
    if len(labels) != classes:
        return f"the manifest has {len(labels)} labels for it; the Keras model has {classes} classes"
    if bundle.labels and (difference := _difference(labels, bundle.labels, "the bundle")):
        return difference
    file = bundle.path / LABELS
    if file.is_file():
        return _difference(labels, file.read_text(encoding="utf-8", errors="replace").splitlines(), LABELS)
    return None


def wrong_embedded_labels(artifact: Artifact, embedded: Sequence[str] | None) -> str | None:
    """How the labels inside the file differ from the manifest's, in words; None when they do not.

    Args:
        artifact: with the manifest's labels.
        embedded: those that the file itself holds; None where it holds none.
    """
    return None if embedded is None else _difference(artifact.labels, embedded, "the model file")


def _difference(labels: Sequence[str], others: Sequence[str], place: str) -> str | None:
    for number, (label, other) in enumerate(zip(labels, others, strict=False)):
        if label != other:
            return f"class {number} is {label!r} in the manifest and {other!r} in {place}"
    if len(labels) != len(others):
        return f"the manifest has {len(labels)} labels for it; {place} has {len(others)}"
    return None
