"""Where an artifact diverges from the Keras model, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

from edge_cifar.documents.activations import Activations
from edge_cifar.documents.drift import Drift, LayerOutcome, LayerState
from edge_cifar.parity.matching import Match
from edge_cifar.variant import Variant

# Largest error of a layer, as a share of the standard deviation of its output. Of a single layer nothing follows:
# these do not fail an artifact; they show where one that fails, or drifts, diverges from the model.
_TOLERANCES = {
    # The same arithmetic in another order: 5e-6 was measured for MobileNetV2, and more layers add more.
    "fp32": 1e-3,
    # Every value rounded to 11 bits after every operation: 1.2e-2 was measured for MobileNetV2.
    "fp16": 5e-2,
}
# Eight bits and fewer: 0.07 was measured for ResNet8 in int8, 0.27 for MobileNetV2, 0.37 for ResNet8 in 4 bits.
# Half of what tells the layer's outputs from one another lies beyond all of them.
_QUANTIZED = 0.5


def tolerance_for(variant: Variant) -> float:
    """Largest error of a layer that a variant's precision explains."""
    return _TOLERANCES.get(variant.precision, _QUANTIZED)


def drift(variant: Variant, activations: Activations, matches: Sequence[Match]) -> Drift:
    """Evaluate every layer by its match.

    Args:
        variant: the artifact's.
        activations: the Keras model's layers.
        matches: one a layer that has a value in the artifact, in order.
    """
    tolerance = tolerance_for(variant)
    harmless = _harmless(activations, {match.layer for match in matches if match.error <= tolerance})
    # A value unlike its layer, behind which all is well, is another one: such as a sum before its bias is added.
    found = {match.layer: match for match in matches if match.error <= tolerance or match.layer not in harmless}
    behind = _with_a_match_behind(activations, set(found))
    outcomes = []
    for number, layer in enumerate(activations.layers):
        match = found.get(number)
        if match is None:
            state: LayerState = "merged" if number in behind else "lost"
            outcomes.append(LayerOutcome(name=layer.name, kind=layer.kind, state=state))
            continue
        outcomes.append(
            LayerOutcome(
                name=layer.name,
                kind=layer.kind,
                state="same" if match.error <= tolerance else "apart",
                value=match.value,
                error=match.error,
                max_abs_diff=match.max_abs_diff,
            )
        )
    return Drift(variant=variant, tolerance=tolerance, images=activations.images, layers=tuple(outcomes))


def _harmless(activations: Activations, within: set[int]) -> set[int]:
    """Layers within the tolerance, and those from which nothing but such layers is computed."""
    readers: dict[int, set[int]] = {}
    for number, layer in enumerate(activations.layers):
        for source in layer.sources:
            readers.setdefault(source, set()).add(number)
    found = set(within)
    for number in reversed(range(len(activations.layers))):
        if number in readers and readers[number] <= found:
            found.add(number)
    return found


def _with_a_match_behind(activations: Activations, matched: set[int]) -> set[int]:
    """Layers from which a layer with a match is computed."""
    found: set[int] = set()
    for number in reversed(range(len(activations.layers))):
        if number in matched or number in found:
            found.update(activations.layers[number].sources)
    return found
