"""Compare every artifact of a bundle with the Keras model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edge_cifar import model_files
from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.documents.verification import Status, Verification
from edge_cifar.documents.verify_figures import Tolerance
from edge_cifar.errors import BundleError
from edge_cifar.parity import inspection, processes, saturation
from edge_cifar.parity.comparison import judge
from edge_cifar.parity.diagnosis import diagnose
from edge_cifar.parity.figures import figures
from edge_cifar.parity.inspection import sibling_of
from edge_cifar.parity.labels import wrong_embedded_labels, wrong_labels
from edge_cifar.parity.perturbations import MISTAKES, PLAIN
from edge_cifar.parity.processes import Answers, Question, Refusal
from edge_cifar.parity.tolerances import tolerance_for
from edge_cifar.progress import SILENT, Progress
from edge_cifar.storage import files
from edge_cifar.variant import Variant

_DIAGNOSIS_IMAGES = 200


def verify_bundle(bundle: Bundle, *, images: int | None = None, progress: Progress = SILENT) -> list[Verification]:
    """Verify every artifact of a bundle; one that fails, crashes or cannot run here does not affect the others.

    Args:
        bundle: an opened bundle.
        images: how many reference images, from the first; all for None.
        progress: told of each artifact that is done.

    Raises:
        BundleError: the bundle holds no artifact, or its reference is missing or damaged.
    """
    if not bundle.artifacts:
        raise BundleError(f"the bundle {bundle.path} lists no artifacts; export again")
    reference = read_reference(bundle, images)
    count = len(reference.labels)

    def answers(asked: Sequence[Artifact]) -> list[Answers | Refusal]:
        with progress.bar(f"Verifying {bundle.model} on {count:,} images", len(asked)) as advance:
            question = Question(images=bundle.reference_path, stop=count)
            return processes.ask([artifact.path for artifact in asked], question, answered=lambda: advance(1))

    return verdicts(bundle, reference, answers)


def verdicts(
    bundle: Bundle, reference: Reference, answers: Callable[[Sequence[Artifact]], Sequence[Answers | Refusal]]
) -> list[Verification]:
    """Evaluate every artifact of a bundle: ``verify`` reports the outcome, ``export`` keeps artifacts by it.

    Args:
        bundle: an opened bundle, or one that is being written: its reference and its artifacts lie in its folder.
        reference: its first images, as many as were asked about.
        answers: gives the answers of those artifacts that are what the manifest says, one outcome each.

    Returns:
        one outcome an artifact, in the bundle's order.
    """
    outcomes: dict[int, Verification] = {}
    for number, artifact in enumerate(bundle.artifacts):
        if claim := _broken_claim(bundle, artifact, reference):
            outcomes[number] = _unanswered(bundle, artifact, "fail", claim)
    sound = {number: item for number, item in enumerate(bundle.artifacts) if number not in outcomes}
    for (number, artifact), given in zip(sound.items(), answers(list(sound.values())), strict=True):
        outcomes[number] = replace(_judged(bundle, artifact, reference, given), sha256=artifact.sha256)
    explained = _explained(bundle, reference, [outcomes[number] for number in sorted(outcomes)])
    proven = _proven(bundle, explained)
    return [saturation.held(*pair) for pair in zip(bundle.artifacts, proven, strict=True)]


def read_reference(bundle: Bundle, images: int | None) -> Reference:
    """The images and predictions in a bundle, checked against its manifest.

    Args:
        bundle: an opened bundle.
        images: how many, from the first; all for None.

    Raises:
        BundleError: the reference is missing or damaged, is not the one listed, or makes no sense.
    """
    reference = Reference.read(bundle.reference_path).first(images)
    if bundle.reference and bundle.reference.sha256 != files.sha256(bundle.reference_path):
        raise BundleError(
            f"{bundle.reference_path} is not the reference in the manifest (checksum mismatch); export again"
        )
    classes = reference.probabilities.shape[1]
    labels = reference.labels
    if not len(labels):
        raise BundleError(f"the reference {bundle.reference_path} has no images; export again")
    if labels.min() < 0 or labels.max() >= classes:
        raise BundleError(f"the reference {bundle.reference_path} has labels outside its {classes} classes")
    # Written so that NaN fails too.
    if not all(
        (abs(one.sum(axis=1) - 1) < 1e-2).all() for one in (reference.probabilities, *reference.changed.values())
    ):
        raise BundleError(f"the probabilities in {bundle.reference_path} do not sum to 1; export again")
    return reference


def _broken_claim(bundle: Bundle, artifact: Artifact, reference: Reference) -> str | None:
    """What the manifest says of an artifact that is not true, in words."""
    try:
        artifact.check()
    except BundleError as error:
        return str(error)
    except OSError as error:
        return f"{artifact.path} cannot be read: {error.strerror}"
    try:
        return wrong_labels(bundle, artifact, reference.of(artifact.variant).probabilities.shape[1])
    except BundleError as error:
        return str(error)


def _judged(bundle: Bundle, artifact: Artifact, reference: Reference, given: Answers | Refusal) -> Verification:
    """An artifact's outcome, from its answers."""
    if isinstance(given, Refusal):
        status: Status = "unverified" if given.unavailable else "fail"
        return _unanswered(bundle, artifact, status, given.reason, seconds=given.seconds)
    tolerance = tolerance_for(artifact.variant)
    reference = reference.of(artifact.variant)
    probabilities = given.views.get(PLAIN, reference.probabilities[:0])
    verdict = judge(reference, given.input_shape, probabilities, tolerance)
    reason = (
        verdict.reason or wrong_embedded_labels(artifact, given.labels) or _wrong_backend(reference, given, tolerance)
    )
    return Verification(
        model=bundle.model,
        variant=artifact.variant,
        status="fail" if reason else "pass",
        method=given.runtime,
        images=len(probabilities),
        tolerance=tolerance,
        reason=reason,
        seconds=given.seconds,
        data=bundle.data,
        figures=figures(verdict.comparison, tolerance.margin, artifact.labels) if verdict.comparison else None,
        backends=tuple(given.backends),
    )


def _wrong_backend(reference: Reference, given: Answers, tolerance: Tolerance) -> str | None:
    """Which of a runtime's other backends answers wrongly, in words."""
    for backend, probabilities in given.backends.items():
        if reason := judge(reference, given.input_shape, probabilities, tolerance).reason:
            return f"with the {backend} backend: {reason}"
    return None


def _unanswered(
    bundle: Bundle, artifact: Artifact, status: Status, reason: str, *, seconds: float = 0.0
) -> Verification:
    """The outcome for an artifact that gave no answers."""
    return Verification(
        model=bundle.model,
        variant=artifact.variant,
        status=status,
        method=_method(artifact.path),
        images=0,
        tolerance=tolerance_for(artifact.variant),
        reason=reason,
        seconds=seconds,
        data=bundle.data,
        figures=None,
    )


def _explained(bundle: Bundle, reference: Reference, outcomes: list[Verification]) -> list[Verification]:
    """Run artifacts that failed on perturbed images, to find what is wrong with them."""
    few = reference.first(_DIAGNOSIS_IMAGES)
    wrong = [number for number, outcome in enumerate(outcomes) if outcome.status == "fail" and outcome.figures]
    paths = [bundle.artifacts[number].path for number in wrong]
    question = Question(images=bundle.reference_path, stop=len(few.labels), views=(PLAIN, *MISTAKES))
    answers = processes.ask(paths, question)
    for number, given in zip(wrong, answers, strict=True):
        # A runtime that crashes on the second run adds nothing to the known reason.
        expected = few.of(outcomes[number].variant).probabilities
        cause = isinstance(given, Answers) and diagnose(expected, given.views, bundle.artifacts[number].labels)
        if cause:
            outcomes[number] = replace(outcomes[number], reason=f"{outcomes[number].reason}; {cause}")
    return outcomes


def _proven(bundle: Bundle, outcomes: list[Verification]) -> list[Verification]:
    """Inspect the files of artifacts that ran, or cannot run here.

    Only against an fp32 artifact that itself answers as the Keras model does, or a sound one would be blamed for it.
    """
    passed = {
        artifact.variant: artifact
        for artifact, outcome in zip(bundle.artifacts, outcomes, strict=True)
        if outcome.status == "pass"
    }
    proven = []
    for artifact, outcome in zip(bundle.artifacts, outcomes, strict=True):
        sibling_variant = sibling_of(artifact.variant)
        sibling = passed.get(sibling_variant) if sibling_variant else None
        if outcome.status == "fail" and outcome.figures is None:
            proven.append(outcome)
            continue
        if not inspection.readable(artifact):
            proven.append(_unread(outcome, sibling.variant) if sibling else _doubted(outcome))
            continue
        found = inspection.inspect(artifact, sibling)
        if found.wrong:
            reason = f"{outcome.reason}; {found.wrong}" if outcome.status == "fail" else found.wrong
            outcome = replace(outcome, status="fail", reason=reason)
        held = outcome if sibling else _doubted(outcome)
        proven.append(replace(held, weights=found.weights_check, ranges=found.ranges_check))
    return proven


def _doubted(outcome: Verification) -> Verification:
    """An outcome that rests on answers alone: a quantized one proves nothing by them unless Keras is sure of some."""
    bounded = outcome.tolerance.max_abs_diff is not None
    if outcome.status != "pass" or bounded or outcome.figures is None or outcome.figures.confident_images:
        return outcome
    return replace(
        outcome,
        status="unverified",
        reason=(
            f"none of the {outcome.images} images is high-confidence (margin > {outcome.tolerance.margin:g}), and "
            "there is no verified fp32 artifact with the same weights to compare with"
        ),
    )


def _unread(outcome: Verification, sibling: Variant) -> Verification:
    """An outcome that rests on answers alone because nothing here reads files of the format."""
    if outcome.status != "pass":
        return outcome
    format_ = outcome.variant.format
    reason = f"predictions agree, but weights were not compared with {sibling}: no reader for {format_} files"
    return replace(outcome, status="unverified", reason=reason)


def _method(path: Path) -> str:
    """The runtime that answers, or would answer, for a file: the first that can run it here."""
    modules = model_files.runtimes_of(path)
    able = [module for module in modules if module.unavailable() is None]
    return next((module.NAME for module in able or modules), "none")
