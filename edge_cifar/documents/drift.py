"""The layers of the Keras model in an artifact, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from edge_cifar.documents.fields import Fields
from edge_cifar.variant import Variant

LayerState = Literal["same", "apart", "merged", "lost"]

_LAYER_STATES: Mapping[str, LayerState] = {"same": "same", "apart": "apart", "merged": "merged", "lost": "lost"}


@dataclass(frozen=True, kw_only=True)
class LayerOutcome:
    """One layer of the Keras model in an artifact.

    Attributes:
        name: the layer's.
        kind: its Keras class.
        state: ``same`` within the tolerance, ``apart`` beyond it; without a value of its own ``merged`` into
            a later layer that has one, ``lost`` where no later layer has.
        value: the artifact's name for it; None where it has none.
        error: root mean square of the difference, as a share of the layer's standard deviation.
        max_abs_diff: largest difference of two numbers.
    """

    name: str
    kind: str
    state: LayerState
    value: str | None = None
    error: float | None = None
    max_abs_diff: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The attributes by their names, the layer's own as ``layer``."""
        return {
            "layer": self.name,
            "kind": self.kind,
            "state": self.state,
            "value": self.value,
            "error": self.error,
            "max_abs_diff": self.max_abs_diff,
        }

    @classmethod
    def from_json(cls, fields: Fields) -> LayerOutcome:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value is missing or has another type.
        """
        return cls(
            name=fields.required_text("layer"),
            kind=fields.required_text("kind"),
            state=fields.choice("state", _LAYER_STATES, "same, apart, merged or lost"),
            value=fields.text("value"),
            error=fields.number("error"),
            max_abs_diff=fields.number("max_abs_diff"),
        )


@dataclass(frozen=True, kw_only=True)
class Drift:
    """All layers of the Keras model in one artifact.

    Attributes:
        variant: the artifact's.
        tolerance: largest error of a layer that its precision explains.
        images: how many images were compared.
        layers: in the order in which the model computes them; empty where they could not be compared.
        refusal: why they could not be, in words; None when they were.
    """

    variant: Variant
    tolerance: float
    images: int
    layers: tuple[LayerOutcome, ...] = ()
    refusal: str | None = None

    @property
    def first_apart(self) -> LayerOutcome | None:
        """The first layer beyond the tolerance; None where all are within."""
        return next((layer for layer in self.layers if layer.state in ("apart", "lost")), None)

    def sentence(self) -> str | None:
        """Where the outputs diverge from the model, in words; None where it does not."""
        first = self.first_apart
        if first is None:
            return None
        if first.state == "lost":
            return f"no tensor matches layer {first.name!r} ({first.kind}) or any later one"
        return (
            f"outputs diverge at layer {first.name!r} ({first.kind}): the error is {first.error:.2g} of its standard "
            f"deviation; the precision explains {self.tolerance:g}"
        )

    def to_json(self) -> dict[str, Any]:
        """The layers as a row holds them, which tells the variant."""
        first = self.first_apart
        return {
            "images": self.images,
            "tolerance": self.tolerance,
            "first_apart": first.name if first else None,
            "reason": self.refusal,
            "layers": [layer.to_json() for layer in self.layers],
        }

    @classmethod
    def from_json(cls, fields: Fields, variant: Variant) -> Drift:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value is missing or has another type.
        """
        return cls(
            variant=variant,
            tolerance=fields.required_number("tolerance"),
            images=fields.required_whole("images"),
            layers=tuple(map(LayerOutcome.from_json, fields.children("layers"))),
            refusal=fields.text("reason"),
        )
