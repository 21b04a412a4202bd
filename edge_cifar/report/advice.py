"""Which artifact to ship: one sentence, by a rule that is written down and can be adjusted.

The rule. Only what was measured to the end counts, and nothing whose parity check failed. Artifacts
are ranked against those measured on the same machine, on the same data.

    asked for                               what is advised
    nothing                                 the smallest within one point of the most accurate
    a least accuracy                        the smallest that reaches it (and meets a latency limit)
    a least accuracy and a largest size     the fastest that meets both (and a latency limit)
    a largest size or latency alone         the most accurate within the limits

Ties go to the faster, then the smaller, then the more accurate, then the first in the table.
Accuracies are compared as measured; the page shows their intervals beside them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_cifar.errors import UsageError
from edge_cifar.report import quantities
from edge_cifar.report.measurements import Measurement

# What may be lost against the best by default, in points: what quantization is commonly allowed to cost.
ALLOWED_LOSS = 0.01
# Differences of shares of up to a million images are told exactly; what binary fractions add is far less.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an artifact must meet; None for no limit.

    Attributes:
        min_accuracy: in 0..1.
        max_size_bytes: on disk.
        max_latency_ms: median of one image.
    """

    min_accuracy: float | None = None
    max_size_bytes: float | None = None
    max_latency_ms: float | None = None

    def __post_init__(self) -> None:
        if self.min_accuracy is not None and not 0.0 < self.min_accuracy <= 1.0:
            raise UsageError(f"--min-accuracy is in per cent, above 0 up to 100; got {100 * self.min_accuracy:g}")
        for option, value in (("--max-size", self.max_size_bytes), ("--max-latency", self.max_latency_ms)):
            if value is not None and not 0.0 < value < math.inf:
                raise UsageError(f"{option} must be a number above 0; got {value:g}")

    def words(self) -> str:
        """The limits as a clause: ``at least 94 %, at most 500 kB``; empty for none."""
        said = []
        if self.min_accuracy is not None:
            said.append(f"at least {100 * self.min_accuracy:g} %")
        if self.max_size_bytes is not None:
            said.append(f"at most {quantities.size(self.max_size_bytes)}")
        if self.max_latency_ms is not None:
            said.append(f"at most {quantities.milliseconds(self.max_latency_ms)}")
        return ", ".join(said)


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to ship.

    Attributes:
        sentence: for people, complete.
        rule: the rule as it was applied, one sentence.
        chosen: None when nothing meets the limits.
    """

    sentence: str
    rule: str
    chosen: Measurement | None


@dataclass(frozen=True)
class _Eligible:
    """A measurement that has all the figures the rule looks at."""

    row: Measurement
    accuracy: float
    size: float
    latency: float


def advise(rows: Sequence[Measurement], limits: Limits) -> list[Advice]:
    """One piece of advice for each machine and data set that has something to rank."""
    groups = [(place, _eligible(group)) for place, group in _by_machine_and_data(rows).items()]
    groups = [(place, candidates) for place, candidates in groups if candidates]
    several_machines = len({machine for (machine, _), _ in groups}) > 1
    several_sets = len({data for (_, data), _ in groups}) > 1
    advice = []
    for (machine, data), candidates in groups:
        opening = "On synthetic data: " if candidates[0].row.synthetic else ""
        if several_sets and data and not opening:
            opening = f"On {data}: "
        if several_machines:
            opening = f"On {machine}: " if not opening else f"{opening}on {machine}: "
        advice.append(_advise(candidates, limits, opening))
    return advice


def _advise(candidates: Sequence[_Eligible], limits: Limits, opening: str) -> Advice:
    best = max(candidates, key=lambda one: one.accuracy)
    floor, aim, rule = _rule(limits, best)
    fitting = [one for one in candidates if _fits(one, limits, floor)]
    if not fitting:
        return Advice(sentence=_begin(opening + _nothing(candidates, limits)), rule=rule, chosen=None)
    keys = {
        "smallest": lambda one: (one.size, one.latency, -one.accuracy),
        "fastest": lambda one: (one.latency, one.size, -one.accuracy),
        "most accurate": lambda one: (-one.accuracy, one.latency, one.size),
    }
    chosen = min(fitting, key=keys[aim])
    return Advice(
        sentence=_begin(opening + _ship(chosen, best, aim, limits, len(candidates))), rule=rule, chosen=chosen.row
    )


def _rule(limits: Limits, best: _Eligible) -> tuple[float, str, str]:
    """The least accuracy, what is sought, and the rule in words."""
    if limits.min_accuracy is not None:
        aim = "smallest" if limits.max_size_bytes is None else "fastest"
        return limits.min_accuracy, aim, f"The {aim} artifact that meets: {limits.words()}."
    if limits.words():
        return -math.inf, "most accurate", f"The most accurate artifact that meets: {limits.words()}."
    rule = "The smallest artifact that loses less than one point of accuracy against the most accurate one."
    return best.accuracy - ALLOWED_LOSS, "smallest", rule


def _fits(one: _Eligible, limits: Limits, floor: float) -> bool:
    return (
        # A least accuracy may be met exactly; a loss of exactly one point is not less than one point.
        (one.accuracy >= floor if limits.min_accuracy is not None else one.accuracy - floor > _ROUNDING)
        and (limits.max_size_bytes is None or one.size <= limits.max_size_bytes)
        and (limits.max_latency_ms is None or one.latency <= limits.max_latency_ms)
    )


def _ship(chosen: _Eligible, best: _Eligible, aim: str, limits: Limits, count: int) -> str:
    row = chosen.row
    what = f"{row.variant} of {row.model}" if row.variant else row.model
    figures = (
        f"{quantities.percent(chosen.accuracy)} right, {quantities.size(chosen.size)}, "
        f"{quantities.milliseconds(chosen.latency)} an image{_threads(row)}"
    )
    if limits.words():
        why = f"the {aim} of {count} with {limits.words()}"
    elif chosen is best:
        why = f"the most accurate of {count}, and nothing smaller comes within one point"
    else:
        lost = quantities.significant(max(0.0, 100 * (best.accuracy - chosen.accuracy)), 3)
        why = f"the smallest of {count} that loses less than one point against the best ({lost} points)"
    return f"ship {what}: {why}; {figures}."


def _begin(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _threads(row: Measurement) -> str:
    return f" on {row.threads} threads" if row.threads and row.threads > 1 else ""


def _nothing(candidates: Sequence[_Eligible], limits: Limits) -> str:
    near = [
        f"the most accurate reaches {quantities.percent(max(one.accuracy for one in candidates))}",
        f"the smallest has {quantities.size(min(one.size for one in candidates))}",
        f"the fastest takes {quantities.milliseconds(min(one.latency for one in candidates))}",
    ]
    return f"none of {len(candidates)} has {limits.words()}: {', '.join(near)}."


def _eligible(rows: Sequence[Measurement]) -> list[_Eligible]:
    return [
        _Eligible(row, row.accuracy, row.size_bytes, row.median_ms)
        for row in rows
        if row.status == "ok" and row.parity.status != "failed" and row.ranked
        if row.accuracy is not None and row.size_bytes is not None and row.median_ms is not None
    ]


def _by_machine_and_data(rows: Sequence[Measurement]) -> dict[tuple[str, str], list[Measurement]]:
    """Rows that may be ranked against each other: same machine, same data."""
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for row in rows:
        groups.setdefault((row.machine, row.data.name if row.data else ""), []).append(row)
    return groups
