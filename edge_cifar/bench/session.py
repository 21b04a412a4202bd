"""All subjects measured in turn, window by window, so that a machine's drift hits all alike."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar.bench.case import Lane, groups
from edge_cifar.bench.conditions import Bystanders
from edge_cifar.bench.energy import Meter
from edge_cifar.bench.evaluation_set import EvaluationSet, Probabilities
from edge_cifar.bench.protocol import Protocol
from edge_cifar.bench.range_trial import RangeTrial
from edge_cifar.bench.subject import Subject, contradiction
from edge_cifar.documents.operators import Operator
from edge_cifar.errors import MeasurementError
from edge_cifar.evaluation import scores
from edge_cifar.processes.launch import worker_command
from edge_cifar.processes.request_loop import Message
from edge_cifar.processes.worker import Worker, WorkerError
from edge_cifar.progress import Advance, Progress
from edge_cifar.storage import archives, scratch

WORKER = worker_command("edge_cifar.bench.worker")
# Answers are asked for in requests of about this length, so that a bar moves and a hang is noticed.
_REQUEST_MILLISECONDS = 2000.0
_SMALLEST_REQUEST = 64
# Long enough for a meter that looks once a second.
_ENERGY_SECONDS = 1.0
_PROFILE_SECONDS = 1.0

NO_ACCURACY = "accuracy was not measured"
SOFTMAX = "outputs are not probabilities; calibration error is computed on their softmax"
# How answers became probabilities, where a row says it in words of its own.
HOW = {scores.SOFTMAX: SOFTMAX}


@dataclass(kw_only=True)
class Session:
    """A measurement of several lanes.

    Attributes:
        lanes: what to measure, in the order of the rows.
        protocol: how.
        progress: who is told.
        meter: what tells the power drawn; None leaves it out.
        bystanders: what others did to the processor meanwhile.
        interrupted: whether Ctrl-C ended it early; what the lanes hold by then stands.
    """

    lanes: Sequence[Lane]
    protocol: Protocol
    progress: Progress
    meter: Meter | None = None
    bystanders: Bystanders = field(default_factory=Bystanders)
    interrupted: bool = False

    def run(self, available_bytes: int) -> None:
        """Measure. A lane that fails is given up and the others go on; Ctrl-C keeps what there is.

        Args:
            available_bytes: memory that workers may fill; lanes that do not fit into it together
                are measured in groups, one after the other.
        """
        with scratch.folder("bench") as folder:
            self._folder = folder
            try:
                rounds = self.protocol.processes * self.protocol.windows_per_process
                for number, group in enumerate(groups(self.lanes, available_bytes)):
                    self._measure(group, first_round=number * rounds)
            except KeyboardInterrupt:
                self.interrupted = True
            finally:
                for lane in self.lanes:
                    lane.close()

    def _measure(self, group: Sequence[Lane], first_round: int) -> None:
        protocol = self.protocol
        total = len(group) * protocol.processes * protocol.windows_per_process
        with self.progress.bar("Measuring", total) as advance:
            for process in range(protocol.processes):
                for lane in group:
                    self._start(lane)
                for window in range(protocol.windows_per_process):
                    self._round(group, first_round + process * protocol.windows_per_process + window, advance)
                for lane in group:
                    self._remember_peak(lane)
                if process < protocol.processes - 1:
                    for lane in group:
                        lane.close()
        for lane in group:
            self._measure_energy(lane)
            self._profile(lane)
            self._reload(lane)
        self._examine(group)
        for lane in group:
            lane.close()

    def _start(self, lane: Lane) -> None:
        if lane.failure is not None:
            return
        with self._giving_up(lane, "while loading"):
            lane.worker = Worker(WORKER)
            started = self._ask(lane, "start", runtime=lane.runtime)
            loaded = self._ask(lane, "load", path=str(lane.subject.path), threads=lane.threads, setup=lane.setup())
            first = self._ask(lane, "first", images=self._images_path(lane.subject))
            warm = self._ask(lane, "warm_up", seconds=self.protocol.warm_up_seconds)
            lane.import_ms.append(started["import_ms"])
            lane.base_bytes.append(started["resident_bytes"])
            lane.own_cost_ns.append(started["own_cost_ns"])
            lane.load_ms.append(loaded["load_ms"])
            lane.input_shape, lane.classes = tuple(loaded["input_shape"]), scores.classes(loaded["classes"])
            lane.batch, lane.input = loaded["batch"], loaded["input"]
            claim = contradiction(lane.subject, lane.input_shape, lane.classes)
            if claim is not None:
                raise MeasurementError(claim)
            lane.first_ms.append(first["first_ms"])
            lane.stable.append(warm["stable"])

    def _round(self, group: Sequence[Lane], number: int, advance: Advance) -> None:
        """One window of every lane; every other round backwards, so that none always follows the same one."""
        time.sleep(self.protocol.rest_seconds)
        cpu_seconds = 0.0
        self.bystanders.start()
        for lane in group if number % 2 == 0 else reversed(group):
            if lane.failure is None:
                with self._giving_up(lane, "while measuring latency"):
                    answer = self._ask(
                        lane,
                        "window",
                        seconds=self.protocol.window_seconds,
                        minimum=self.protocol.minimum_inferences,
                    )
                    lane.windows_ns.append(answer["samples_ns"])
                    lane.rounds.append(number)
                    cpu_seconds += answer["cpu_seconds"]
            advance(1)
        self.bystanders.stop(cpu_seconds)

    def _remember_peak(self, lane: Lane) -> None:
        if lane.failure is None:
            with self._giving_up(lane, "while reading its peak memory"):
                lane.peak_bytes.append(self._ask(lane, "memory")["peak_bytes"])

    def _measure_energy(self, lane: Lane) -> None:
        """A window more, beside which nothing but the meter runs."""
        if lane.failure is None and self.meter is not None:
            with self._giving_up(lane, "while measuring energy"):
                work = partial(self._ask, lane, "window", seconds=_ENERGY_SECONDS, minimum=1)
                lane.watts = self.meter.watts(work, _ENERGY_SECONDS)

    def _profile(self, lane: Lane) -> None:
        if lane.failure is None and self.protocol.profile:
            images = self._images_path(lane.subject)
            try:
                found = self._ask(lane, "profile", images=images, seconds=_PROFILE_SECONDS)["operators"]
            except WorkerError as refused:
                if not refused.unavailable:
                    self._give_up(lane, "while profiling", refused)
                else:
                    lane.unprofiled = str(refused)
            else:
                lane.operators = tuple(Operator(**operator) for operator in found)

    def _reload(self, lane: Lane) -> None:
        if lane.failure is None:
            with self._giving_up(lane, "while reloading"):
                lane.load_warm_ms += self._ask(lane, "reload", times=self.protocol.reloads)["load_ms"]

    def _examine(self, group: Sequence[Lane]) -> None:
        """Ask each subject its images, once by each backend, whatever the number of its lanes."""
        examined = {(lane.subject, lane.backend): lane for lane in reversed(group) if lane.failure is None}
        for lane in group:
            first = examined.get((lane.subject, lane.backend))
            if lane is first:
                with self._giving_up(lane, "while measuring accuracy"):
                    for evaluation_set in lane.subject.evaluation_sets:
                        self._put(lane, evaluation_set)
            elif first is not None and lane.failure is None:
                lane.evaluations, lane.doubt = first.evaluations, first.doubt
                lane.remarks += first.remarks

    def _put(self, lane: Lane, evaluation_set: EvaluationSet) -> None:
        refusal = evaluation_set.refusal(lane.input_shape, lane.classes)
        if refusal is not None:
            lane.remarks.append(f"{NO_ACCURACY}: {refusal}")
            return
        count = len(evaluation_set.images)
        per_request = _images_per_request(lane)
        images, file = self._images_file(evaluation_set), self._folder / "answers.npy"
        parts: list[Probabilities] = []
        with self.progress.bar(f"Accuracy of {lane.subject.name}", count) as advance:
            for start in range(0, count, per_request):
                stop = min(start + per_request, count)
                self._ask(lane, "predict", images=str(images), start=start, stop=stop, answers=str(file))
                parts.append(np.array(archives.mapped(file)))
                advance(stop - start)
        answers = np.concatenate(parts)
        if not scores.are_numbers(answers):
            raise MeasurementError("outputs NaN or infinity")
        if lane.subject.bare:
            answers, how = scores.as_probabilities(answers)
            lane.remarks += [HOW.get(how, how)] if how else []
        lane.evaluations[evaluation_set] = evaluation_set.evaluate(answers)
        if lane.subject.bare and lane.input["ground"] == "assumed" and evaluation_set is lane.subject.accuracy_on:
            trial = RangeTrial(lane=lane, evaluation_set=evaluation_set, answers=answers, folder=self._folder)
            lane.doubt = trial.doubt(partial(self._ask, lane))
            lane.remarks += [lane.doubt] if lane.doubt else []

    def _ask(self, lane: Lane, action: str, **arguments: Any) -> Message:
        """What a lane's worker answers; the actions and their arguments are in :mod:`edge_cifar.bench.worker`."""
        assert lane.worker is not None
        limit = self.protocol.answer_seconds + 2 * float(arguments.get("seconds", 0.0))
        return lane.worker.ask({"do": action, **arguments}, seconds=limit)

    @contextmanager
    def _giving_up(self, lane: Lane, stage: str) -> Iterator[None]:
        """A worker's failure costs its own lane only."""
        try:
            yield
        except (WorkerError, MeasurementError) as failed:
            self._give_up(lane, stage, failed)

    def _give_up(self, lane: Lane, stage: str, cause: WorkerError | MeasurementError) -> None:
        unavailable = isinstance(cause, WorkerError) and cause.unavailable
        lane.unavailable = unavailable
        lane.failure = str(cause) if unavailable else f"{stage}: {cause}"
        self.progress.say(f"{lane.subject.name} {'skipped' if unavailable else 'failed'} {lane.failure}")
        lane.close()

    def _images_path(self, subject: Subject) -> str | None:
        return str(self._images_file(subject.evaluation_sets[0])) if subject.evaluation_sets else None

    def _images_file(self, evaluation_set: EvaluationSet) -> Path:
        """The images as a file that workers map into memory, written once."""
        path = self._folder / f"images-{id(evaluation_set)}.npy"
        if not path.exists():
            np.save(path, evaluation_set.images, allow_pickle=False)
        return path


def _images_per_request(lane: Lane) -> int:
    typical_ms = float(np.median(lane.windows_ns[-1])) / 1e6
    return max(_SMALLEST_REQUEST, int(_REQUEST_MILLISECONDS / typical_ms))
