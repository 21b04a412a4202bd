"""A bundle: the folder that travels to a device, its artifacts, and the manifest that vouches for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edge_cifar.documents import schema, tables
from edge_cifar.documents.accuracy import DataSource, TestResult
from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.dataset import DatasetInfo
from edge_cifar.documents.fields import Fields
from edge_cifar.documents.parity_check import GateRecord, Rejection
from edge_cifar.documents.provenance import Checksums
from edge_cifar.errors import BundleError
from edge_cifar.notebook import Tabular
from edge_cifar.storage import files
from edge_cifar.tables import Table

MANIFEST = "manifest.json"
REFERENCE = "reference.npz"
ACTIVATIONS = "activations.npz"


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file that a bundle was made from or brings beside its artifacts. What is not told is None.

    Attributes:
        file: its name.
        sha256: its checksum.
        images: how many images it holds, or holds answers to.
        split: that they are from.
        selection: which of the split's images they are, in words.
        seed: that drew them.
    """

    file: str | None = None
    sha256: str | None = None
    images: int | None = None
    split: str | None = None
    selection: str | None = None
    seed: int | None = None

    def to_json(self) -> dict[str, Any]:
        """What is told, by its name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, fields: Fields) -> StoredFile:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value has another type.
        """
        return cls(
            file=fields.text("file"),
            sha256=fields.text("sha256"),
            images=fields.whole("images"),
            split=fields.text("split"),
            selection=fields.text("selection"),
            seed=fields.whole("seed"),
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class Bundle(Tabular):
    """A folder of artifacts with one manifest. What a manifest does not tell is None or empty.

    Attributes:
        path: the folder.
        model: name of the run it was exported from.
        artifacts: those that passed their checks, in manifest order.
        backbone: the network's name.
        labels: class names.
        dataset: what the network was trained on.
        test: what the Keras model reached on the test images.
        multiply_adds: of the Keras model, for one image.
        source: the model's file.
        reference: test images with the Keras model's answers (see :mod:`edge_cifar.documents.reference`).
        activations: of its layers, for a few images (see :mod:`edge_cifar.documents.activations`).
        gate: what the artifacts were allowed to lose.
        rejected: variants that were asked for and did not pass.
        peak_memory_bytes: the largest memory that the export, and each format's worker, held.
        manifest_sha256: checksum of the manifest that this was read from; None for a bundle yet to be written.
    """

    path: Path
    model: str
    artifacts: tuple[Artifact, ...]
    backbone: str | None = None
    labels: tuple[str, ...] = ()
    dataset: DatasetInfo | None = None
    test: TestResult | None = None
    multiply_adds: int | None = None
    source: StoredFile | None = None
    reference: StoredFile | None = None
    activations: StoredFile | None = None
    gate: GateRecord | None = None
    rejected: tuple[Rejection, ...] = ()
    peak_memory_bytes: Mapping[str, int] = field(default_factory=dict)
    manifest_sha256: str | None = None

    @property
    def summary(self) -> str:
        """The bundle in one line: how many artifacts, what was rejected, the Keras model's accuracy, the folder."""
        artifacts = "1 artifact" if len(self.artifacts) == 1 else f"{len(self.artifacts)} artifacts"
        rejected = f", rejected: {', '.join(str(one.variant) for one in self.rejected)}" if self.rejected else ""
        accuracy = f"; reference top-1 {100 * self.test.top1:.2f} %" if self.test else ""
        return f"{self.model}: {artifacts}{rejected}{accuracy}; {self.path}"

    def table(self) -> Table:
        """A row for each artifact: its size, and how its predictions compare with the Keras model's."""
        return tables.of_bundle(self)

    @property
    def reference_path(self) -> Path:
        """Images, labels and the Keras model's probabilities."""
        return self.path / REFERENCE

    @property
    def activations_path(self) -> Path:
        """What the Keras model's layers answer to a few of them."""
        return self.path / ACTIVATIONS

    @property
    def data(self) -> DataSource | None:
        """Where its images come from; None where the manifest does not tell."""
        return self.dataset.source if self.dataset else None

    @property
    def source_sha256(self) -> str | None:
        """Checksum of the Keras model that it was made from; None where the manifest does not tell."""
        return self.source.sha256 if self.source else None

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

    @classmethod
    def open(cls, path: Path) -> Bundle:
        """Read a bundle's manifest; nothing in it is trusted before it was looked at.

        Raises:
            BundleError: there is no manifest, it is broken, or it points outside its folder.
        """
        # Before it is read: one that is replaced meanwhile is found to be another later, not taken for this one.
        checksum = _checksum(path / MANIFEST)
        document = files.read_json(path / MANIFEST, "manifest")
        return cls.from_json(document, path, manifest_sha256=checksum)

    @classmethod
    def from_json(cls, document: Any, path: Path, *, manifest_sha256: str | None = None) -> Bundle:
        """Read what :meth:`to_json` writes, or wrote in schema 1.

        Args:
            document: the parsed manifest.
            path: the bundle's folder.
            manifest_sha256: the manifest's checksum.

        Raises:
            BundleError: it is no manifest, or a value in it is missing, has another type or points outside the folder.
        """
        fields = schema.opened(document, str(path / MANIFEST), "bundle", _upgraded)
        if not isinstance(document.get("artifacts"), list):
            raise fields.refuse("artifacts", "a list")
        peaks = fields.child("peak_memory_bytes")
        return cls(
            path=path,
            model=fields.printable("model"),
            artifacts=tuple(Artifact.from_json(entry, path) for entry in fields.children("artifacts")),
            backbone=fields.text("backbone"),
            labels=fields.texts("labels"),
            dataset=fields.optional("data", DatasetInfo.from_json),
            test=fields.optional("test", TestResult.from_json),
            multiply_adds=fields.whole("multiply_adds"),
            source=fields.optional("source", StoredFile.from_json),
            reference=fields.optional("reference", StoredFile.from_json),
            activations=fields.optional("activations", StoredFile.from_json),
            gate=fields.optional("gate", GateRecord.from_json),
            rejected=tuple(map(Rejection.from_json, fields.children("rejected"))),
            peak_memory_bytes={name: peaks.required_whole(name) for name in peaks.plain()},
            manifest_sha256=manifest_sha256,
        )

    def to_json(self) -> dict[str, Any]:
        """The manifest as JSON holds it."""
        return {
            "kind": "bundle",
            "schema": schema.SCHEMA,
            "model": self.model,
            "backbone": self.backbone,
            "labels": list(self.labels),
            "data": self.dataset.to_json() if self.dataset else None,
            "test": self.test.to_json() if self.test else None,
            "multiply_adds": self.multiply_adds,
            "source": self.source.to_json() if self.source else None,
            "reference": self.reference.to_json() if self.reference else None,
            "activations": self.activations.to_json() if self.activations else None,
            "gate": self.gate.to_json() if self.gate else None,
            "rejected": [rejection.to_json() for rejection in self.rejected],
            "peak_memory_bytes": dict(self.peak_memory_bytes),
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
