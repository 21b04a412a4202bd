"""A verification as it is written and read: ``verify.json``, and what ``verify --json`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from dataclasses import fields as attributes
from pathlib import Path
from typing import Any, Literal

from edge_cifar.documents import schema
from edge_cifar.documents.accuracy import (
    Accuracy,
    DataSource,
    drop_from_json,
    drop_to_json,
    interval_from_json,
    interval_to_json,
    variant_from_json,
)
from edge_cifar.documents.fields import Fields
from edge_cifar.documents.provenance import Checksums
from edge_cifar.evaluation.metrics import Interval
from edge_cifar.evaluation.paired import PairedDrop
from edge_cifar.storage import files
from edge_cifar.variant import Variant

Status = Literal["pass", "fail", "unverified"]
LayerState = Literal["same", "apart", "merged", "lost"]

_STATUSES: Mapping[str, Status] = {"pass": "pass", "fail": "fail", "unverified": "unverified"}
_LAYER_STATES: Mapping[str, LayerState] = {"same": "same", "apart": "apart", "merged": "merged", "lost": "lost"}


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """What an artifact has to meet; None where a precision is not held to a figure.

    Attributes:
        max_abs_diff: largest difference of any probability.
        outliers: share of the images, rounded down to whole ones, that may lie farther apart;
        outlier_abs_diff: but by no more than this.
        top1_agreement: smallest share of all images with the same most probable class; one image may
            always change.
        margin: an image is confident when Keras' first probability exceeds its second by more.
        confident_agreement: smallest share of the confident images with the same class.
        max_variation: mean total variation distance between the two answers to an image (half the sum of the
            absolute differences, 0 to 1) that the 95 % interval must reach down to.
        max_calibration_shift: how far the 95 % intervals of the two calibration errors may lie apart.
        max_drop: loss of accuracy, in percentage points, that the paired 95 % interval must reach
            down to: the loss fails when it is significantly larger.
    """

    margin: float
    confident_agreement: float
    max_abs_diff: float | None = None
    outliers: float | None = None
    outlier_abs_diff: float | None = None
    top1_agreement: float | None = None
    max_variation: float | None = None
    max_calibration_shift: float | None = None
    max_drop: float | None = None

    def to_json(self) -> dict[str, float]:
        """The figures that apply."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, fields: Fields) -> Tolerance:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a figure is no number, or one that always applies is missing.
        """
        fields.required_number("margin")
        fields.required_number("confident_agreement")
        told = {one.name: fields.number(one.name) for one in attributes(cls)}
        return cls(**{name: value for name, value in told.items() if value is not None})


@dataclass(frozen=True, kw_only=True)
class Change:
    """An image whose most probable class changed.

    Attributes:
        image: its number in the reference.
        label: true class.
        reference: class by the Keras model.
        artifact: class by the artifact.
    """

    image: int
    label: str
    reference: str
    artifact: str

    @classmethod
    def from_json(cls, fields: Fields) -> Change:
        """Read the attributes by their names.

        Raises:
            BundleError: one is missing or has another type.
        """
        return cls(
            image=fields.required_whole("image"),
            label=fields.required_text("label"),
            reference=fields.required_text("reference"),
            artifact=fields.required_text("artifact"),
        )


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All figures of an artifact's answers beside the Keras model's.

    Attributes:
        max_abs_diff: largest difference of a probability.
        mean_abs_diff: mean over images and classes.
        total_variation: mean total variation distance over the images, 0 to 1; None in reports of older versions.
        top1_agreement: share of images with the same most probable class, 0..1.
        kl_divergence: mean Kullback-Leibler divergence, in nats.
        confident_margin: an image is confident when Keras' first probability exceeds its second by more.
        confident_images: how many are.
        confident_agreement: share of those with the same class.
        changed: all images whose class changed.
        accuracy: of the artifact.
        reference_accuracy: of the Keras model.
        calibration_error: of the artifact.
        reference_calibration_error: of the Keras model.
        drop: accuracy lost, paired over the images.
    """

    max_abs_diff: float
    mean_abs_diff: float
    total_variation: Interval | None
    top1_agreement: float
    kl_divergence: float
    confident_margin: float
    confident_images: int
    confident_agreement: float
    changed: tuple[Change, ...]
    accuracy: Accuracy
    reference_accuracy: Accuracy
    calibration_error: Interval
    reference_calibration_error: Interval
    drop: PairedDrop

    def to_json(self) -> dict[str, Any]:
        """The figures as a row holds them."""
        return {
            "max_abs_diff": self.max_abs_diff,
            "mean_abs_diff": self.mean_abs_diff,
            "total_variation": interval_to_json(self.total_variation) if self.total_variation else None,
            "top1_agreement": self.top1_agreement,
            "kl_divergence": self.kl_divergence,
            "confident": {
                "margin": self.confident_margin,
                "images": self.confident_images,
                "agreement": self.confident_agreement,
            },
            "changed": [asdict(change) for change in self.changed],
            "accuracy": self.accuracy.to_json(),
            "reference_accuracy": self.reference_accuracy.to_json(),
            "calibration_error": interval_to_json(self.calibration_error),
            "reference_calibration_error": interval_to_json(self.reference_calibration_error),
            "drop": drop_to_json(self.drop),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> Figures:
        """Read what :meth:`to_json` writes, from the row.

        Raises:
            BundleError: a figure is missing or has another type.
        """
        accuracy, confident = Accuracy.from_json(fields.child("accuracy")), fields.child("confident")

        def interval(name: str) -> Interval:
            return interval_from_json(fields.child(name), accuracy.images)

        return cls(
            max_abs_diff=fields.required_number("max_abs_diff"),
            mean_abs_diff=fields.required_number("mean_abs_diff"),
            total_variation=interval("total_variation") if fields.has("total_variation") else None,
            top1_agreement=fields.required_number("top1_agreement"),
            kl_divergence=fields.required_number("kl_divergence"),
            confident_margin=confident.required_number("margin"),
            confident_images=confident.required_whole("images"),
            confident_agreement=confident.required_number("agreement"),
            changed=tuple(map(Change.from_json, fields.children("changed"))),
            accuracy=accuracy,
            reference_accuracy=Accuracy.from_json(fields.child("reference_accuracy")),
            calibration_error=interval("calibration_error"),
            reference_calibration_error=interval("reference_calibration_error"),
            drop=drop_from_json(fields.child("drop")),
        )


_NO_FIGURES = dict.fromkeys(
    (
        *("max_abs_diff", "mean_abs_diff", "total_variation", "top1_agreement", "kl_divergence", "confident"),
        *("changed", "accuracy", "reference_accuracy", "calibration_error", "reference_calibration_error", "drop"),
    )
)


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


@dataclass(frozen=True, kw_only=True)
class LayerOutcome:
    """One layer of the Keras model in an artifact.

    Attributes:
        name: the layer's.
        kind: its Keras class.
        state: ``same`` within the tolerance, ``apart`` beyond it; without a value of its own ``merged`` into
            a later layer that has one, ``lost`` where no later layer has.
        value: the artifact's name for it; None where it has none.
        error: root mean square of the difference, as a share of the layer's standard deviation.
        max_abs_diff: largest difference of two numbers.
    """

    name: str
    kind: str
    state: LayerState
    value: str | None = None
    error: float | None = None
    max_abs_diff: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The attributes by their names, the layer's own as ``layer``."""
        return {
            "layer": self.name,
            "kind": self.kind,
            "state": self.state,
            "value": self.value,
            "error": self.error,
            "max_abs_diff": self.max_abs_diff,
        }

    @classmethod
    def from_json(cls, fields: Fields) -> LayerOutcome:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value is missing or has another type.
        """
        return cls(
            name=fields.required_text("layer"),
            kind=fields.required_text("kind"),
            state=fields.choice("state", _LAYER_STATES, "same, apart, merged or lost"),
            value=fields.text("value"),
            error=fields.number("error"),
            max_abs_diff=fields.number("max_abs_diff"),
        )


@dataclass(frozen=True, kw_only=True)
class Drift:
    """All layers of the Keras model in one artifact.

    Attributes:
        variant: the artifact's.
        tolerance: largest error of a layer that its precision explains.
        images: how many images were compared.
        layers: in the order in which the model computes them; empty where they could not be compared.
        refusal: why they could not be, in words; None when they were.
    """

    variant: Variant
    tolerance: float
    images: int
    layers: tuple[LayerOutcome, ...] = ()
    refusal: str | None = None

    @property
    def first_apart(self) -> LayerOutcome | None:
        """The first layer beyond the tolerance; None where all are within."""
        return next((layer for layer in self.layers if layer.state in ("apart", "lost")), None)

    def sentence(self) -> str | None:
        """Where the outputs diverge from the model, in words; None where it does not."""
        first = self.first_apart
        if first is None:
            return None
        if first.state == "lost":
            return f"no tensor matches layer {first.name!r} ({first.kind}) or any later one"
        return (
            f"outputs diverge at layer {first.name!r} ({first.kind}): the error is {first.error:.2g} of its standard "
            f"deviation; the precision explains {self.tolerance:g}"
        )

    def to_json(self) -> dict[str, Any]:
        """The layers as a row holds them, which tells the variant."""
        first = self.first_apart
        return {
            "images": self.images,
            "tolerance": self.tolerance,
            "first_apart": first.name if first else None,
            "reason": self.refusal,
            "layers": [layer.to_json() for layer in self.layers],
        }

    @classmethod
    def from_json(cls, fields: Fields, variant: Variant) -> Drift:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value is missing or has another type.
        """
        return cls(
            variant=variant,
            tolerance=fields.required_number("tolerance"),
            images=fields.required_whole("images"),
            layers=tuple(map(LayerOutcome.from_json, fields.children("layers"))),
            refusal=fields.text("reason"),
        )


@dataclass(frozen=True, kw_only=True)
class Verification:
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
        origin: where it comes from, when it was kept from an earlier report: what that report told of itself.
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
    origin: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """The row as JSON holds it; figures that could not be measured are null."""
        return {
            **({"from": dict(self.origin)} if self.origin else {}),
            "model": self.model,
            "variant": str(self.variant),
            "sha256": self.sha256,
            "status": self.status,
            "method": self.method,
            "images": self.images,
            "data": self.data.to_json() if self.data else None,
            **(self.figures.to_json() if self.figures else _NO_FIGURES),
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
            origin=fields.child("from").plain() or None,
        )


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """The verification of a bundle.

    Attributes:
        machine: what it was made on.
        results: one an artifact.
        provenance: commit, command, time and versions.
        bundle: checksums of the bundle that it is about; None where that was not told.
    """

    machine: Mapping[str, Any]
    results: Sequence[Verification]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    bundle: Checksums | None = None

    @property
    def origin(self) -> dict[str, Any]:
        """What it tells of itself: a result that a later report keeps takes that along."""
        bundle = {"bundle": self.bundle.to_json()} if self.bundle else {}
        return {**self.provenance, "machine": dict(self.machine), **bundle}

    def to_json(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return {
            "kind": "verify",
            "schema": schema.SCHEMA,
            **self.origin,
            "results": [result.to_json() for result in self.results],
        }

    @classmethod
    def from_json(cls, document: Any, file: str) -> VerifyReport:
        """Read what :meth:`to_json` writes, or wrote in schema 1.

        Args:
            document: the parsed JSON.
            file: what to call the file in an error.

        Raises:
            BundleError: it is no verify report, or a value in it is missing or has another type.
        """
        fields = schema.opened(document, file, "verify", _upgraded)
        return cls(
            machine=fields.child("machine").plain(),
            results=tuple(map(Verification.from_json, fields.children("results"))),
            bundle=fields.optional("bundle", Checksums.from_json),
            # The last, which takes what is left.
            provenance=fields.rest(),
        )

    @classmethod
    def read(cls, path: Path) -> VerifyReport:
        """Read a file.

        Raises:
            BundleError: it is missing, is no JSON, or no verify report.
        """
        return cls.from_json(files.read_json(path, "verify report"), str(path))

    def write(self, path: Path) -> None:
        """Write a file, whole."""
        files.write_json(path, self.to_json())


def _upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """A report of schema 1: an accuracy was ``value`` and the drop ``accuracy_drop``, both without their images."""
    return {**document, "results": [_upgraded_row(row) for row in document["results"]]}


def _upgraded_row(row: dict[str, Any]) -> dict[str, Any]:
    if row.get("accuracy") is None:
        return row
    accuracies = {
        name: {"top1": one["value"], "low": one["low"], "high": one["high"], "images": row["images"]}
        for name in ("accuracy", "reference_accuracy")
        for one in (row[name],)
    }
    return {**row, **accuracies, "drop": {**row["accuracy_drop"], "images": row["images"]}}
