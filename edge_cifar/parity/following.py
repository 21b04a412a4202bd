"""Compare every artifact of a bundle layer by layer, using the bundle's activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge_cifar.documents.activations import Activations
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.drift import Drift
from edge_cifar.documents.verification import Verification
from edge_cifar.errors import BundleError
from edge_cifar.parity import processes
from edge_cifar.parity.layers import drift, tolerance_for
from edge_cifar.parity.matching import Match
from edge_cifar.parity.processes import Refusal
from edge_cifar.progress import SILENT, Progress
from edge_cifar.storage import files
from edge_cifar.variant import Variant


def read_activations(bundle: Bundle) -> Activations:
    """The Keras model's activations in a bundle, checked against its manifest.

    Raises:
        BundleError: it carries none, or not those that its manifest lists.
    """
    path = bundle.activations_path
    activations = Activations.read(path)
    if bundle.activations is None or bundle.activations.sha256 != files.sha256(path):
        raise BundleError(f"{path} is not the activations file in the manifest (checksum mismatch); export again")
    return activations


def with_layers(bundle: Bundle, outcomes: Sequence[Verification], *, progress: Progress = SILENT) -> list[Verification]:
    """Compare every artifact of a bundle layer by layer; a failure then says where it begins.

    Args:
        bundle: an opened bundle.
        outcomes: what came of verifying it, one an artifact; those that gave no answers are not computed again.
        progress: told of each artifact that is done.

    Raises:
        BundleError: the bundle carries no activations, or not those that its manifest lists.
    """
    activations = read_activations(bundle)
    # The activations are those of the model's own weights.
    answered = [
        number for number, outcome in enumerate(outcomes) if outcome.images and outcome.variant.compression is None
    ]
    asked = [(bundle.artifacts[number].variant.format, bundle.artifacts[number].path) for number in answered]
    with progress.bar("Comparing layer by layer", len(asked)) as advance:
        given = processes.ask_layers(
            asked, bundle.reference_path, bundle.activations_path, activations.images, answered=lambda: advance(1)
        )
    found = dict(zip(answered, given, strict=True))
    followed = []
    for number, outcome in enumerate(outcomes):
        layers = _drift(outcome.variant, activations, found.get(number))
        place = layers.sentence() if outcome.status == "fail" else None
        reason = f"{outcome.reason}; {place}" if place else outcome.reason
        followed.append(replace(outcome, layers=layers, reason=reason))
    return followed


def _drift(variant: Variant, activations: Activations, given: tuple[Match, ...] | Refusal | None) -> Drift:
    if isinstance(given, tuple):
        return drift(variant, activations, given)
    silence = "its weights were retrained" if variant.compression else "it produced no outputs"
    reason = given.reason if given else silence
    return Drift(variant=variant, tolerance=tolerance_for(variant), images=activations.images, refusal=reason)
