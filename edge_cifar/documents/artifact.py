"""An artifact of a bundle, and what its manifest entry tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_cifar.documents.accuracy import variant_from_json
from edge_cifar.documents.conversion_record import ConversionRecord, range_from_json
from edge_cifar.documents.fields import Fields
from edge_cifar.documents.parity_check import ParityCheck
from edge_cifar.errors import BundleError
from edge_cifar.preprocessing import Range
from edge_cifar.storage import files
from edge_cifar.variant import Variant
from edge_cifar.visible import visible


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
    conversion: ConversionRecord = field(default_factory=ConversionRecord)
    retraining: Mapping[str, Any] | None = None
    gzip_bytes: int | None = None
    reproducible: bool | None = None
    not_reproducible_because: str | None = None
    parity: ParityCheck | None = None
    tool_versions: Mapping[str, str] = field(default_factory=dict)
    ranges: tuple[Range, ...] = ()

    def __repr__(self) -> str:
        return f"<Artifact {self.variant}: {self.size_bytes:,} bytes; {visible(str(self.path))}>"

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
            ranges=tuple(range_from_json(fields, "ranges", one) for one in fields.items("ranges")),
            # The last, which takes what is left.
            conversion=ConversionRecord.from_json(fields),
        )
