"""Warnings when the machine's state makes measurements unreliable."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import psutil

_BUSY_CORES = 0.25


class Bystanders:
    """Processor time that other programs used during the measurement."""

    def __init__(self) -> None:
        self._others_seconds = 0.0
        self._elapsed_seconds = 0.0
        self._start: tuple[float, float, float] | None = None

    def start(self) -> None:
        """Start or continue measuring."""
        self._start = (_busy_seconds(), time.process_time(), time.monotonic())

    def stop(self, workers_cpu_seconds: float) -> None:
        """Pause measuring.

        Args:
            workers_cpu_seconds: processor time our workers used since :meth:`start`.
        """
        assert self._start is not None
        busy, own, clock = self._start
        ours = workers_cpu_seconds + time.process_time() - own
        self._others_seconds += max(0.0, _busy_seconds() - busy - ours)
        self._elapsed_seconds += time.monotonic() - clock
        self._start = None

    @property
    def cores(self) -> float | None:
        """Cores that others kept busy, on average; None when nothing was measured."""
        return self._others_seconds / self._elapsed_seconds if self._elapsed_seconds else None


def warnings(before: Mapping[str, Any], after: Mapping[str, Any], others_cores: float | None) -> list[str]:
    """One sentence for each problem.

    Args:
        before: :func:`edge_cifar.machine.condition` before measuring.
        after: the same after it.
        others_cores: cores that other processes kept busy meanwhile.
    """
    found = []
    if others_cores is not None and others_cores > _BUSY_CORES:
        found.append(
            f"the machine was busy: other processes used {others_cores:.1f} cores during the measurement "
            f"(load average {after.get('load_average', ['unknown'])[0]}); ratios hold, latencies may be too high"
        )
    now = [cause for cause in after.get("throttling", ()) if not cause.endswith("since boot")]
    if now:
        found.append(f"the processor is throttled ({', '.join(now)}); cool the board or fix its power supply")
    elif new := set(after.get("throttling", ())) - set(before.get("throttling", ())):
        found.append(
            f"the processor was throttled during the measurement ({', '.join(sorted(new))}); use --rest SECONDS"
        )
    if after.get("throttle_count", 0) > before.get("throttle_count", 0):
        found.append(
            "the processor overheated and was throttled during the measurement; use --rest SECONDS to let it cool"
        )
    if after.get("speed_limit_percent", 100) < 100:
        found.append(
            f"macOS limits the processor to {after['speed_limit_percent']} % because of heat; let the machine cool down"
        )
    if "battery" in (before.get("power_source"), after.get("power_source")):
        found.append("the machine is on battery power, which may slow it down; plug it in")
    return found


def _busy_seconds() -> float:
    """Processor time used since boot, over all cores, including time taken by a hypervisor for others."""
    times = psutil.cpu_times()
    return float(sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq", "steal")))
