"""Compare a result with an earlier one: what became significantly slower, larger or less accurate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import model_files
from edge_cifar.documents.bench_figures import DetailedAccuracy, Latency
from edge_cifar.documents.bench_report import BenchReport
from edge_cifar.documents.benchmark_result import BenchmarkResult
from edge_cifar.errors import BundleError
from edge_cifar.evaluation.metrics import Z_95
from edge_cifar.evaluation.paired import paired_drop

_ACCURACY_POINTS = 0.5


def regressions(now: BenchReport, before: BenchReport, max_percent: float) -> list[str]:
    """What became worse, one sentence each; empty when nothing did.

    Latency is worse when the lower end of the 95 % interval of its growth is over ``max_percent``;
    size when its growth is; accuracy when it fell by more than half a point and the fall is
    significant at 95 % (paired where both were asked the same images). A row that could be measured
    before and fails now is a regression too. Rows are matched by model, variant, backend, threads and
    batch.

    Args:
        now: a benchmark.
        before: the baseline.
        max_percent: allowed growth.

    Raises:
        BundleError: no row of one is in the other.
    """
    new = {_key(row): row for row in now.results}
    found: list[str] = []
    compared = 0
    for old in before.results:
        row = new.get(_key(old))
        if row is None or old.status != "ok" or row.status == "skipped":
            continue
        compared += 1
        if row.status != "ok":
            found.append(f"{_name(row)} failed: {row.reason}")
            continue
        found += [f"{_name(row)} {fault}" for fault in _faults(row, old, max_percent)]
    if not compared:
        raise BundleError("the baseline has none of the measured models; create one with the same models")
    return found


def _faults(row: BenchmarkResult, old: BenchmarkResult, max_percent: float) -> list[str]:
    found = []
    if row.latency and old.latency:
        growth, at_least = _latency_growth(row.latency, old.latency)
        if at_least > max_percent:
            found.append(f"is {growth:.1f} % slower (at least {at_least:.1f} % beyond noise)")
    if row.size_bytes and old.size_bytes:
        larger = 100 * (row.size_bytes / old.size_bytes - 1)
        if larger > max_percent:
            found.append(f"is {larger:.1f} % larger")
    if row.accuracy and old.accuracy:
        points = 100 * (old.accuracy.top1 - row.accuracy.top1)
        significant = _significant(row.accuracy, old.accuracy, same_data=row.data == old.data)
        if points > _ACCURACY_POINTS and significant:
            found.append(f"drops {points:.2f} points of accuracy, a significant change")
    return found


def _latency_growth(now: Latency, before: Latency) -> tuple[float, float]:
    """Growth of the median in percent, and the lower end of its 95 % interval.

    The two medians were measured apart from each other, so the distances to the ends of their
    intervals add in quadrature, on a logarithmic scale as befits a ratio.
    """
    ratio = now.median / before.median
    noise = math.hypot(math.log(now.median / now.low), math.log(before.high / before.median))
    return 100 * (ratio - 1), 100 * (ratio * math.exp(-noise) - 1)


def _significant(now: DetailedAccuracy, before: DetailedAccuracy, *, same_data: bool) -> bool:
    """Whether accuracy fell significantly."""
    # Older results do not record which images they used.
    told = {now.images_sha256, before.images_sha256} - {None}
    if same_data and now.images == before.images and len(told) < 2 and now.correct and before.correct:
        # The paired test asks for probabilities: class 0 is true, and all mass lies on right or wrong.
        labels = np.zeros(now.images, np.int64)
        return paired_drop(labels, _certain(before.right), _certain(now.right)).low > 0
    variance = sum(side.top1 * (1 - side.top1) / side.images for side in (now, before))
    return before.top1 - now.top1 > Z_95 * math.sqrt(variance)


def _certain(right: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.stack([right, ~right], axis=1).astype(np.float64)


def _key(row: BenchmarkResult) -> tuple[Any, ...]:
    bare = None if row.variant else row.path.name
    # Results from before there was a choice used the default backend.
    return row.model, row.variant, bare, row.backend or _default_backend(row.path), row.threads, row.batch


def _default_backend(path: Path) -> str | None:
    found = model_files.runtimes_of(path)
    return found[0].BACKENDS[0] if found else None


def _name(row: BenchmarkResult) -> str:
    threads = "" if row.threads == 1 else f" with {row.threads} threads"
    batch = "" if row.batch == 1 else f" with batch size {row.batch}"
    by = f" on {row.backend}" if row.backend and row.backend != _default_backend(row.path) else ""
    return f"{row.model} {row.variant or row.path.name}{by}{threads}{batch}"
