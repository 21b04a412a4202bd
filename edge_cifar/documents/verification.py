"""A row of a verification: what came of verifying one artifact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from edge_cifar.documents import tables
from edge_cifar.documents.accuracy import DataSource, variant_from_json
from edge_cifar.documents.drift import Drift
from edge_cifar.documents.fields import Fields
from edge_cifar.documents.file_checks import RangesCheck, WeightsCheck
from edge_cifar.documents.provenance import Origin
from edge_cifar.documents.verify_figures import NO_FIGURES, Figures, Tolerance
from edge_cifar.notebook import Tabular
from edge_cifar.tables import Table
from edge_cifar.variant import Variant

Status = Literal["pass", "fail", "unverified"]

_STATUSES: Mapping[str, Status] = {"pass": "pass", "fail": "fail", "unverified": "unverified"}


@dataclass(frozen=True, kw_only=True, repr=False)
class Verification(Tabular):
    """What came of verifying one artifact.

    Attributes:
        model: name of the run that the bundle was exported from.
        variant: which artifact.
        sha256: of the artifact; None for one that is not what the manifest lists.
        status: ``unverified`` when no runtime for it can run on this machine.
        method: the runtime that gave, or would have given, its answers.
        images: number of images it was asked about; 0 when it gave no answers.
        tolerance: what it was held to.
        reason: one sentence saying what failed or why it is unverified; None for a pass.
        seconds: time that its answers took, start of the runtime included.
        data: where the images come from; None where the manifest does not tell.
        figures: of its answers; None when there were none to compare.
        weights: its file held against its fp32 sibling's; None where there is none, or it was not looked into.
        ranges: its values held to the ranges in its manifest; None where it was not looked into.
        layers: the Keras model's layers in it; None where nobody asked.
        backends: the runtime's other backends that were held to the same; the figures are those of its first.
        path: the file, where it was compared with another file and not with a Keras model.
        reference: the file that it was compared with then.
        origin: of the earlier report that it was kept from; None for one of its own report.
    """

    model: str
    variant: Variant
    status: Status
    method: str
    images: int
    tolerance: Tolerance
    reason: str | None
    seconds: float
    figures: Figures | None
    data: DataSource | None = None
    weights: WeightsCheck | None = None
    ranges: RangesCheck | None = None
    layers: Drift | None = None
    backends: tuple[str, ...] = ()
    sha256: str | None = None
    path: str | None = None
    reference: str | None = None
    origin: Origin | None = None

    @property
    def name(self) -> str:
        """What tables call it: its variant, or its file."""
        return self.path or str(self.variant)

    @property
    def summary(self) -> str:
        """The outcome in one line."""
        figures = self.figures
        found = f", top-1 agreement {100 * figures.top1_agreement:.2f} % on {self.images:,} images" if figures else ""
        return f"{self.path or f'{self.model} {self.variant}'}: {self.status}{found}"

    def table(self) -> Table:
        """One row."""
        return tables.of_verifications([self])

    def to_json(self) -> dict[str, Any]:
        """The row as JSON holds it; figures that could not be measured are null."""
        return {
            **({"from": self.origin.to_json()} if self.origin else {}),
            "model": self.model,
            "variant": str(self.variant),
            **({"path": self.path, "reference": self.reference} if self.path else {}),
            "sha256": self.sha256,
            "status": self.status,
            "method": self.method,
            "images": self.images,
            "data": self.data.to_json() if self.data else None,
            **(self.figures.to_json() if self.figures else NO_FIGURES),
            "weights": self.weights.to_json() if self.weights else None,
            "ranges": self.ranges.to_json() if self.ranges else None,
            "tolerance": self.tolerance.to_json(),
            "reason": self.reason,
            "seconds": round(self.seconds, 3),
            **({"backends": list(self.backends)} if self.backends else {}),
            **({"layers": self.layers.to_json()} if self.layers else {}),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> Verification:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value is missing or has another type.
        """
        variant = variant_from_json(fields, "variant")
        return cls(
            model=fields.required_text("model"),
            variant=variant,
            sha256=fields.text("sha256"),
            path=fields.text("path"),
            reference=fields.text("reference"),
            status=fields.choice("status", _STATUSES, "pass, fail or unverified"),
            method=fields.required_text("method"),
            images=fields.required_whole("images"),
            data=DataSource.from_json(fields.child("data")),
            figures=Figures.from_json(fields) if fields.has("accuracy") else None,
            weights=fields.optional("weights", WeightsCheck.from_json),
            ranges=fields.optional("ranges", RangesCheck.from_json),
            tolerance=Tolerance.from_json(fields.child("tolerance")),
            reason=fields.text("reason"),
            seconds=fields.required_number("seconds"),
            backends=tuple(map(str, fields.items("backends"))),
            layers=Drift.from_json(fields.child("layers"), variant) if fields.has("layers") else None,
            origin=fields.optional("from", Origin.from_json),
        )


class Verifications(Tabular, list[Verification]):
    """What came of verifying the artifacts of a bundle, in the manifest's order."""

    @property
    def summary(self) -> str:
        """The outcomes in one line: the model, and how many artifacts passed and failed."""
        counts = Counter(outcome.status for outcome in self)
        told = ", ".join(f"{counts[status]} {status}" for status in _STATUSES.values() if counts[status])
        models = ", ".join(dict.fromkeys(outcome.model for outcome in self))
        return f"{models}: {told}" if self else "no artifacts"

    def table(self) -> Table:
        """A row for each artifact."""
        return tables.of_verifications(self)
