"""One benchmark case: a subject, how it is run, and what was measured so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from edge_cifar import model_files
from edge_cifar.bench.evaluation_set import Evaluation, EvaluationSet
from edge_cifar.bench.subject import Subject
from edge_cifar.documents.operators import Operator
from edge_cifar.pixels import Setup
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.processes.request_loop import Message
from edge_cifar.processes.worker import Worker

# Memory of Python with a runtime before it loads a model; TensorFlow needs several times as much as the others.
_RUNTIME_BYTES = {"keras": 700_000_000}
_SMALL_RUNTIME_BYTES = 100_000_000


@dataclass(kw_only=True, eq=False)
class Case:
    """One subject with one backend, thread count and batch size.

    Attributes:
        subject: what is measured.
        runtime: name of the runtime module.
        backend: what computes it, one of the runtime's.
        threads: CPU threads an inference may use.
        batch: images in one inference.
        failure: why measuring it was given up.
        unavailable: whether this machine or file does not support it, rather than failing.
        windows_ns: durations of single inferences by window, in nanoseconds.
        rounds: the number of the round that each window was taken in; those of different groups differ.
        first_ms: first inference, by process.
        load_ms: load time, by process.
        load_warm_ms: load times in a process that had loaded it before.
        import_ms: time to import the runtime, by process.
        own_cost_ns: what timing adds to an inference, by process.
        base_bytes: resident size before loading, by process.
        peak_bytes: largest resident size until the last window, by process.
        stable: whether the latency had settled at the end of each warm-up.
        watts: power of the processor while only this case ran; None without a readable meter.
        operators: what each operator costs, where that was asked for and is told.
        unprofiled: why there are no operators.
        remarks: what a reader of the row should know.
        evaluations: by evaluation set.
        worker: the process it runs in at the moment.
        input_shape: of one image, as loaded; so are those that follow.
        classes: number of classes.
        labels: class names that the file itself holds, in the order of its scores.
        preprocessing: how pixels are given.
        input: it as the row shows it, with the ground for its range.
        found: preprocessing that was found by trial, in place of an assumed one.
        caveat: why its accuracy says nothing about the network.
    """

    subject: Subject
    runtime: str
    backend: str
    threads: int = 1
    batch: int = 1
    failure: str | None = None
    unavailable: bool = False
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
    watts: float | None = None
    operators: tuple[Operator, ...] = ()
    unprofiled: str | None = None
    remarks: list[str] = field(default_factory=list)
    evaluations: dict[EvaluationSet, Evaluation] = field(default_factory=dict)
    worker: Worker | None = None
    input_shape: tuple[int, ...] = ()
    classes: int = 0
    labels: tuple[str, ...] | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    input: dict[str, Any] = field(default_factory=dict)
    found: Preprocessing | None = None
    caveat: str | None = None

    def setup(self) -> Setup:
        """How a worker is to load it."""
        setup = replace(self.subject.setup, backend=self.backend, batch=self.batch)
        if self.found is not None:
            setup = replace(setup, preprocessing=self.found, ground="tried")
        if self.subject.evaluation_sets:
            # For a file that takes images of any size.
            height, width = self.subject.evaluation_sets[0].images.shape[1:3]
            setup = replace(setup, image_size=(height, width))
        return setup

    def take_input(self, loaded: Message) -> None:
        """Note what a worker says about the input of the file that it loaded."""
        self.input = loaded["input"]
        self.preprocessing = Preprocessing.from_json(loaded["preprocessing"])
        self.labels = self.subject.labels(loaded["labels"])

    def share(self, examined: Case) -> None:
        """Take over what was found of the same subject with the same backend."""
        self.evaluations, self.caveat = examined.evaluations, examined.caveat
        self.input, self.preprocessing, self.found = examined.input, examined.preprocessing, examined.found
        self.remarks += examined.remarks

    def close(self) -> None:
        """End its process, if it has one."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None


def groups(cases: Sequence[Case], available_bytes: int) -> Iterator[list[Case]]:
    """Cases that fit into memory together, in their order.

    Those of one model, which are compared with each other, stay together unless they alone need too much.
    """
    group: list[Case] = []
    taken = 0
    able = (case for case in cases if case.failure is None)
    for _, family in groupby(able, key=lambda case: case.subject.model):
        members = list(family)
        if group and taken + sum(map(_needed_bytes, members)) > available_bytes:
            yield group
            group, taken = [], 0
        for case in members:
            needed = _needed_bytes(case)
            if group and taken + needed > available_bytes:
                yield group
                group, taken = [], 0
            group.append(case)
            taken += needed
    if group:
        yield group


def _needed_bytes(case: Case) -> int:
    """A worker needs memory for its runtime and a few times the size of its file."""
    return _RUNTIME_BYTES.get(case.runtime, _SMALL_RUNTIME_BYTES) + 4 * model_files.size_bytes(case.subject.path)
