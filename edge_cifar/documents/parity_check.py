"""Export's comparison of an artifact with the Keras model: what was allowed, what it said, and what was rejected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from edge_cifar.documents.accuracy import Accuracy, drop_from_json, drop_to_json, variant_from_json
from edge_cifar.documents.fields import Fields
from edge_cifar.evaluation.paired import PairedDrop
from edge_cifar.variant import Variant

Status = Literal["checked", "unverified", "pass", "fail"]
"""``checked``, or ``unverified`` where no runtime could run it; the others stand in bundles of older versions."""

Check = Literal["conversion", "runtime", "answers", "accuracy", "parity", "contents"]

_STATUSES: Mapping[str, Status] = {
    "checked": "checked",
    "unverified": "unverified",
    "pass": "pass",
    "fail": "fail",
}
_CHECKS: Mapping[str, Check] = {
    "conversion": "conversion",
    "runtime": "runtime",
    "answers": "answers",
    "accuracy": "accuracy",
    "parity": "parity",
    "contents": "contents",
}


@dataclass(frozen=True, kw_only=True)
class ParityCheck:
    """An artifact's answers beside the Keras model's. What was not measured is None.

    Attributes:
        status: see :data:`Status`.
        runtime: what gave its answers.
        split: which images were compared, such as ``validation``.
        images: how many.
        reason: why it has no figures.
        max_abs_diff: largest difference of a probability.
        mean_abs_diff: mean over images and classes.
        top1_agreement: share of images with the Keras model's class, 0..1.
        kl_divergence: mean Kullback-Leibler divergence, in nats.
        accuracy: of the artifact.
        drop: accuracy lost against the Keras model on the same images.
    """

    status: Status
    runtime: str | None = None
    split: str | None = None
    images: int | None = None
    reason: str | None = None
    max_abs_diff: float | None = None
    mean_abs_diff: float | None = None
    top1_agreement: float | None = None
    kl_divergence: float | None = None
    accuracy: Accuracy | None = None
    drop: PairedDrop | None = None

    def to_json(self) -> dict[str, Any]:
        """What is known, by its name."""
        told = {
            "status": self.status,
            "runtime": self.runtime,
            "split": self.split,
            "images": self.images,
            "reason": self.reason,
            "max_abs_diff": self.max_abs_diff,
            "mean_abs_diff": self.mean_abs_diff,
            "top1_agreement": self.top1_agreement,
            "kl_divergence": self.kl_divergence,
            "accuracy": self.accuracy.to_json() if self.accuracy else None,
            "drop": drop_to_json(self.drop) if self.drop else None,
        }
        return {key: value for key, value in told.items() if value is not None}

    @classmethod
    def from_json(cls, fields: Fields) -> ParityCheck:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: there is no status, or a value has another type.
        """
        return cls(
            status=fields.choice("status", _STATUSES, "checked, unverified, pass or fail"),
            # As older versions called it.
            runtime=fields.text("runtime") or fields.text("method"),
            split=fields.text("split"),
            images=fields.whole("images"),
            reason=fields.text("reason"),
            max_abs_diff=fields.number("max_abs_diff"),
            mean_abs_diff=fields.number("mean_abs_diff"),
            top1_agreement=fields.number("top1_agreement"),
            kl_divergence=fields.number("kl_divergence"),
            accuracy=fields.optional("accuracy", Accuracy.from_json),
            drop=fields.optional("drop", drop_from_json),
        )


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """A variant that was asked for and is not in the bundle.

    Attributes:
        variant: which.
        failed: the checks that it failed; empty where an older version did not tell.
        reason: in words.
        parity: what its comparison said; None for one that was not compared.
        way_out: what to try, in words; None where that is not told.
    """

    variant: Variant
    failed: tuple[Check, ...]
    reason: str
    parity: ParityCheck | None = None
    way_out: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The manifest's entry under ``rejected``."""
        return {
            "variant": str(self.variant),
            "failed": list(self.failed),
            "reason": self.reason,
            "parity": self.parity.to_json() if self.parity else None,
            **({"way_out": self.way_out} if self.way_out else {}),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> Rejection:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value is missing or has another type.
        """
        failed = fields.texts("failed")
        if not set(failed) <= _CHECKS.keys():
            raise fields.refuse("failed", f"checks, which are {', '.join(_CHECKS)}")
        return cls(
            variant=variant_from_json(fields, "variant"),
            failed=tuple(_CHECKS[name] for name in failed),
            reason=fields.required_text("reason"),
            parity=fields.optional("parity", ParityCheck.from_json),
            way_out=fields.text("way_out"),
        )


@dataclass(frozen=True, kw_only=True)
class GateRecord:
    """How much accuracy an artifact was allowed to lose.

    Attributes:
        max_drop_points: percentage points.
        split: which images it was measured on.
        images: how many.
        gated: whether they were 500 or more; fewer can only tell a loss of several points from chance.
    """

    max_drop_points: float
    split: str
    images: int
    gated: bool

    def to_json(self) -> dict[str, Any]:
        """The attributes by their names."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Fields) -> GateRecord:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value is missing or has another type.
        """
        return cls(
            max_drop_points=fields.required_number("max_drop_points"),
            split=fields.required_text("split"),
            images=fields.required_whole("images"),
            gated=bool(fields.flag("gated")),
        )
