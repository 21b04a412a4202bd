"""What is measured and how. Stored with every result, so that a figure explains itself."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from edge_cifar.bench.subject import ALL, known_backends
from edge_cifar.errors import UsageError, unknown

_METHOD = {
    "timed": "set the input, run the network, read its output; one image, or one batch of the same image, "
    "converted to the input's type beforehand",
    "clock": "time.perf_counter_ns around each inference, Python's garbage collector off",
    "process": "each artifact in a process of its own that imports only NumPy and its runtime",
    "order": "artifacts in turn, one window each, every other round in reverse order",
    "median": "of the windows' medians; low and high are its 95 % interval by order statistics",
    "p90, p99, mean": "over all inferences of all windows",
    "first": "first inference after loading, median over the processes",
    "spread": "interquartile range of the windows' medians over the median",
    "ratio": "median of the ratios of paired windows, with its 95 % interval by order statistics",
    "load_ms": "first load in a fresh process, the runtime's import not counted, the file in the system's cache; "
    "median over the processes",
    "load_warm_ms": "loaded again in the same process; median",
    "peak_rss_bytes": "largest resident size of the worker until the last window; largest over the processes",
    "memory_bytes": "peak_rss_bytes less the resident size after the runtime's import",
    "throughput_per_s": "images, inferences one after the other: the batch over the mean duration",
    "energy": "of the whole processor while nothing else of ours runs, idle power included; an inference's "
    "joules are watts times the mean duration, by image",
    "multiply_adds_per_s": "multiply-adds of the Keras model for one image, times the batch, over the median",
    "peak_multiply_adds_per_s": "best of repeated products of two 512 by 512 float32 matrices on as many threads",
    "accuracy": "by the same runtime's predict; 95 % interval after Wilson",
    "pareto": "no other row of as many threads, batch and images is better in error, median latency or size, "
    "and as good in the rest",
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
        rest_seconds: pause before each round of windows, for a machine that grows hot.
        threads: CPU threads an inference may use; each count is a row of its own.
        batch_sizes: images in one inference; each is a row of its own.
        backends: what is to compute, by name; ``("all",)`` for every one that the machine has, none for
            each runtime's default. Each is a row of its own.
        profile: whether to find out what each operator costs.
        reloads: loads in the same process, for the warm load time.
        answer_seconds: how long a worker may be silent beyond what its request takes; then it hangs.
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
                raise UsageError(f"{option} takes positive numbers, such as 1,2,4; got {counts}")
            if len(set(counts)) < len(counts):
                raise UsageError(f"{option} names a number twice: {', '.join(map(str, counts))}")
        for name in self.backends:
            if (name,) != self.backends and name == ALL:
                raise UsageError(f"--backend is {ALL} or names, not both: {', '.join(self.backends)}")
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
