"""All subjects measured in turn, window by window, so that a machine's drift hits all alike."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import files
from edge_cifar.bench.conditions import Bystanders
from edge_cifar.bench.examination import Examination, Judgement, Probabilities
from edge_cifar.bench.process import WorkerError, WorkerProcess
from edge_cifar.bench.protocol import Protocol
from edge_cifar.bench.subject import Subject
from edge_cifar.progress import Advance, Progress

# Answers are asked for in requests of about this length, so that a bar moves and a hang is noticed.
_REQUEST_MILLISECONDS = 2000.0
_SMALLEST_REQUEST = 64


@dataclass(kw_only=True, eq=False)
class Lane:
    """One subject at one thread count: what was measured of it so far.

    Attributes:
        subject: what is measured.
        runtime: name of the runtime module.
        threads: CPU threads an inference may use.
        failure: why measuring it was given up.
        windows_ns: durations of single inferences by window, in nanoseconds.
        rounds: the number of the round that each window was taken in.
        first_ms: first inference, by process.
        load_ms: load time, by process.
        load_warm_ms: load times in a process that had loaded it before.
        import_ms: time to import the runtime, by process.
        own_cost_ns: what timing adds to an inference, by process.
        base_bytes: resident size before loading, by process.
        peak_bytes: largest resident size until the last window, by process.
        stable: whether each warm-up came to rest.
        judgements: by examination.
        refusals: why it could not be examined.
    """

    subject: Subject
    runtime: str
    threads: int
    failure: str | None = None
    windows_ns: list[list[int]] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    load_ms: list[float] = field(default_factory=list)
    load_warm_ms: list[float] = field(default_factory=list)
    import_ms: list[float] = field(default_factory=list)
    own_cost_ns: list[float] = field(default_factory=list)
    base_bytes: list[int] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)
    stable: list[bool] = field(default_factory=list)
    judgements: dict[Examination, Judgement] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    worker: WorkerProcess | None = None
    input_shape: tuple[int, ...] = ()
    classes: int = 0


@dataclass(kw_only=True)
class Session:
    """A measurement of several lanes.

    Attributes:
        lanes: what to measure, in the order of the rows.
        protocol: how.
        progress: who is told.
        bystanders: what others did to the processor meanwhile.
        interrupted: whether Ctrl-C ended it early; what the lanes hold by then stands.
    """

    lanes: Sequence[Lane]
    protocol: Protocol
    progress: Progress
    bystanders: Bystanders = field(default_factory=Bystanders)
    interrupted: bool = False

    def run(self, available_bytes: int) -> None:
        """Measure. A lane that fails is given up and the others go on; Ctrl-C keeps what there is.

        Args:
            available_bytes: memory that workers may fill; lanes that do not fit into it together
                are measured in groups, one after the other.
        """
        with tempfile.TemporaryDirectory(prefix="edge-cifar-bench-") as folder:
            self._folder = Path(folder)
            try:
                for group in groups(self.lanes, available_bytes):
                    self._measure(group)
            except KeyboardInterrupt:
                self.interrupted = True
            finally:
                for lane in self.lanes:
                    _close(lane)

    def _measure(self, group: Sequence[Lane]) -> None:
        protocol = self.protocol
        total = len(group) * protocol.processes * protocol.windows_per_process
        with self.progress.bar("Measuring", total) as advance:
            for process in range(protocol.processes):
                for lane in group:
                    self._start(lane)
                for window in range(protocol.windows_per_process):
                    self._round(group, process * protocol.windows_per_process + window, advance)
                for lane in group:
                    self._remember_peak(lane)
                if process < protocol.processes - 1:
                    for lane in group:
                        _close(lane)
        for lane in group:
            self._reload(lane)
        self._examine(group)
        for lane in group:
            _close(lane)

    def _start(self, lane: Lane) -> None:
        if lane.failure is not None:
            return
        with self._giving_up(lane, "while loading"):
            lane.worker = WorkerProcess()
            started = self._ask(lane, "start", runtime=lane.runtime)
            loaded = self._ask(lane, "load", path=str(lane.subject.path), threads=lane.threads)
            first = self._ask(lane, "first", images=self._images_path(lane.subject))
            warm = self._ask(lane, "warm_up", seconds=self.protocol.warm_up_seconds)
            lane.import_ms.append(started["import_ms"])
            lane.base_bytes.append(started["resident_bytes"])
            lane.own_cost_ns.append(started["own_cost_ns"])
            lane.load_ms.append(loaded["load_ms"])
            lane.input_shape, lane.classes = tuple(loaded["input_shape"]), loaded["classes"]
            lane.first_ms.append(first["first_ms"])
            lane.stable.append(warm["stable"])

    def _round(self, group: Sequence[Lane], number: int, advance: Advance) -> None:
        """One window of every lane; every other round backwards, so that none always follows the same one."""
        time.sleep(self.protocol.rest_seconds)
        cpu_seconds = 0.0
        self.bystanders.start()
        for lane in group if number % 2 == 0 else reversed(group):
            if lane.failure is None:
                with self._giving_up(lane, "while being timed"):
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
            with self._giving_up(lane, "after being timed"):
                lane.peak_bytes.append(self._ask(lane, "memory")["peak_bytes"])

    def _reload(self, lane: Lane) -> None:
        if lane.failure is None:
            with self._giving_up(lane, "while being loaded again"):
                lane.load_warm_ms += self._ask(lane, "reload", times=self.protocol.reloads)["load_ms"]

    def _examine(self, group: Sequence[Lane]) -> None:
        """Ask each subject its images, once, whatever the number of its lanes."""
        examined = {lane.subject: lane for lane in reversed(group) if lane.failure is None}
        for lane in group:
            first = examined.get(lane.subject)
            if lane is first:
                with self._giving_up(lane, "while answering images"):
                    for examination in lane.subject.examinations:
                        self._put(lane, examination)
            elif first is not None and lane.failure is None:
                lane.judgements, lane.refusals = first.judgements, first.refusals

    def _put(self, lane: Lane, examination: Examination) -> None:
        refusal = examination.refusal(lane.input_shape, lane.classes)
        if refusal is not None:
            lane.refusals.append(refusal)
            return
        count = len(examination.images)
        per_request = _images_per_request(lane)
        images, answers = self._images_file(examination), self._folder / "answers.npy"
        parts: list[Probabilities] = []
        with self.progress.bar(f"Accuracy of {lane.subject.name}", count) as advance:
            for start in range(0, count, per_request):
                stop = min(start + per_request, count)
                self._ask(lane, "predict", images=str(images), start=start, stop=stop, answers=str(answers))
                parts.append(np.load(answers, allow_pickle=False))
                advance(stop - start)
        lane.judgements[examination] = examination.judge(np.concatenate(parts))

    def _ask(self, lane: Lane, action: str, **arguments: Any) -> dict[str, Any]:
        assert lane.worker is not None
        timeout = self.protocol.answer_seconds + 2 * float(arguments.get("seconds", 0.0))
        return lane.worker.ask(action, timeout=timeout, **arguments)

    @contextmanager
    def _giving_up(self, lane: Lane, stage: str) -> Iterator[None]:
        """A worker's failure costs its own lane only."""
        try:
            yield
        except WorkerError as failed:
            lane.failure = f"{stage}: {failed}"
            self.progress.say(f"{lane.subject.name} failed {lane.failure}")
            _close(lane)

    def _images_path(self, subject: Subject) -> str | None:
        return str(self._images_file(subject.examinations[0])) if subject.examinations else None

    def _images_file(self, examination: Examination) -> Path:
        """The images as a file that workers map into memory, written once."""
        path = self._folder / f"images-{id(examination)}.npy"
        if not path.exists():
            np.save(path, examination.images, allow_pickle=False)
        return path


def groups(lanes: Sequence[Lane], available_bytes: int) -> Iterator[list[Lane]]:
    """Lanes that fit into memory together, in their order.

    A worker takes about 100 MB for Python and its runtime, and a few times the size of its file.
    """
    group: list[Lane] = []
    taken = 0
    for lane in lanes:
        if lane.failure is not None:
            continue
        needed = 100_000_000 + 4 * files.size_bytes(lane.subject.path)
        if group and taken + needed > available_bytes:
            yield group
            group, taken = [], 0
        group.append(lane)
        taken += needed
    if group:
        yield group


def _images_per_request(lane: Lane) -> int:
    typical_ms = float(np.median(lane.windows_ns[-1])) / 1e6
    return max(_SMALLEST_REQUEST, int(_REQUEST_MILLISECONDS / typical_ms))


def _close(lane: Lane) -> None:
    if lane.worker is not None:
        lane.worker.close()
        lane.worker = None
