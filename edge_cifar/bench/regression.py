"""This result against an earlier one: what became slower, larger or less accurate beyond the noise."""

from __future__ import annotations

import binascii
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import model_files
from edge_cifar.bench.result import SCHEMA, correctness
from edge_cifar.errors import BundleError
from edge_cifar.evaluation.metrics import Z_95
from edge_cifar.evaluation.paired import paired_drop
from edge_cifar.storage import files

_ACCURACY_POINTS = 0.5

Row = Mapping[str, Any]
Document = Mapping[str, Any]


def read(path: Path) -> Document:
    """Read a result that ``bench`` wrote.

    Raises:
        BundleError: the file is missing, broken, or no benchmark of this schema.
    """
    document = files.read_json(path, "benchmark result")
    rows = document.get("results") if isinstance(document, dict) else None
    if not isinstance(rows, list) or document.get("schema") != SCHEMA:
        raise BundleError(f"{path} is not a benchmark result of schema {SCHEMA}; make one with bench --output")
    return document  # type: ignore[no-any-return]


def regressions(now: Document, before: Document, max_percent: float) -> list[str]:
    """What became worse, one sentence each; none when nothing did.

    Latency is worse when the lower end of the 95 % interval of its growth is over ``max_percent``;
    size when its growth is; accuracy when it fell by more than half a point and the fall is
    significant at 95 % (paired where both were asked the same images). A row that could be measured
    before and fails now is a regression too. Rows are matched by model, variant, backend, threads and
    batch.

    Args:
        now: a benchmark's document.
        before: the baseline's document.
        max_percent: growth that is put up with.

    Raises:
        BundleError: no row of one is in the other, or the baseline is broken.
    """
    new = {_key(row): row for row in now["results"]}
    found: list[str] = []
    compared = 0
    try:
        for old in before["results"]:
            row = new.get(_key(old))
            if row is None or old["status"] != "ok" or row["status"] == "skipped":
                continue
            compared += 1
            if row["status"] != "ok":
                found.append(f"{_name(row)} failed: {row['reason']}")
                continue
            found += [f"{_name(row)} {fault}" for fault in _faults(row, old, max_percent)]
    except (KeyError, TypeError, AttributeError, ValueError, ZeroDivisionError) as error:
        raise BundleError(f"the baseline is broken ({error!r}); make it again with bench --output") from error
    if not compared:
        raise BundleError("the baseline holds none of what was measured; make one of the same models")
    return found


def _faults(row: Row, old: Row, max_percent: float) -> list[str]:
    found = []
    growth, at_least = _latency_growth(row["latency_ms"], old["latency_ms"])
    if at_least > max_percent:
        found.append(f"takes {growth:.1f} % longer (at least {at_least:.1f} % beyond the noise)")
    larger = 100 * (row["size_bytes"] / old["size_bytes"] - 1)
    if larger > max_percent:
        found.append(f"is {larger:.1f} % larger")
    if row["accuracy"] and old["accuracy"]:
        points, significant = _accuracy_lost(row, old)
        if points > _ACCURACY_POINTS and significant:
            found.append(f"lost {points:.2f} points of accuracy, beyond chance")
    return found


def _latency_growth(now: Row, before: Row) -> tuple[float, float]:
    """Growth of the median in percent, and the lower end of its 95 % interval.

    The two medians were measured apart from each other, so the distances to the ends of their
    intervals add in quadrature, on a logarithmic scale as befits a ratio.
    """
    ratio = now["median"] / before["median"]
    noise = math.hypot(math.log(now["median"] / now["low"]), math.log(before["high"] / before["median"]))
    return 100 * (ratio - 1), 100 * (ratio * math.exp(-noise) - 1)


def _accuracy_lost(row: Row, old: Row) -> tuple[float, bool]:
    """Points lost, and whether that is significant."""
    now, before = row["accuracy"], old["accuracy"]
    points = 100 * (before["top1"] - now["top1"])
    # Older results do not tell which images of the data they took.
    told = {side.get("images_sha256") for side in (now, before)} - {None}
    same_images = row["data"] == old["data"] and now["images"] == before["images"] and len(told) < 2
    if same_images and "correct" in now and "correct" in before:
        return points, _paired_low(now, before) > 0
    variance = sum(side["top1"] * (1 - side["top1"]) / side["images"] for side in (now, before))
    return points, points > 100 * Z_95 * math.sqrt(variance)


def _paired_low(now: Row, before: Row) -> float:
    """Lower end of the paired loss, from what each got right and wrong."""
    try:
        right_now, right_before = correctness(now), correctness(before)
    except binascii.Error as error:
        raise ValueError(f"its list of right answers is damaged: {error}") from error
    # The paired test asks for probabilities: class 0 is true, and all mass lies on right or wrong.
    labels = np.zeros(len(right_now), np.int64)
    drop = paired_drop(labels, _certain(right_before), _certain(right_now))
    return drop.low


def _certain(right: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.stack([right, ~right], axis=1).astype(np.float64)


def _key(row: Row) -> tuple[Any, ...]:
    bare = None if row["variant"] else Path(row["path"]).name
    # Results of before there was a choice were measured with the default backend, an image at a time.
    backend = row.get("backend") or _default_backend(row["path"])
    return row["model"], row["variant"], bare, backend, row["threads"], row.get("batch", 1)


def _default_backend(path: str) -> str | None:
    found = model_files.runtimes_of(path)
    return found[0].BACKENDS[0] if found else None


def _name(row: Row) -> str:
    threads = "" if row["threads"] == 1 else f" with {row['threads']} threads"
    batch = "" if row.get("batch", 1) == 1 else f" in batches of {row['batch']}"
    backend = row.get("backend")
    by = f" by {backend}" if backend and backend != _default_backend(row["path"]) else ""
    return f"{row['model']} {row['variant'] or Path(row['path']).name}{by}{threads}{batch}"
