"""The last stage: what a bundle contains besides its artifacts: the reference, labels, model card and manifest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_cifar.data import calibration as calibration_sample
from edge_cifar.documents.activations import IMAGES as ACTIVATION_IMAGES
from edge_cifar.documents.bundle import ACTIVATIONS, REFERENCE, Bundle, StoredFile
from edge_cifar.documents.reference import Reference
from edge_cifar.export import model_card, source_model
from edge_cifar.export.accept import Accepted
from edge_cifar.export.advice import advice
from edge_cifar.export.baseline import Baseline
from edge_cifar.export.compress import CompressedModels
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.source import Source
from edge_cifar.storage import files
from edge_cifar.visible import visible

LABELS = "labels.txt"
CARD = "README.md"


def write_reference(
    source: Source, compressed: CompressedModels, baseline: Baseline, options: ExportOptions, folder: Path
) -> Reference:
    """Write test images with the model's answers, and its activations for a few of them.

    Args:
        source: that the artifacts are made from.
        compressed: its models with compressed weights.
        baseline: the model.
        options: what was asked.
        folder: the bundle's.

    Returns:
        the images and answers.
    """
    # In random order, so that the first N are an unbiased sample too.
    kept = calibration_sample.sample(source.test, options.reference_images or len(source.test), source.seed)
    kept = np.random.default_rng(source.seed).permutation(kept)
    images, model = source.test.images[kept], baseline.loaded.source
    reference = Reference(
        images=images,
        labels=source.test.labels[kept],
        probabilities=model.runtime.predict(images),
        changed={name: source_model.load(one.model).runtime.predict(images) for name, one in compressed.done.items()},
    )
    reference.write(folder / REFERENCE)
    model.activations(images[:ACTIVATION_IMAGES]).write(folder / ACTIVATIONS)
    return reference


def draft(source: Source, baseline: Baseline, reference: Reference, folder: Path) -> Bundle:
    """The bundle before its artifacts are known.

    Args:
        source: what the artifacts are made from.
        baseline: the model that they are compared with.
        reference: what :func:`write_reference` wrote.
        folder: the bundle's.
    """
    return Bundle(
        path=folder,
        model=source.name,
        artifacts=(),
        backbone=source.facts.backbone,
        labels=source.labels,
        dataset=source.facts.data,
        test=source.facts.test,
        multiply_adds=source.facts.multiply_adds,
        source=StoredFile(file=source.model.name, sha256=source.checksums[source.model]),
        reference=StoredFile(
            file=REFERENCE,
            sha256=files.sha256(folder / REFERENCE),
            images=len(reference.labels),
            split="test",
            selection="class-balanced, in random order",
            seed=source.seed,
        ),
        activations=StoredFile(
            file=ACTIVATIONS,
            sha256=files.sha256(folder / ACTIVATIONS),
            images=min(ACTIVATION_IMAGES, len(reference.labels)),
        ),
        gate=baseline.gate.record(),
    )


def write(source: Source, draft: Bundle, accepted: Accepted) -> None:
    """Write the labels, the model card and the manifest.

    Args:
        source: what the artifacts were made from.
        draft: the bundle without them.
        accepted: the artifacts.
    """
    rejected = tuple(replace(one, way_out=f"try {advice(accepted.rejected, about=[one])}") for one in accepted.rejected)
    files.write_text(draft.path / LABELS, "".join(f"{label}\n" for label in source.labels))
    card = model_card.card(source.name, source.facts, accepted.artifacts, source.labels, rejected)
    files.write_text(draft.path / CARD, visible(card, keep="\n"))
    replace(
        draft, artifacts=accepted.artifacts, rejected=rejected, peak_memory_bytes=accepted.peak_bytes
    ).write_manifest()
