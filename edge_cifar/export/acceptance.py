"""An artifact is compared with its Keras model before it is added to a bundle.

It has to meet two conditions: it loses no more accuracy on validation images than is allowed, and
``verify`` passes it by the reference images that the bundle carries. Its native runtime may
crash or hang, so it runs in a worker process: that rejects the artifact and leaves the export alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_cifar import model_files
from edge_cifar.data import Split, mapped_images
from edge_cifar.data.calibration import sample
from edge_cifar.documents.accuracy import Accuracy
from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.parity_check import Check, GateRecord, ParityCheck
from edge_cifar.documents.reference import Reference
from edge_cifar.documents.verification import Verification
from edge_cifar.documents.verify_figures import Tolerance
from edge_cifar.errors import RuntimeUnavailable, UsageError
from edge_cifar.evaluation.comparison import Comparison
from edge_cifar.evaluation.paired import tango
from edge_cifar.parity.comparison import judge, misfit
from edge_cifar.parity.perturbations import PLAIN
from edge_cifar.parity.processes import Answers, Question, Refusal, Workers
from edge_cifar.parity.tolerances import tolerance_for
from edge_cifar.parity.verify import verdicts
from edge_cifar.variant import Variant

# With fewer validation images, the interval of the loss is wide: training images are added up to this number.
GATE_MINIMUM = 500

# Enough that a loss of one point stands out: at 3 % of changed answers the interval is +-0.75 points.
MAXIMUM_IMAGES = 2000
# A reference evaluator takes tens of times as long as a runtime: it gets more images only if these do not decide.
_IMAGES_ON_REFERENCE = 500
_TIMED_RUNS = 30


@dataclass(frozen=True, kw_only=True)
class AcceptanceGate:
    """The allowed loss of accuracy, and the images it is measured on.

    Attributes:
        split: validation images, class-balanced, at least one; where they are few, training images behind them.
        probabilities: float32 ``[N, classes]``, the Keras model's for them.
        max_drop: allowed loss of accuracy, in percentage points.
        training_images: how many of the images, the last ones, are training images.
    """

    split: Split
    probabilities: NDArray[np.float32]
    max_drop: float
    training_images: int = 0

    @classmethod
    def chosen_images(cls, validation: Split, training: Split, seed: int) -> tuple[Split, int]:
        """What artifacts are asked about, and how many training images are among it.

        A network knows its training images, and so may an artifact: a loss on them is likelier to be too small than
        too large. It still shows a faulty conversion, which a handful of validation images cannot.

        Args:
            validation: all validation images.
            training: all training images.
            seed: of the choice among them.
        """
        chosen = validation.take(sample(validation, MAXIMUM_IMAGES, seed))
        missing = min(GATE_MINIMUM - len(chosen), len(training))
        if missing <= 0:
            return chosen, 0
        more = training.take(sample(training, missing, seed))
        images = np.concatenate([chosen.images[:], more.images[:]])
        return Split(images=images, labels=np.concatenate([chosen.labels, more.labels])), missing

    @property
    def split_name(self) -> str:
        """Where the images come from."""
        return "validation and training" if self.training_images else "validation"

    @property
    def tolerance(self) -> Tolerance:
        """What is asked of answers to the images: accuracy alone."""
        return Tolerance(margin=0.0, confident_agreement=0.0, max_drop=self.max_drop)

    @property
    def smallest_rejected(self) -> float:
        """The smallest loss that is told from chance and rejected, in points, if no image is won at the same time."""
        count = len(self.split)
        lost = (lost for lost in range(1, count + 1) if 100 * tango(lost, 0, count)[0] > self.max_drop)
        return 100 * next(lost, count) / count

    def limits(self) -> str:
        """What so few images can tell, and what not; empty where there are validation images enough."""
        if not self.training_images and len(self.split) >= GATE_MINIMUM:
            return ""
        validation, count = len(self.split) - self.training_images, len(self.split)
        added = f" and {self.training_images} training images" if self.training_images else ""
        known = ", and losses on training images tend to be smaller than on new ones" if self.training_images else ""
        return (
            f"few validation images (fewer than {GATE_MINIMUM}): artifacts are compared with the original model on "
            f"{validation} validation{added}; on {count} images, only losses of {self.smallest_rejected:.1f} points or "
            f"more can be told from chance{known}"
        )

    def first(self, count: int) -> Reference:
        """The first images with the Keras model's answers."""
        return Reference(
            images=mapped_images.choose(self.split.images, slice(count)),
            labels=self.split.labels[:count],
            probabilities=self.probabilities[:count],
        )

    def record(self) -> GateRecord:
        """What the manifest says of the gate."""
        return GateRecord(
            max_drop_points=self.max_drop,
            split=self.split_name,
            images=len(self.split),
            gated=len(self.split) >= GATE_MINIMUM,
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of the comparison.

    Attributes:
        parity: what the manifest tells of it.
        failed: the checks that must not fail and did; empty for an artifact that may be kept.
        reason: what failed, in words; None where nothing did.
        answers: to the reference images; why there are none for an artifact that gave none.
    """

    parity: ParityCheck
    failed: tuple[Check, ...] = ()
    reason: str | None = None
    answers: Answers | Refusal

    @property
    def passed(self) -> bool:
        """Whether the artifact has failed no check so far."""
        return not self.failed


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """What an artifact has to meet, and the workers that run it.

    Attributes:
        gate: validation images with the Keras model's answers, and what may be lost.
        reference: the images that the bundle carries to be verified with, likewise.
        images: an ``.npy`` file of the images of both, those of the reference first.
        workers: where artifacts run.
    """

    gate: AcceptanceGate
    reference: Reference
    images: Path
    workers: Workers

    @classmethod
    def prepare(cls, gate: AcceptanceGate, reference: Reference, folder: Path, workers: Workers) -> Acceptance:
        """Write the images for the worker processes, in a folder that outlives them."""
        images = folder / "images.npy"
        mapped_images.save(images, reference.images, gate.split.images)
        return cls(gate=gate, reference=reference, images=images, workers=workers)

    def check(self, variant: Variant, path: Path) -> Outcome:
        """Run an artifact and evaluate its answers.

        An artifact that its own runtime refuses to load, or that ends it, fails; one whose runtime
        cannot run on this machine stays unverified.
        """
        known, count = len(self.reference.labels), len(self.gate.split)
        if not _on_device(path):
            count = min(count, _IMAGES_ON_REFERENCE)
        given = self.workers.answers(path, Question(images=self.images, stop=known + count))
        if isinstance(given, Refusal):
            return _unanswered(given)
        reference = self.reference.of(variant)
        if reason := misfit(reference, given.input_shape, given.views.get(PLAIN), known + count):
            parity = ParityCheck(status="checked", runtime=given.runtime, reason=reason)
            return Outcome(parity=parity, failed=("answers",), reason=reason, answers=given)
        answers, rest = given.part(0, known), given.views[PLAIN][known:]
        outcome = self._judge(variant, answers, rest)
        drop = outcome.parity.drop
        if drop and count < len(self.gate.split) and drop.low <= self.gate.max_drop < drop.points:
            # The loss is above the limit, but may be due to chance.
            question = Question(images=self.images, start=known + count, stop=known + len(self.gate.split))
            more = self.workers.answers(path, question)
            if isinstance(more, Refusal):
                return _unanswered(more)
            outcome = self._judge(variant, answers, np.concatenate([rest, more.views[PLAIN]]))
        return outcome

    def _judge(self, variant: Variant, answers: Answers, rest: NDArray[np.float32]) -> Outcome:
        """Evaluate answers to the reference images and to the first validation images."""
        reference = self.reference.of(variant)
        accuracy = judge(self.gate.first(len(rest)), answers.input_shape, rest, self.gate.tolerance)
        parity = judge(reference, answers.input_shape, answers.views[PLAIN], tolerance_for(variant))
        check = ParityCheck(status="checked", runtime=answers.runtime, split=self.gate.split_name, images=len(rest))
        if accuracy.comparison is None or parity.comparison is None:
            reason = parity.reason if accuracy.comparison else accuracy.reason
            # With too few bits, all answers may be the same: that is not a damaged file.
            sound = np.isfinite(rest).all() and np.isfinite(answers.views[PLAIN]).all()
            return Outcome(parity=check, failed=("parity" if sound else "answers",), reason=reason, answers=answers)
        check = _with_figures(check, accuracy.comparison)
        failed: list[Check] = []
        reasons = []
        if accuracy.reason:
            drop = accuracy.comparison.drop
            failed.append("accuracy")
            reasons.append(
                f"drops {drop.points:.2f} points (95 % interval {drop.low:.2f} to {drop.high:.2f}); "
                f"--max-drop allows {self.gate.max_drop:g}"
            )
        if parity.reason:
            failed.append("parity")
            reasons.append(f"fails verify: {parity.reason}")
        return Outcome(parity=check, failed=tuple(failed), reason="; ".join(reasons) or None, answers=answers)

    def verify(self, bundle: Bundle, outcomes: Sequence[Outcome]) -> list[Verification]:
        """The outcomes that ``verify`` would give for a bundle, from answers that are already known.

        Args:
            bundle: as it is to be written.
            outcomes: one an artifact.
        """
        given = {artifact.path: outcome.answers for artifact, outcome in zip(bundle.artifacts, outcomes, strict=True)}

        def answers(asked: Sequence[Artifact]) -> list[Answers | Refusal]:
            return [given[artifact.path] for artifact in asked]

        return verdicts(bundle, self.reference, answers)

    def latency_ms(self, path: Path) -> float | None:
        """Median of a few single inferences: precise enough for a warning, not for a report.

        None where the artifact runs on a reference evaluator, or not at all, on this machine.
        """
        if not _on_device(path):
            return None
        given = self.workers.latency_ms(path, self.images, _TIMED_RUNS)
        return None if isinstance(given, Refusal) else given


def _on_device(path: Path) -> bool:
    """Whether this machine has a device runtime for a file, not only a reference evaluator."""
    try:
        return bool(model_files.runtime_for(path).DEVICE)
    except (RuntimeUnavailable, UsageError):
        return False


def _unanswered(refusal: Refusal) -> Outcome:
    """The outcome for an artifact that gave no answers."""
    if refusal.unavailable:
        return Outcome(parity=ParityCheck(status="unverified", reason=refusal.reason), answers=refusal)
    return Outcome(
        parity=ParityCheck(status="checked", reason=refusal.reason),
        failed=("runtime",),
        reason=refusal.reason,
        answers=refusal,
    )


def _with_figures(check: ParityCheck, comparison: Comparison) -> ParityCheck:
    """All figures of an artifact's answers to validation images."""
    close = comparison.agreement
    return replace(
        check,
        max_abs_diff=close.max_abs_diff,
        mean_abs_diff=close.mean_abs_diff,
        top1_agreement=close.top1_agreement,
        kl_divergence=close.kl_divergence,
        accuracy=Accuracy.of(comparison.accuracy),
        drop=comparison.drop,
    )
