"""What a bundle holds beside its artifacts: the reference, the labels, the model card, the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar.data import calibration as calibration_sample
from edge_cifar.documents.activations import IMAGES as ACTIVATION_IMAGES
from edge_cifar.documents.bundle import ACTIVATIONS, REFERENCE, Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.export import model_card
from edge_cifar.export.advice import advice
from edge_cifar.export.baseline import Baseline
from edge_cifar.export.candidates import Written
from edge_cifar.export.source import Source
from edge_cifar.run_data import RunData
from edge_cifar.storage import files
from edge_cifar.visible import visible

LABELS = "labels.txt"
CARD = "README.md"


def write_reference(
    source: Source, baseline: Baseline, data: RunData, folder: Path, reference_images: int | None
) -> tuple[Reference, dict[str, Any]]:
    """Write test images with the Keras model's answers, and its activations for a few of them.

    Args:
        source: that the artifacts are made from.
        baseline: the Keras model.
        data: the run's.
        folder: the bundle's.
        reference_images: how many test images; None for all.

    Returns:
        the images and answers, and what the manifest says of both files.
    """
    seed = source.calibration.seed
    test = data.test
    # In random order, so that the first N of them are a fair sample too.
    kept = calibration_sample.sample(test, reference_images or len(test), seed)
    kept = np.random.default_rng(seed).permutation(kept)
    images = test.images[kept]
    reference = Reference(
        images=images,
        labels=test.labels[kept],
        probabilities=baseline.predict(images),
        changed={change: baseline.predict_with(one.model, images) for change, one in source.retrained.items()},
    )
    reference.write(folder / REFERENCE)
    baseline.activations(images[:ACTIVATION_IMAGES]).write(folder / ACTIVATIONS)
    return reference, {
        "reference": {
            "file": REFERENCE,
            "sha256": files.sha256(folder / REFERENCE),
            "images": len(kept),
            "split": "test",
            "selection": "class-balanced, in random order",
            "seed": seed,
        },
        "activations": {
            "file": ACTIVATIONS,
            "sha256": files.sha256(folder / ACTIVATIONS),
            "images": min(ACTIVATION_IMAGES, len(kept)),
        },
    }


def draft(source: Source, baseline: Baseline, references: Mapping[str, Any], folder: Path) -> Bundle:
    """The bundle before its artifacts are known.

    Args:
        source: what the artifacts are made from.
        baseline: the Keras model that they are compared with.
        references: what :func:`write_reference` says for the manifest.
        folder: the bundle's.
    """
    return Bundle(
        path=folder,
        model=source.run.name,
        artifacts=(),
        facts={
            "backbone": source.record["backbone"],
            "labels": list(source.labels),
            "data": source.record["data"],
            "test": source.record["test"],
            "multiply_adds": source.record.get("multiply_adds"),
            "source": {"file": source.run.model_path.name, "sha256": source.checksums[source.run.model_path.name]},
            **references,
            "gate": baseline.yardstick.facts(),
        },
    )


def write(source: Source, draft: Bundle, written: Written) -> None:
    """Write the labels, the model card and the manifest.

    Args:
        source: what the artifacts were made from.
        draft: the bundle without them.
        written: the artifacts.
    """
    rejected = [{**one, "way_out": f"try {advice(written.rejected, about=[one])}"} for one in written.rejected]
    files.write_text(draft.path / LABELS, "".join(f"{label}\n" for label in source.labels))
    card = model_card.card(source.run.name, source.record, written.artifacts, source.labels, rejected)
    files.write_text(draft.path / CARD, visible(card, keep="\n"))
    facts = {"rejected": rejected, "peak_memory_bytes": dict(written.peak_bytes)}
    replace(draft, artifacts=written.artifacts, facts={**draft.facts, **facts}).write_manifest()
