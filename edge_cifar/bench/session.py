"""Measure all cases in turn, window by window, so that drift of the machine affects all alike."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar.bench.case import Case, groups
from edge_cifar.bench.conditions import Bystanders
from edge_cifar.bench.energy import Meter
from edge_cifar.bench.evaluation_set import EvaluationSet, Probabilities
from edge_cifar.bench.protocol import Protocol
from edge_cifar.bench.range_trial import DOUBTED, of_case
from edge_cifar.bench.subject import Subject, contradiction
from edge_cifar.data import mapped_images
from edge_cifar.documents.operators import Operator
from edge_cifar.errors import MeasurementError
from edge_cifar.evaluation import scores
from edge_cifar.evaluation.variety import SAME, variety
from edge_cifar.input_ranges import name_of
from edge_cifar.processes.launch import worker_command
from edge_cifar.processes.request_loop import Message
from edge_cifar.processes.worker import Worker, WorkerError
from edge_cifar.progress import Advance, Progress
from edge_cifar.storage import archives, scratch

WORKER = worker_command("edge_cifar.bench.worker")
# Images are sent in requests of about this length, so that the bar moves and a hang is noticed.
_REQUEST_MILLISECONDS = 2000.0
_SMALLEST_REQUEST = 64
# Long enough for a meter with one reading per second.
_ENERGY_SECONDS = 1.0
_PROFILE_SECONDS = 1.0

OTHER_NAMES = "the file's class names are not those of the data; its classes are taken in the data's order"
NO_ACCURACY = "accuracy was not measured"
ALIKE = "the predictions for all images are the same"
SOFTMAX = "outputs are not probabilities; calibration error is computed on their softmax"
# Notes on how outputs became probabilities, if a row words them differently.
HOW = {scores.SOFTMAX: SOFTMAX}


@dataclass(kw_only=True)
class Session:
    """A measurement of several cases.

    Attributes:
        cases: what to measure, in the order of the rows.
        protocol: how.
        progress: receives progress messages.
        meter: of the processor's power; None leaves it out.
        bystanders: processor time used by other programs meanwhile.
        interrupted: whether Ctrl-C ended it early; what was measured by then is kept.
    """

    cases: Sequence[Case]
    protocol: Protocol
    progress: Progress
    meter: Meter | None = None
    bystanders: Bystanders = field(default_factory=Bystanders)
    interrupted: bool = False

    def run(self, available_bytes: int) -> None:
        """Measure. A case that fails is given up and the others go on; Ctrl-C keeps what there is.

        Args:
            available_bytes: memory that workers may use; cases that do not fit into it together
                are measured in groups, one after the other.
        """
        with scratch.folder("bench") as folder:
            self._folder = folder
            try:
                rounds = self.protocol.processes * self.protocol.windows_per_process
                for number, group in enumerate(groups(self.cases, available_bytes)):
                    self._measure(group, first_round=number * rounds)
            except KeyboardInterrupt:
                self.interrupted = True
            finally:
                for case in self.cases:
                    case.close()

    def _measure(self, group: Sequence[Case], first_round: int) -> None:
        protocol = self.protocol
        total = len(group) * protocol.processes * protocol.windows_per_process
        with self.progress.bar("Measuring", total) as advance:
            for process in range(protocol.processes):
                for case in group:
                    self._start(case)
                for window in range(protocol.windows_per_process):
                    self._round(group, first_round + process * protocol.windows_per_process + window, advance)
                for case in group:
                    self._remember_peak(case)
                if process < protocol.processes - 1:
                    for case in group:
                        case.close()
        for case in group:
            self._measure_energy(case)
            self._profile(case)
            self._reload(case)
        self._examine(group)
        for case in group:
            case.close()

    def _start(self, case: Case) -> None:
        if case.failure is not None:
            return
        with self._giving_up(case, "while loading"):
            case.worker = Worker(WORKER)
            started = self._ask(case, "start", runtime=case.runtime)
            loaded = self._ask(
                case, "load", path=str(case.subject.path), threads=case.threads, setup=case.setup().to_json()
            )
            first = self._ask(case, "first", images=self._images_path(case.subject))
            warm = self._ask(case, "warm_up", seconds=self.protocol.warm_up_seconds)
            case.import_ms.append(started["import_ms"])
            case.base_bytes.append(started["resident_bytes"])
            case.own_cost_ns.append(started["own_cost_ns"])
            case.load_ms.append(loaded["load_ms"])
            case.input_shape, case.classes = tuple(loaded["input_shape"]), scores.classes(loaded["classes"])
            case.batch = loaded["batch"]
            case.take_input(loaded)
            claim = contradiction(case.subject, case.input_shape, case.classes)
            if claim is not None:
                raise MeasurementError(claim)
            case.first_ms.append(first["first_ms"])
            case.stable.append(warm["stable"])

    def _round(self, group: Sequence[Case], number: int, advance: Advance) -> None:
        """One window of every case, in reverse order in every other round, so that none always follows the same one."""
        time.sleep(self.protocol.rest_seconds)
        cpu_seconds = 0.0
        self.bystanders.start()
        for case in group if number % 2 == 0 else reversed(group):
            if case.failure is None:
                with self._giving_up(case, "while measuring latency"):
                    answer = self._ask(
                        case,
                        "window",
                        seconds=self.protocol.window_seconds,
                        minimum=self.protocol.minimum_inferences,
                    )
                    case.windows_ns.append(answer["samples_ns"])
                    case.rounds.append(number)
                    cpu_seconds += answer["cpu_seconds"]
            advance(1)
        self.bystanders.stop(cpu_seconds)

    def _remember_peak(self, case: Case) -> None:
        if case.failure is None:
            with self._giving_up(case, "while reading its peak memory"):
                case.peak_bytes.append(self._ask(case, "memory")["peak_bytes"])

    def _measure_energy(self, case: Case) -> None:
        """One more window, during which only the meter runs."""
        if case.failure is None and self.meter is not None:
            with self._giving_up(case, "while measuring energy"):
                work = partial(self._ask, case, "window", seconds=_ENERGY_SECONDS, minimum=1)
                case.watts = self.meter.watts(work, _ENERGY_SECONDS)

    def _profile(self, case: Case) -> None:
        if case.failure is None and self.protocol.profile:
            images = self._images_path(case.subject)
            try:
                found = self._ask(case, "profile", images=images, seconds=_PROFILE_SECONDS)["operators"]
            except WorkerError as refused:
                if not refused.unavailable:
                    self._give_up(case, "while profiling", refused)
                else:
                    case.unprofiled = str(refused)
            else:
                case.operators = tuple(Operator(**operator) for operator in found)

    def _reload(self, case: Case) -> None:
        if case.failure is None:
            with self._giving_up(case, "while reloading"):
                case.load_warm_ms += self._ask(case, "reload", times=self.protocol.reloads)["load_ms"]

    def _examine(self, group: Sequence[Case]) -> None:
        """Evaluate each subject once per backend, whatever the number of its cases."""
        examined = {(case.subject, case.backend): case for case in reversed(group) if case.failure is None}
        for case in group:
            first = examined.get((case.subject, case.backend))
            if case is first:
                with self._giving_up(case, "while measuring accuracy"):
                    for evaluation_set in case.subject.evaluation_sets:
                        self._put(case, evaluation_set)
            elif first is not None and case.failure is None:
                case.share(first)

    def _put(self, case: Case, evaluation_set: EvaluationSet) -> None:
        if reason := evaluation_set.misfit(case.input_shape, case.classes):
            case.remarks.append(f"{NO_ACCURACY}: the model {reason}")
            return
        if case.subject.bare and evaluation_set is case.subject.accuracy_on and case.input["ground"] != "quantized":
            self._try_ranges(case, evaluation_set)
        count = len(evaluation_set.images)
        per_request = _images_per_request(case)
        images, file = self._images_file(evaluation_set), self._folder / "answers.npy"
        parts: list[Probabilities] = []
        with self.progress.bar(f"Accuracy of {case.subject.name}", count) as advance:
            for start in range(0, count, per_request):
                stop = min(start + per_request, count)
                self._ask(case, "predict", images=str(images), start=start, stop=stop, answers=str(file))
                parts.append(np.array(archives.mapped(file)))
                advance(stop - start)
        answers = np.concatenate(parts)
        if not scores.are_numbers(answers):
            raise MeasurementError("outputs NaN or infinity")
        if case.subject.bare:
            answers, how = scores.as_probabilities(answers)
            case.remarks += [HOW.get(how, how)] if how else []
            if len(answers) > 1 and variety(answers) <= SAME:
                case.caveat = ALIKE
                case.remarks.append(f"{ALIKE}; check the input range and the model")
            if evaluation_set.named_otherwise(case.labels):
                case.remarks.append(OTHER_NAMES)
            answers = evaluation_set.in_order(answers, case.labels)
        case.evaluations[evaluation_set] = evaluation_set.evaluate(answers)

    def _try_ranges(self, case: Case, evaluation_set: EvaluationSet) -> None:
        """Look for the input range of a file that does not say it, and doubt one that is told."""
        ask = partial(self._ask, case)
        trial = of_case(case, evaluation_set, ask, self._folder)
        if case.input["ground"] != "assumed" or trial.best is None:
            if trial.better is not None:
                case.caveat = DOUBTED
                case.remarks.append(f"{DOUBTED} ({trial.told}); try {trial.better.options}")
        else:
            case.found = trial.best
            case.remarks.append(f"input range {name_of(trial.best)} found by trial ({trial.told})")
            loaded = ask("load", path=str(case.subject.path), threads=case.threads, setup=case.setup().to_json())
            case.take_input(loaded)

    def _ask(self, case: Case, action: str, **arguments: Any) -> Message:
        """What a case's worker answers; the actions and their arguments are in :mod:`edge_cifar.bench.worker`."""
        assert case.worker is not None
        limit = self.protocol.answer_seconds + 2 * float(arguments.get("seconds", 0.0))
        return case.worker.ask({"do": action, **arguments}, seconds=limit)

    @contextmanager
    def _giving_up(self, case: Case, stage: str) -> Iterator[None]:
        """A worker's failure only affects its own case."""
        try:
            yield
        except (WorkerError, MeasurementError) as failed:
            self._give_up(case, stage, failed)

    def _give_up(self, case: Case, stage: str, cause: WorkerError | MeasurementError) -> None:
        unavailable = isinstance(cause, WorkerError) and cause.unavailable
        case.unavailable = unavailable
        case.failure = str(cause) if unavailable else f"{stage}: {cause}"
        self.progress.say(f"{case.subject.name} {'skipped' if unavailable else 'failed'} {case.failure}")
        case.close()

    def _images_path(self, subject: Subject) -> str | None:
        return str(self._images_file(subject.evaluation_sets[0])) if subject.evaluation_sets else None

    def _images_file(self, evaluation_set: EvaluationSet) -> Path:
        """The images as a file that workers map into memory, written once."""
        path = self._folder / f"images-{id(evaluation_set)}.npy"
        if not path.exists():
            mapped_images.save(path, evaluation_set.images)
        return path


def _images_per_request(case: Case) -> int:
    typical_ms = float(np.median(case.windows_ns[-1])) / 1e6
    return max(_SMALLEST_REQUEST, int(_REQUEST_MILLISECONDS / typical_ms))
