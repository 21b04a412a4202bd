"""Processor power while something runs, if the machine has a readable meter.

Linux reports it through RAPL's counters (readable by root alone on most systems), macOS through powermetrics
(root too: it is asked only where sudo needs no password). Both count the whole processor, whatever else runs
on it and what it draws when idle included, so each figure comes with what was drawn when idle.
"""

from __future__ import annotations

import platform
import re
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from edge_cifar.processes import programs

POWERCAP = Path("/sys/class/powercap")

_POWERMETRICS = ("sudo", "-n", "powermetrics", "--samplers", "cpu_power", "-n", "1", "-i")
_ANSWER_SECONDS = 10.0
_IDLE_SECONDS = 0.5
_MICROJOULES_PER_JOULE = 1e6
_MILLIWATTS_PER_WATT = 1e3


class Meter(Protocol):
    """A meter of the processor's power.

    Attributes:
        source: its name.
    """

    source: str

    def watts(self, work: Callable[[], object], seconds: float) -> float | None:
        """Mean power while ``work`` runs.

        Args:
            work: takes at least ``seconds``.
            seconds: how long to measure.

        Returns:
            Watts; None if the meter gave no reading.
        """
        ...


class Rapl:
    """The energy counters of Intel's and AMD's processors, one per package.

    Source: the Linux kernel's documentation, "Power Capping Framework".
    """

    source = "RAPL, processor packages"

    def __init__(self, packages: list[Path]) -> None:
        self._packages = packages

    @classmethod
    def found(cls, root: Path = POWERCAP) -> Rapl | None:
        """The counters, if this machine has them and this user may read them."""
        packages = [zone for zone in sorted(root.glob("intel-rapl:[0-9]*")) if zone.name.count(":") == 1]
        try:
            for zone in packages:
                _count(zone / "energy_uj")
        except (OSError, ValueError):
            return None
        return cls(packages) if packages else None

    def watts(self, work: Callable[[], object], seconds: float) -> float | None:
        before, start = [_count(zone / "energy_uj") for zone in self._packages], time.monotonic()
        work()
        elapsed = time.monotonic() - start
        used = 0
        for zone, first in zip(self._packages, before, strict=True):
            last = _count(zone / "energy_uj")
            # The counter wraps to zero at the end of its range.
            used += last - first if last >= first else last - first + _count(zone / "max_energy_range_uj")
        return used / _MICROJOULES_PER_JOULE / elapsed


class Powermetrics:
    """macOS's own meter of CPU, GPU and Neural Engine together."""

    source = "powermetrics, CPU + GPU + ANE"

    @classmethod
    def found(cls) -> Powermetrics | None:
        """The meter, if this is a Mac whose sudo needs no password."""
        if platform.system() != "Darwin" or shutil.which("powermetrics") is None:
            return None
        meter = cls()
        return meter if meter.watts(lambda: None, 0.1) is not None else None

    def watts(self, work: Callable[[], object], seconds: float) -> float | None:
        milliseconds = str(max(1, round(1e3 * seconds)))
        with ThreadPoolExecutor(1) as beside:
            limit = seconds + _ANSWER_SECONDS
            asked = beside.submit(programs.output, *_POWERMETRICS, milliseconds, seconds=limit, partial=True)
            work()
            told = asked.result()
        power = re.search(r"Combined Power \(CPU \+ GPU \+ ANE\): (\d+) mW", told)
        return int(power.group(1)) / _MILLIWATTS_PER_WATT if power else None


def find() -> Meter | None:
    """This machine's meter; None if it has none that this user may read."""
    return Rapl.found() or Powermetrics.found()


def idle_watts(meter: Meter) -> float | None:
    """Power of the processor while nothing of ours runs."""
    return meter.watts(lambda: time.sleep(_IDLE_SECONDS), _IDLE_SECONDS)


def _count(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))
