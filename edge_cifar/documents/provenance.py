"""Where a result comes from: what made it, where and when, and the bundle that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from edge_cifar import packages, provenance
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


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What made a result, and when. What is not known is None or empty.

    Attributes:
        commit: of the source tree, with ``+`` where the code differed from it.
        command: the command line.
        measured_at: ISO 8601, in UTC.
        versions: of the packages that matter to it.
    """

    commit: str | None = None
    command: str | None = None
    measured_at: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def now(cls, *distributions: str) -> Provenance:
        """Of what is measured by this process.

        Args:
            distributions: those whose versions matter to it; those that are not installed are left out.
        """
        return cls(
            commit=provenance.commit(),
            command=provenance.command(),
            measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=packages.versions(*distributions),
        )

    def to_json(self) -> dict[str, Any]:
        """The attributes by their names."""
        return {
            "commit": self.commit,
            "command": self.command,
            "measured_at": self.measured_at,
            "versions": dict(self.versions),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> Provenance:
        """Read what :meth:`to_json` writes, from among a report's other values.

        Raises:
            BundleError: a value has another type.
        """
        return cls(
            commit=fields.text("commit"),
            command=fields.text("command"),
            measured_at=fields.text("measured_at"),
            versions={name: str(version) for name, version in fields.child("versions").plain().items()},
        )


@dataclass(frozen=True, kw_only=True)
class Origin:
    """All that a verification tells of itself: a result that a later report keeps takes it along.

    Attributes:
        provenance: what made it, and when.
        machine: what it was made on.
        bundle: checksums of the bundle that it is about; None where that was not told.
    """

    provenance: Provenance = Provenance()
    machine: Mapping[str, Any] = field(default_factory=dict)
    bundle: Checksums | None = None

    def to_json(self) -> dict[str, Any]:
        """The provenance's attributes, ``machine``, and ``bundle`` where it is known."""
        bundle = {"bundle": self.bundle.to_json()} if self.bundle else {}
        return {**self.provenance.to_json(), "machine": dict(self.machine), **bundle}

    @classmethod
    def from_json(cls, fields: Fields) -> Origin:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value has another type.
        """
        return cls(
            provenance=Provenance.from_json(fields),
            machine=fields.child("machine").plain(),
            bundle=fields.optional("bundle", Checksums.from_json),
        )
