"""Time in tests that hold on a machine of any speed, busy or not: as a ratio to something measured beside it."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from collections.abc import Callable

# What a test waits for comes at once, or a second later; this ends the test where it never comes.
PATIENCE_SECONDS = 900.0


def times_longer(work: Callable[[], object], beside: Callable[[], object], rounds: int = 3) -> float:
    """How many times the processor time of something else a piece of work takes.

    Processor time, of this process and of the programs that it waits for: what else the machine does is no fault of
    the work's. Both are done in turns, so that a processor that changes its speed changes it for both; the
    medians are compared.
    """
    taken: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(rounds):
        for ours, what in ((False, beside), (True, work)):
            before = _processor_seconds()
            what()
            taken[ours].append(_processor_seconds() - before)
    return statistics.median(taken[True]) / statistics.median(taken[False])


def _processor_seconds() -> float:
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def program(*arguments: str) -> Callable[[], subprocess.CompletedProcess[str]]:
    """A run of this Python with arguments, which must succeed."""
    return lambda: subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
