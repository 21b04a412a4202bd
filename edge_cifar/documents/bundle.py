"""A bundle: the folder that travels to a device, its artifacts, and the manifest that vouches for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_cifar.documents import schema
from edge_cifar.documents.accuracy import Accuracy, DataSource, drop_from_json
from edge_cifar.documents.fields import Fields
from edge_cifar.errors import BundleError, UsageError
from edge_cifar.evaluation.paired import PairedDrop
from edge_cifar.storage import files
from edge_cifar.variant import Variant

MANIFEST = "manifest.json"
REFERENCE = "reference.npz"
ACTIVATIONS = "activations.npz"


@dataclass(frozen=True, kw_only=True)
class ParityCheck:
    """What export's comparison of an artifact with the Keras model said. What was not measured is None.

    Attributes:
        status: ``checked``, or ``unverified`` where no runtime for it could run.
        runtime: what gave its answers.
        split: which images were compared, such as ``validation``.
        images: how many.
        reason: why it has no figures.
        max_abs_diff: largest difference of a probability.
        top1_agreement: share of images with the Keras model's class, 0..1.
        accuracy: of the artifact.
        drop: accuracy lost against the Keras model on the same images.
    """

    status: str | None
    runtime: str | None
    split: str | None
    images: int | None
    reason: str | None
    max_abs_diff: float | None
    top1_agreement: float | None
    accuracy: Accuracy | None
    drop: PairedDrop | None

    @classmethod
    def from_json(cls, fields: Fields) -> ParityCheck:
        """Read the ``parity`` of a manifest's entry.

        Raises:
            BundleError: a value has another type.
        """
        return cls(
            status=fields.text("status"),
            runtime=fields.text("runtime") or fields.text("method"),
            split=fields.text("split"),
            images=fields.whole("images"),
            reason=fields.text("reason"),
            max_abs_diff=fields.number("max_abs_diff"),
            top1_agreement=fields.number("top1_agreement"),
            accuracy=fields.optional("accuracy", Accuracy.from_json),
            drop=fields.optional("drop", drop_from_json),
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
        facts: the rest of its manifest entry (input, output, calibration, parity, tool_versions).
    """

    path: Path
    variant: Variant
    sha256: str
    size_bytes: int
    labels: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parity(self) -> ParityCheck:
        """What export's comparison with the Keras model said of it.

        Raises:
            BundleError: a value in it has another type.
        """
        where = f"the manifest's entry of {self.variant}"
        return ParityCheck.from_json(Fields(dict(self.facts), where).child("parity"))

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
        return {
            "variant": str(self.variant),
            "file": self.path.name,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "labels": list(self.labels),
            **self.facts,
        }


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
class Bundle:
    """A folder of artifacts with one manifest.

    Attributes:
        path: the folder.
        model: name of the run it was exported from.
        artifacts: those that passed their checks, in manifest order.
        facts: the rest of the manifest (data, labels, reference, rejected, ...).
        manifest_sha256: checksum of the manifest that this was read from; None for a bundle yet to be written.
    """

    path: Path
    model: str
    artifacts: tuple[Artifact, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    manifest_sha256: str | None = None

    @property
    def reference_path(self) -> Path:
        """Images, labels and the Keras model's probabilities (see :mod:`edge_cifar.documents.reference`)."""
        return self.path / REFERENCE

    @property
    def activations_path(self) -> Path:
        """What the Keras model's layers answer to a few of them (see :mod:`edge_cifar.documents.activations`)."""
        return self.path / ACTIVATIONS

    @property
    def data(self) -> DataSource | None:
        """Where its images come from; None where the manifest does not tell.

        Raises:
            BundleError: the manifest tells it in values of other types.
        """
        return DataSource.from_json(Fields(dict(self.part("data")), str(self.path / MANIFEST), "data"))

    @property
    def source_sha256(self) -> str | None:
        """Checksum of the Keras model that it was made from; None where the manifest does not tell."""
        checksum = self.part("source").get("sha256")
        return checksum if isinstance(checksum, str) else None

    @property
    def checksums(self) -> Checksums:
        """What a result about this bundle carries."""
        return Checksums(manifest_sha256=self.manifest_sha256, source_sha256=self.source_sha256)

    def contents(self) -> dict[str, str | None]:
        """Checksums of its files as they stand there now, by name; None for what is missing or cannot be read."""
        listed = (artifact.path for artifact in self.artifacts)
        return {
            path.name: _checksum(path)
            for path in (self.path / MANIFEST, self.reference_path, self.activations_path, *listed)
        }

    def demand_unchanged(self, before: Mapping[str, str | None]) -> None:
        """Hold the bundle to what it was when a command began to work with it.

        Args:
            before: what :meth:`contents` said then.

        Raises:
            BundleError: something in it is another now, so that what was found out is of two bundles.
        """
        if self.manifest_sha256 not in (None, before[MANIFEST]) or self.contents() != before:
            raise BundleError(
                f"the bundle {self.path} was replaced while this command was using it; run the command again"
            )

    def part(self, name: str) -> Mapping[str, Any]:
        """An object in the manifest that an older or foreign bundle may lack; empty where it does."""
        part = self.facts.get(name)
        return part if isinstance(part, dict) else {}

    @classmethod
    def open(cls, path: Path) -> Bundle:
        """Read a bundle's manifest; nothing in it is trusted before it was looked at.

        Raises:
            BundleError: there is no manifest, it is broken, or it points outside its folder.
        """
        # Before it is read: one that is replaced meanwhile is found to be another later, not taken for this one.
        checksum = _checksum(path / MANIFEST)
        document = files.read_json(path / MANIFEST, "manifest")
        manifest = schema.opened(document, str(path / MANIFEST), "bundle", _upgraded).plain()
        try:
            artifacts = tuple(_artifact(path, entry) for entry in manifest["artifacts"])
            model = _printable(manifest["model"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, UsageError) as error:
            raise BundleError(f"{path / MANIFEST} is damaged ({error!r}); export again") from error
        facts = {key: value for key, value in manifest.items() if key not in ("kind", "schema", "model", "artifacts")}
        return cls(path=path, model=model, artifacts=artifacts, facts=facts, manifest_sha256=checksum)

    def to_json(self) -> dict[str, Any]:
        """The manifest as JSON holds it."""
        return {
            "kind": "bundle",
            "schema": schema.SCHEMA,
            "model": self.model,
            **self.facts,
            "artifacts": [artifact.to_json() for artifact in self.artifacts],
        }

    def write_manifest(self) -> None:
        """Write the manifest, whole."""
        files.write_json(self.path / MANIFEST, self.to_json())


def _upgraded(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest of schema 1: the run's accuracy was ``accuracy``, and figures of a comparison had no images."""
    test = manifest.get("test")
    if isinstance(test, dict) and "accuracy" in test:
        test = {"top1": test["accuracy"], **{key: value for key, value in test.items() if key != "accuracy"}}
    return {
        **manifest,
        **({"test": test} if test else {}),
        **{
            key: [_upgraded_entry(entry) for entry in manifest[key]]
            for key in ("artifacts", "rejected")
            if key in manifest
        },
    }


def _upgraded_entry(entry: Any) -> Any:
    parity = entry.get("parity") if isinstance(entry, dict) else None
    if not isinstance(parity, dict):
        return entry
    told = {"images": parity.get("images")}
    figures = {key: {**parity[key], **told} for key in ("accuracy", "drop") if isinstance(parity.get(key), dict)}
    return {**entry, "parity": {**parity, **figures}}


def _checksum(path: Path) -> str | None:
    try:
        return files.sha256(path)
    except OSError:
        return None


def _printable(value: object) -> str:
    text = str(value)
    if not text.isprintable():
        raise ValueError(f"{text!r} is not printable")
    return text


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is not an integer")
    return value


def _artifact(folder: Path, entry: Mapping[str, Any]) -> Artifact:
    known = ("variant", "file", "sha256", "size_bytes", "labels")
    return Artifact(
        path=files.inside(folder, str(entry["file"])),
        variant=Variant.parse(_printable(entry["variant"])),
        sha256=str(entry["sha256"]),
        size_bytes=_whole(entry["size_bytes"]),
        labels=tuple(str(label) for label in entry["labels"]),
        facts={key: value for key, value in entry.items() if key not in known},
    )
