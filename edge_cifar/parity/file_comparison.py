"""Model files compared with each other, by their answers to the same labelled images: the first is the reference."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_cifar import class_names, formats, input_ranges
from edge_cifar.data import mapped_images
from edge_cifar.data.mapped_images import Images
from edge_cifar.documents.accuracy import DataSource
from edge_cifar.documents.reference import Reference
from edge_cifar.documents.verification import Verification
from edge_cifar.errors import BundleError, RuntimeUnavailable
from edge_cifar.evaluation import scores
from edge_cifar.parity.comparison import judge
from edge_cifar.parity.diagnosis import diagnose
from edge_cifar.parity.figures import figures
from edge_cifar.parity.perturbations import MISTAKES, PLAIN
from edge_cifar.parity.processes import Answers, Question, Refusal, Workers
from edge_cifar.parity.tolerances import tolerance_for
from edge_cifar.pixels import Setup
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.progress import Progress
from edge_cifar.range_trial import trial
from edge_cifar.storage import scratch
from edge_cifar.variant import Variant

Probabilities = NDArray[np.float32]

# The loosest last: files are held to the tolerance of the coarser of the two.
PRECISIONS = ("fp32", "fp16", "int8")
_DIAGNOSIS_IMAGES = 200


@dataclass(frozen=True, kw_only=True)
class ComparedFile:
    """A model file.

    Attributes:
        path: where it lies.
        setup: how it is run.
        labels: class names that a user or its metadata tell; None for those of its runtime, or none.
        told: what a user says of its input.
        foreign: whether nothing vouches for what it takes and answers.
    """

    path: Path
    setup: Setup
    labels: tuple[str, ...] | None
    told: Preprocessing
    foreign: bool


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """What the files are asked.

    Attributes:
        images: uint8 ``[N, H, W, 3]``, raw RGB in 0..255, N at least 1; in memory or in a file.
        labels: int64 ``[N]``, true classes.
        names: of the classes, in their order.
        data: where they come from.
    """

    images: Images
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    data: DataSource


def compare_files(
    reference: ComparedFile,
    others: Sequence[ComparedFile],
    asked: LabelledImages,
    *,
    precision: str | None = None,
    progress: Progress,
) -> list[Verification]:
    """Compare the answers of model files with those of the first; each runs in a process of its own.

    Args:
        reference: the first.
        others: the rest.
        asked: the images.
        precision: ``fp32``, ``fp16`` or ``int8``, whose tolerance they have to meet; None for the coarser of the
            weights that two files hold.
        progress: told of each file that is done, and of input ranges that were found.

    Returns:
        One outcome for each of the others, in their order.

    Raises:
        BundleError: the reference is damaged, or has other classes or images than the data.
        RuntimeUnavailable: it cannot run on this machine.
    """
    with scratch.folder("verify") as folder, Workers() as workers:
        mapped_images.save(folder / "images.npy", asked.images)
        asking = _Asking(workers=workers, folder=folder, asked=asked, progress=progress)
        with progress.bar(f"Verifying {reference.path.name} on {len(asked.labels):,} images", 1 + len(others)) as bar:

            def done(file: ComparedFile) -> Answers | Refusal:
                given = asking.answers(file)
                bar(1)
                return given

            first, *rest = [future.result() for future in [workers.submit(done, one) for one in (reference, *others)]]
        expected = _expected(reference, first, asked)
        return [
            _outcome(reference, other, expected, given, asked, precision, asking)
            for other, given in zip(others, rest, strict=True)
        ]


def weight_precision(path: Path) -> str | None:
    """The coarsest number type among a file's weights: ``fp32``, ``fp16`` or ``int8``; None where nothing reads it."""
    format_ = formats.of_file(path)
    if format_ is None or format_.reader is None:
        return "fp32" if format_ and not format_.precisions else None
    try:
        operations = format_.reader().network(path).operations
    except (BundleError, ValueError, IndexError):
        return None
    weights = [weight for operation in operations for weight in operation.weights.values()]
    links = [link for operation in operations for link in operation.links]
    if any(weight.step is not None or weight.palette is not None for weight in weights) or any(
        link.quantizations for link in links
    ):
        return "int8"
    return "fp16" if any(weight.values.dtype == np.float16 for weight in weights) else "fp32"


@dataclass(frozen=True, kw_only=True)
class _Asking:
    """Workers, and the files that hold the images."""

    workers: Workers
    folder: Path
    asked: LabelledImages
    progress: Progress

    def answers(self, file: ComparedFile) -> Answers | Refusal:
        """A file's answers to all images, in the input range that it states or that is found."""
        given = self._ask(file, len(self.asked.labels))
        if isinstance(given, Answers) and file.foreign and given.ground == "assumed" and PLAIN in given.views:
            return self._in_the_best_range(file, given)
        return given

    def cause(self, file: ComparedFile, given: Answers, expected: Reference) -> str | None:
        """The mistake that explains wrong answers, such as channels in another order; None where none does."""
        setup = replace(file.setup, preprocessing=given.preprocessing, ground=given.ground)
        few = expected.first(_DIAGNOSIS_IMAGES)
        again = self._ask(replace(file, setup=setup), len(few.labels), (PLAIN, *MISTAKES))
        if isinstance(again, Refusal):
            return None
        return diagnose(few.probabilities, again.views, self.asked.names)

    def _ask(self, file: ComparedFile, count: int, views: tuple[str, ...] = (PLAIN,)) -> Answers | Refusal:
        question = Question(images=self.folder / "images.npy", stop=count, setup=file.setup, views=views)
        given = self.workers.answers(file.path, question)
        return given if isinstance(given, Refusal) else self._in_order(file, given)

    def _in_the_best_range(self, file: ComparedFile, given: Answers) -> Answers | Refusal:
        few = self.folder / f"{threading.get_ident()}.npy"

        def ask(preprocessing: Preprocessing, numbers: NDArray[np.int64]) -> Probabilities:
            mapped_images.save(few, self.asked.images[numbers])
            setup = replace(file.setup, preprocessing=preprocessing, ground="tried")
            found = self.workers.answers(file.path, Question(images=few, stop=len(numbers), setup=setup))
            if isinstance(found, Refusal):
                return np.zeros((len(numbers), len(self.asked.names)), np.float32)
            return self._in_order(file, found).views[PLAIN]

        tried = input_ranges.to_try(given.preprocessing, file.told)
        found = trial(tried, ask, self.asked.labels)
        if found.best is None:
            assumed = input_ranges.name_of(given.preprocessing)
            self.progress.say(f"{file.path.name}: assuming an input range of {assumed} ({found.told})")
            return given
        taken = input_ranges.name_of(found.best)
        self.progress.say(f"{file.path.name}: input range {taken} found by trial ({found.told})")
        setup = replace(file.setup, preprocessing=found.best, ground="tried")
        return self._ask(replace(file, setup=setup), len(self.asked.labels))

    def _in_order(self, file: ComparedFile, given: Answers) -> Answers:
        """Answers as probabilities in the order of the data's classes."""
        places = class_names.places(file.labels or given.labels, self.asked.names)

        def ordered(answers: Probabilities) -> Probabilities:
            if file.foreign and scores.are_numbers(answers) and len(answers):
                answers = scores.as_probabilities(answers)[0]
            return answers if places is None else answers[:, places]

        return replace(given, views={name: ordered(answers) for name, answers in given.views.items()})


def _expected(reference: ComparedFile, given: Answers | Refusal, asked: LabelledImages) -> Reference:
    if isinstance(given, Refusal):
        error = RuntimeUnavailable if given.unavailable else BundleError
        raise error(f"{reference.path.name} gives no answers to compare with: {given.reason}")
    if PLAIN not in given.views:
        takes = "×".join(map(str, given.input_shape))
        raise BundleError(f"{reference.path.name} takes images of {takes}; set their size with --image-size")
    answers = given.views[PLAIN]
    if answers.shape[1] != len(asked.names):
        raise BundleError(
            f"{reference.path.name} has {answers.shape[1]} classes; {asked.data.name} has {len(asked.names)}"
        )
    if not scores.are_numbers(answers):
        raise BundleError(f"{reference.path.name} outputs NaN or infinity")
    # Of the images only their size is compared.
    return Reference(images=asked.images[:1], labels=asked.labels, probabilities=answers)


def _outcome(
    reference: ComparedFile,
    file: ComparedFile,
    expected: Reference,
    given: Answers | Refusal,
    asked: LabelledImages,
    precision: str | None,
    asking: _Asking,
) -> Verification:
    own, its = weight_precision(file.path) or "int8", weight_precision(reference.path) or "int8"
    tolerance = tolerance_for(Variant("", precision or max(own, its, key=PRECISIONS.index)))
    format_ = formats.of_file(file.path)
    outcome = Verification(
        model=file.path.stem,
        variant=Variant(format_.name if format_ else "file", own),
        status="fail",
        method="",
        images=0,
        tolerance=tolerance,
        reason=None,
        seconds=given.seconds,
        data=asked.data,
        figures=None,
        path=str(file.path),
        reference=str(reference.path),
    )
    if isinstance(given, Refusal):
        return replace(outcome, status="unverified" if given.unavailable else "fail", reason=given.reason)
    probabilities = given.views.get(PLAIN, expected.probabilities[:0])
    verdict = judge(expected, given.input_shape, probabilities, tolerance)
    reason = verdict.reason
    if reason and verdict.comparison:
        cause = asking.cause(file, given, expected)
        reason = f"{reason}; {cause}" if cause else reason
    return replace(
        outcome,
        status="fail" if reason else "pass",
        method=given.runtime,
        images=len(probabilities),
        reason=reason,
        figures=figures(verdict.comparison, tolerance.margin, asked.names) if verdict.comparison else None,
    )
