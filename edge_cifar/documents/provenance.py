"""Which bundle a result is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_cifar.documents.fields import Fields


@dataclass(frozen=True, kw_only=True)
class Checksums:
    """What a result about a bundle carries, so that a reader sees whether it is about another one.

    Attributes:
        manifest_sha256: of its manifest; None for a bundle yet to be written.
        source_sha256: of the Keras model that it was made from; None where the manifest does not tell.
    """

    manifest_sha256: str | None
    source_sha256: str | None

    def to_json(self) -> dict[str, Any]:
        """``{"manifest_sha256", "source_sha256"}``."""
        return {"manifest_sha256": self.manifest_sha256, "source_sha256": self.source_sha256}

    @classmethod
    def from_json(cls, fields: Fields) -> Checksums:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a checksum is no text.
        """
        return cls(manifest_sha256=fields.text("manifest_sha256"), source_sha256=fields.text("source_sha256"))
