"""What ``verify`` found in an artifact's file: its constants and its ranges."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edge_cifar.documents.accuracy import variant_from_json
from edge_cifar.documents.fields import Fields
from edge_cifar.variant import Variant


@dataclass(frozen=True, kw_only=True)
class WeightsCheck:
    """An artifact's network and constants held against those of the fp32 artifact of the same weights.

    Attributes:
        compared_with: that artifact.
        operations: how many operations were compared; None in reports of before they were.
        constants: how many tensors were.
        proven: whether all are what they should be.
    """

    compared_with: Variant
    operations: int | None
    constants: int
    proven: bool

    def to_json(self) -> dict[str, Any]:
        """The attributes by their names."""
        return {
            "compared_with": str(self.compared_with),
            "operations": self.operations,
            "constants": self.constants,
            "proven": self.proven,
        }

    @classmethod
    def from_json(cls, fields: Fields) -> WeightsCheck:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value is missing or has another type.
        """
        return cls(
            compared_with=variant_from_json(fields, "compared_with"),
            operations=fields.whole("operations"),
            constants=fields.required_whole("constants"),
            proven=bool(fields.flag("proven")),
        )


@dataclass(frozen=True, kw_only=True)
class RangesCheck:
    """An artifact's quantized values held to the ranges in its manifest.

    Attributes:
        held: how many were.
        held_to_calibration: how many of them were held to what calibration images showed, besides.
        reason: why none was, where some should have been.
    """

    held: int
    held_to_calibration: int
    reason: str | None

    def to_json(self) -> dict[str, Any]:
        """The attributes by their names."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Fields) -> RangesCheck:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value is missing or has another type.
        """
        return cls(
            held=fields.required_whole("held"),
            held_to_calibration=fields.required_whole("held_to_calibration"),
            reason=fields.text("reason"),
        )
