"""An artifact of a bundle, and what its manifest entry tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_cifar.documents.accuracy import variant_from_json
from edge_cifar.documents.fields import Fields
from edge_cifar.documents.parity_check import ParityCheck
from edge_cifar.errors import BundleError
from edge_cifar.preprocessing import Range
from edge_cifar.storage import files
from edge_cifar.variant import Variant

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
                None if one is None else _range(fields, "calibrated_ranges", one)
                for one in fields.items("calibrated_ranges")
            ),
            details=fields.rest(),
        )


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One exported file (or ``.mlpackage`` folder) and what the manifest says of it.

    Attributes:
        path: where it lies.
        variant: format and precision.
        sha256: checksum, as :func:`edge_cifar.storage.files.sha256` computes it.
        size_bytes: its size on disk.
        labels: class names, in the order of the output's probabilities.
        conversion: what its converter told.
        retraining: recipe, seed, history and steps of the training that changed its weights; None where none did.
        gzip_bytes: its size compressed; None where that was not measured.
        reproducible: whether the same run gives the same bytes again; None where that is not told.
        not_reproducible_because: why it does not; None where it does.
        parity: what export's comparison with the Keras model said; None where there was none.
        tool_versions: of the packages that made it.
        ranges: least and largest number that each quantized value can be stored as, in the order of
            :func:`edge_cifar.parity.ranges.stored`; empty where the manifest lists none.
    """

    path: Path
    variant: Variant
    sha256: str
    size_bytes: int
    labels: tuple[str, ...]
    conversion: ConversionRecord = ConversionRecord()
    retraining: Mapping[str, Any] | None = None
    gzip_bytes: int | None = None
    reproducible: bool | None = None
    not_reproducible_because: str | None = None
    parity: ParityCheck | None = None
    tool_versions: Mapping[str, str] = field(default_factory=dict)
    ranges: tuple[Range, ...] = ()

    def check(self) -> None:
        """Hold the file to its manifest entry.

        Raises:
            BundleError: the file is missing, or its size or checksum is another.
        """
        if not self.path.exists():
            raise BundleError(f"{self.path} is listed in the manifest but missing; export again")
        if files.size_bytes(self.path) != self.size_bytes or files.sha256(self.path) != self.sha256:
            raise BundleError(f"{self.path} is not the file in the manifest (checksum mismatch); export again")

    def to_json(self) -> dict[str, Any]:
        """The manifest entry of this artifact."""
        told = {
            "retraining": None if self.retraining is None else dict(self.retraining),
            "gzip_bytes": self.gzip_bytes,
            "reproducible": self.reproducible,
            "not_reproducible_because": self.not_reproducible_because,
            "parity": self.parity.to_json() if self.parity else None,
            "tool_versions": dict(self.tool_versions) or None,
            "ranges": list(map(list, self.ranges)) or None,
        }
        return {
            "variant": str(self.variant),
            "file": self.path.name,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "labels": list(self.labels),
            **self.conversion.to_json(),
            **{key: value for key, value in told.items() if value is not None},
        }

    @classmethod
    def from_json(cls, fields: Fields, folder: Path) -> Artifact:
        """Read what :meth:`to_json` writes.

        Args:
            fields: the manifest entry.
            folder: the bundle's.

        Raises:
            BundleError: a value is missing or has another type, or the file lies outside the folder.
        """
        fields.printable("variant")
        if not fields.has("labels"):
            raise fields.refuse("labels", "the names of the classes")
        versions = fields.child("tool_versions")
        return cls(
            path=files.inside(folder, fields.required_text("file")),
            variant=variant_from_json(fields, "variant"),
            sha256=fields.required_text("sha256"),
            size_bytes=fields.required_whole("size_bytes"),
            labels=fields.texts("labels"),
            retraining=fields.child("retraining").plain() or None,
            gzip_bytes=fields.whole("gzip_bytes"),
            reproducible=fields.flag("reproducible"),
            not_reproducible_because=fields.text("not_reproducible_because"),
            parity=fields.optional("parity", ParityCheck.from_json),
            tool_versions={name: versions.required_text(name) for name in versions.plain()},
            ranges=tuple(_range(fields, "ranges", one) for one in fields.items("ranges")),
            # The last, which takes what is left.
            conversion=ConversionRecord.from_json(fields),
        )


def _range(fields: Fields, key: str, told: Any) -> Range:
    if not isinstance(told, list) or len(told) != 2 or not all(isinstance(end, int | float) for end in told):
        raise fields.refuse(key, "pairs of numbers")
    return float(told[0]), float(told[1])
