"""``verify``: every artifact of a bundle against the Keras model it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge_cifar import files
from edge_cifar.errors import UsageError
from edge_cifar.parity.bundle import verify_bundle
from edge_cifar.parity.verification import Verification
from edge_cifar.progress import SILENT, Progress
from edge_cifar.steps._bundles import Target, open_bundle, run_of

RESULT = "verify.json"


def verify(target: Target = None, *, images: int | None = None, progress: Progress = SILENT) -> list[Verification]:
    """Hold every artifact against the Keras model's probabilities, by the images in the bundle.

    Needs neither TensorFlow nor the data set. Each artifact answers in a process of its own, so
    that one that crashes its runtime costs only itself.

    Args:
        target: a bundle, a run (its export), the folder of either, or None for the newest run.
        images: how many of the bundle's images, from the first; all when left out.
        progress: told of each artifact that is done.

    Returns:
        One outcome an artifact, in the manifest's order. Nothing is raised for an artifact that fails.

    Raises:
        UsageError: ``images`` is no positive number.
        RunError: there is no such run, or it was not exported.
        BundleError: there is no bundle, or its manifest or reference is broken.
    """
    if images is not None and images < 1:
        raise UsageError(f"images must be at least 1; got {images}")
    bundle = open_bundle(target)
    outcomes = verify_bundle(bundle, images=images, progress=progress)
    run = run_of(bundle)
    if run is not None:
        files.write_json(run.path / RESULT, document(outcomes))
    return outcomes


def document(outcomes: Sequence[Verification]) -> dict[str, Any]:
    """The outcomes as the one JSON document that ``verify --json`` prints."""
    return {"results": [outcome.document() for outcome in outcomes]}
