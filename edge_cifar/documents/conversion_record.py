"""What a converter tells of a file that it wrote: its tensors, and what its quantization looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_cifar.documents.fields import Fields
from edge_cifar.preprocessing import Range

Seen = Range | None
"""Least and largest number of a value on the calibration images; None where nobody looked."""


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """An input or output of a file.

    Attributes:
        name: in the file.
        shape: its dimensions; a text for one that is open.
        type: ``float32``, ``uint8``, ``image`` or ``dictionary``.
        range: least and largest pixel of an input; None for an output.
        scale: what one step of a quantized tensor is worth; None for others.
        zero_point: the integer that stands for zero, likewise.
    """

    name: str
    shape: tuple[int | str, ...]
    type: str
    range: tuple[int, int] | None = None
    scale: float | None = None
    zero_point: int | None = None

    def to_json(self) -> dict[str, Any]:
        """What there is, by its name."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            **({"range": list(self.range)} if self.range else {}),
            "type": self.type,
            **({} if self.scale is None else {"scale": self.scale, "zero_point": self.zero_point}),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> TensorSpec:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value is missing or has another type.
        """
        pixels = tuple(map(int, fields.numbers("range")))
        if pixels and len(pixels) != 2:
            raise fields.refuse("range", "the least and the largest pixel")
        return cls(
            name=fields.required_text("name"),
            shape=tuple(side if isinstance(side, int) else str(side) for side in fields.items("shape")),
            type=fields.required_text("type"),
            range=(pixels[0], pixels[1]) if pixels else None,
            scale=fields.number("scale"),
            zero_point=fields.whole("zero_point"),
        )


@dataclass(frozen=True, kw_only=True)
class CalibrationRecord:
    """Which images a quantization looked at, and how.

    Attributes:
        images: how many.
        split: that they are from.
        seed: that drew them.
        indices_sha256: over their places in the split, as little-endian 64-bit integers.
        method: how ranges follow from the values seen; None where none do.
        bias_correction: whether biases were corrected by the means on these images.
    """

    images: int
    split: str
    seed: int
    indices_sha256: str
    method: str | None
    bias_correction: bool

    def to_json(self) -> dict[str, Any]:
        """The attributes by their names."""
        return {
            "images": self.images,
            "split": self.split,
            "seed": self.seed,
            "indices_sha256": self.indices_sha256,
            "method": self.method,
            "bias_correction": self.bias_correction,
        }

    @classmethod
    def from_json(cls, fields: Fields) -> CalibrationRecord:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value is missing or has another type.
        """
        return cls(
            images=fields.required_whole("images"),
            split=fields.required_text("split"),
            seed=fields.required_whole("seed"),
            indices_sha256=fields.required_text("indices_sha256"),
            method=fields.text("method"),
            bias_correction=bool(fields.flag("bias_correction")),
        )


@dataclass(frozen=True, kw_only=True)
class ConversionRecord:
    """What a converter tells of a file that it wrote.

    Attributes:
        input, output: its tensors; None where that is not told.
        calibration: what its quantization looked at; None where it looked at nothing.
        kept_float: layers that were left in floats.
        details: what only this format has, such as ``opset``.
        calibrated_ranges: what calibration images showed of each quantized value, in the order of
            :func:`edge_cifar.parity.ranges.stored`; empty where that is not known.
    """

    input: TensorSpec | None = None
    output: TensorSpec | None = None
    calibration: CalibrationRecord | None = None
    kept_float: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    calibrated_ranges: tuple[Seen, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The attributes by their names, the details among them."""
        ranges = [None if one is None else list(one) for one in self.calibrated_ranges]
        return {
            "input": self.input.to_json() if self.input else None,
            "output": self.output.to_json() if self.output else None,
            "calibration": self.calibration.to_json() if self.calibration else None,
            **({"kept_float": list(self.kept_float)} if self.kept_float else {}),
            **self.details,
            **({"calibrated_ranges": ranges} if ranges else {}),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> ConversionRecord:
        """Read what :meth:`to_json` writes; what nobody asked of ``fields`` before is taken for details.

        Raises:
            BundleError: a value has another type.
        """
        return cls(
            input=fields.optional("input", TensorSpec.from_json),
            output=fields.optional("output", TensorSpec.from_json),
            calibration=fields.optional("calibration", CalibrationRecord.from_json),
            kept_float=fields.texts("kept_float"),
            calibrated_ranges=tuple(
                None if one is None else range_from_json(fields, "calibrated_ranges", one)
                for one in fields.items("calibrated_ranges")
            ),
            details=fields.rest(),
        )


def range_from_json(fields: Fields, key: str, told: Any) -> Range:
    """One of the ranges that a list holds.

    Args:
        fields: the object that has the list.
        key: under which key.
        told: the element.

    Raises:
        BundleError: it is no pair of numbers.
    """
    if not isinstance(told, list) or len(told) != 2 or not all(isinstance(end, int | float) for end in told):
        raise fields.refuse(key, "pairs of numbers")
    return float(told[0]), float(told[1])
