"""The loops around one inference."""

from __future__ import annotations

import gc
import itertools
import time

import pytest

from edge_cifar.bench import timing


def _spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_a_window_lasts_as_long_as_asked_and_times_every_inference() -> None:
    calls = itertools.count()
    samples = timing.window(lambda: (next(calls), _spin(0.001)), seconds=0.1, minimum=1)
    done = next(calls)
    assert sum(samples) >= 0.5 * 0.1e9
    # What was run to settle was not timed.
    assert 0 < len(samples) < done
    assert min(samples) >= 1e6


def test_a_window_takes_its_minimum_however_long_that_is() -> None:
    assert len(timing.window(lambda: _spin(0.005), seconds=0.001, minimum=4)) == 4


def test_the_garbage_collector_rests_during_a_window_and_works_after_it() -> None:
    seen = []
    timing.window(lambda: seen.append(gc.isenabled()), seconds=0.0, minimum=1)
    assert not any(seen)
    assert gc.isenabled()


def test_the_garbage_collector_works_again_after_an_inference_that_raised() -> None:
    def broken() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        timing.window(broken, seconds=0.0, minimum=1)
    assert gc.isenabled()


class Clock:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.nanoseconds = 0

    def perf_counter_ns(self) -> int:
        return self.nanoseconds

    def perf_counter(self) -> float:
        return self.nanoseconds / 1e9

    def sleep(self, seconds: float) -> None:
        self.nanoseconds += int(seconds * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    return clock


def test_a_warm_up_ends_when_the_median_no_longer_moves(clock: Clock) -> None:
    done = timing.warm_up(lambda: clock.sleep(0.01), limit_seconds=20.0)
    assert done.stable
    assert done.inferences >= 3
    assert clock.perf_counter() < 10


def test_a_warm_up_of_something_that_grows_slower_ends_with_its_time(clock: Clock) -> None:
    durations = itertools.count(1)
    done = timing.warm_up(lambda: clock.sleep(0.02 * next(durations)), limit_seconds=0.4)
    assert not done.stable
    assert clock.perf_counter() >= 0.4


def test_timing_itself_costs_less_than_a_few_microseconds() -> None:
    assert 0 < timing.own_cost() < 5000
