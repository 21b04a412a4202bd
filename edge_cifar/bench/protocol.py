"""What is measured and how. Stored with every result."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from edge_cifar.bench.subject import ALL, known_backends
from edge_cifar.errors import UsageError, unknown

_METHOD = {
    "timed": "setting the input, running the network and reading the output, for one image or one batch of copies of "
    "it, converted to the input's type beforehand",
    "clock": "time.perf_counter_ns around each inference, with Python's garbage collector off",
    "process": "each artifact in its own process, which imports only NumPy and the runtime",
    "order": "rounds of one window per artifact, every other round in reverse order",
    "median": "median of the window medians; low and high are its 95 % interval from order statistics",
    "p90, p99, mean": "over all inferences of all windows",
    "first": "first inference after loading; median over processes",
    "spread": "interquartile range of the window medians, divided by the median",
    "ratio": "median ratio of paired windows, with its 95 % interval from order statistics",
    "load_ms": "first load in a fresh process, excluding the runtime's import, with the file in the system's cache; "
    "median over processes",
    "load_warm_ms": "reload in the same process; median",
    "peak_rss_bytes": "peak resident size of the worker up to the last window; maximum over processes",
    "memory_bytes": "peak_rss_bytes minus the resident size after importing the runtime",
    "throughput_per_s": "images per second with back-to-back inferences: batch size divided by mean duration",
    "energy": "power of the whole processor, including idle power, while only this artifact runs; joules per image are "
    "watts times mean duration, divided by batch size",
    "multiply_adds_per_s": "MACs of the Keras model per image, times batch size, divided by the median",
    "peak_multiply_adds_per_s": "best of repeated products of two 512×512 float32 matrices on as many threads",
    "accuracy": "from the same runtime's predict; 95 % Wilson interval",
    "pareto": "no other row with the same threads, batch size and images is better in error, median latency or size "
    "and at least as good in the others",
}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The settings of a benchmark.

    Attributes:
        seconds: measuring time of each artifact at each thread count, over all its windows.
        processes: fresh processes each artifact is measured in, one after the other.
        windows: windows in all, spread over the processes.
        minimum_inferences: in each window, however long they take.
        warm_up_seconds: the longest warm-up; it ends sooner when the median has stopped moving.
        rest_seconds: pause before each round of windows, to let the machine cool down.
        threads: CPU threads an inference may use; each count is a row of its own.
        batch_sizes: images in one inference; each is a row of its own.
        backends: what is to compute, by name; ``("all",)`` for every one that the machine has, none for
            each runtime's default. Each is a row of its own.
        profile: whether to find out what each operator costs.
        reloads: loads in the same process, for the warm load time.
        answer_seconds: how long a worker may exceed its request's own time before it counts as hung.
    """

    seconds: float = 2.0
    processes: int = 3
    windows: int = 18
    minimum_inferences: int = 3
    warm_up_seconds: float = 1.0
    rest_seconds: float = 0.0
    threads: tuple[int, ...] = (1,)
    batch_sizes: tuple[int, ...] = (1,)
    backends: tuple[str, ...] = ()
    profile: bool = False
    reloads: int = 3
    answer_seconds: float = 120.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise UsageError(f"--seconds must be a positive number, got {self.seconds}")
        if not (math.isfinite(self.rest_seconds) and self.rest_seconds >= 0):
            raise UsageError(f"--rest must be zero or a positive number of seconds, got {self.rest_seconds}")
        for option, counts in (("--threads", self.threads), ("--batch-size", self.batch_sizes)):
            if not counts or any(count < 1 for count in counts):
                raise UsageError(f"{option} takes positive integers, such as 1,2,4; got {counts}")
            if len(set(counts)) < len(counts):
                raise UsageError(f"{option} repeats a number: {', '.join(map(str, counts))}")
        for name in self.backends:
            if (name,) != self.backends and name == ALL:
                raise UsageError(f"--backend takes {ALL} or names, not both: {', '.join(self.backends)}")
            if name != ALL and name not in known_backends():
                raise unknown("backend", name, known_backends())

    @property
    def window_seconds(self) -> float:
        return self.seconds / self.windows

    @property
    def windows_per_process(self) -> int:
        return math.ceil(self.windows / self.processes)

    def document(self, own_cost_ns: float | None) -> dict[str, Any]:
        """The protocol as results hold it.

        Args:
            own_cost_ns: what timing itself adds to each inference; None when nothing was timed.
        """
        settings = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return {**settings, "own_cost_ns": own_cost_ns, "method": dict(_METHOD)}
