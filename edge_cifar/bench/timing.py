"""The loops around one inference. They run inside the worker and add nothing to what is timed."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

Infer = Callable[[], object]

_SETTLE_SHARE = 0.1
_WARM_UP_STEP_SECONDS = 0.05
_STABLE_STEPS = 3
_STABLE_SPREAD = 0.03
_EMPTY_CALLS = 2000


@dataclass(frozen=True, kw_only=True)
class WarmUp:
    """The outcome of a warm-up.

    Attributes:
        inferences: how many were run.
        stable: whether the median settled before the time was over.
    """

    inferences: int
    stable: bool


def once(infer: Infer) -> int:
    """Duration of one inference, in nanoseconds."""
    start = time.perf_counter_ns()
    infer()
    return time.perf_counter_ns() - start


def window(infer: Infer, seconds: float, minimum: int) -> list[int]:
    """Durations of back-to-back inferences, in nanoseconds each.

    A tenth of the time is run before and not counted: since this worker's last window the caches
    have been another worker's.

    Args:
        infer: one inference.
        seconds: how long to measure.
        minimum: measure at least this many, however long it takes.
    """
    with _no_garbage_collection():
        _run_for(infer, seconds * _SETTLE_SHARE)
        return _sample(infer, seconds, minimum)


def warm_up(infer: Infer, limit_seconds: float) -> WarmUp:
    """Run until the medians of three steps in a row lie within 3 % of each other, or the time is over."""
    end = time.perf_counter() + limit_seconds
    inferences = 0
    medians: list[float] = []
    while time.perf_counter() < end:
        samples = _sample(infer, _WARM_UP_STEP_SECONDS, 1)
        inferences += len(samples)
        medians.append(statistics.median(samples))
        last = medians[-_STABLE_STEPS:]
        if len(last) == _STABLE_STEPS and max(last) <= min(last) * (1 + _STABLE_SPREAD):
            return WarmUp(inferences=inferences, stable=True)
    return WarmUp(inferences=inferences, stable=False)


def own_cost() -> float:
    """What the loop adds to every sample: the median duration of an empty function, in nanoseconds."""
    with _no_garbage_collection():
        return float(statistics.median(_sample(lambda: None, 0.0, _EMPTY_CALLS)))


def _sample(infer: Infer, seconds: float, minimum: int) -> list[int]:
    clock = time.perf_counter_ns
    samples: list[int] = []
    end = clock() + int(seconds * 1e9)
    while True:
        start = clock()
        infer()
        stop = clock()
        samples.append(stop - start)
        if stop >= end and len(samples) >= minimum:
            return samples


def _run_for(infer: Infer, seconds: float) -> None:
    end = time.perf_counter() + seconds
    infer()
    while time.perf_counter() < end:
        infer()


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Turn off garbage collection, whose pauses are Python's and not the network's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
