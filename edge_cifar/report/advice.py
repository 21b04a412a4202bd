"""Which artifact to ship: one sentence, by a rule that is written down and can be adjusted.

The rule. Only what was measured to the end counts, and of exported artifacts only those that ``verify``
proved. Artifacts are ranked against those measured on the same machine, on the same test images.

    asked for                               what is advised
    nothing                                 the smallest within one point of the most accurate
    a least accuracy                        the smallest that reaches it (and meets a latency limit)
    a least accuracy and a largest size     the fastest that meets both (and a latency limit)
    a largest size or latency alone         the most accurate within the limits

Ties go to the faster, then the smaller, then the more accurate, then the first in the table.

Accuracies are compared as measured, and nothing is advised where that says too little: where an accuracy
cannot be told from guessing, and where the 95 % interval of what the advice rests on reaches more than one
point beyond it. It says then what to do instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_cifar.errors import UsageError
from edge_cifar.report import certainty, quantities
from edge_cifar.report.measurements import Measurement

# What may be lost against the best by default: what quantization is commonly allowed to cost.
ALLOWED_LOSS = 0.01
# How far the interval of an accuracy, or of a loss, may reach beyond what is claimed of it. 2,000 images tell the
# artifacts of one model apart so well, and different models at 10,000.
_UNTOLD = 0.01
# Differences of shares of up to a million images are told exactly; what binary fractions add is far less.
_ROUNDING = 1e-9
_MORE_IMAGES = "measure more images, with: edge-cifar bench --images all"


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
        chosen: None when nothing is advised; the sentence says why.
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
    """One piece of advice for each machine and test set that has something to rank."""
    groups = [(group[0], candidates) for group in _comparable(rows) if (candidates := _eligible(group))]
    firsts = [first for first, _ in groups]
    return [_advise(candidates, limits, _opening(first, firsts)) for first, candidates in groups]


def _opening(first: Measurement, firsts: Sequence[Measurement]) -> str:
    """What a piece of advice holds for, where there are several: ``on cifar10, on Raspberry Pi 5: ``."""
    name, places = _data(first), []
    if first.synthetic or len({_data(other) for other in firsts}) > 1:
        places.append("synthetic data" if first.synthetic else name)
    if sum((other.machine, _data(other)) == (first.machine, name) for other in firsts) > 1 and first.images:
        places[:1] = [f"{first.images:,} images of {places[0] if places else name}"]
    if len({other.machine for other in firsts}) > 1:
        places.append(first.machine)
    return f"on {', on '.join(places)}: " if any(places) else ""


def _data(row: Measurement) -> str:
    return row.data.name if row.data else "data that the result does not name"


def _advise(candidates: Sequence[_Eligible], limits: Limits, opening: str) -> Advice:
    """The advice for artifacts that may be ranked against each other."""
    proven = [one for one in candidates if _vouched(one.row)]
    told = [one for one in proven if not certainty.as_guessed(one.row)]
    if not told:
        why = _as_guessed(proven) if proven else _unverified(candidates)
        rule = "Only verified artifacts are advised, and only those whose accuracy can be told from guessing."
        return Advice(sentence=_begin(f"{opening}nothing is advised: {why}."), rule=rule, chosen=None)
    best = max(told, key=lambda one: one.accuracy)
    floor, aim, rule = _rule(limits, best)
    if left := len(candidates) - len(told):
        rule += f" Left out: {left} of {len(candidates)}, not verified, or not told from guessing."
    fitting = [one for one in told if _fits(one, limits, floor)]
    if not fitting:
        return Advice(sentence=_begin(opening + _nothing(told, limits)), rule=rule, chosen=None)
    keys: dict[str, Callable[[_Eligible], tuple[float, float, float]]] = {
        "smallest": lambda one: (one.size, one.latency, -one.accuracy),
        "fastest": lambda one: (one.latency, one.size, -one.accuracy),
        "most accurate": lambda one: (-one.accuracy, one.latency, one.size),
    }
    chosen = min(fitting, key=keys[aim])
    # Within all limits but that of accuracy, and preferred if only it were more accurate.
    rivals = [one for one in told if _fits(one, limits, -math.inf) and keys[aim](one) < keys[aim](chosen)]
    if doubt := _doubt(chosen, best, rivals, fitting, limits):
        sentence = f"{opening}nothing is advised: {_images(chosen.row)} are too few to tell {doubt}; {_MORE_IMAGES}."
        return Advice(sentence=_begin(sentence), rule=rule, chosen=None)
    sentence = _begin(opening + _ship(chosen, best, aim, limits, len(told)))
    return Advice(sentence=sentence, rule=rule, chosen=chosen.row)


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


def _doubt(
    chosen: _Eligible, best: _Eligible, rivals: Sequence[_Eligible], fitting: Sequence[_Eligible], limits: Limits
) -> str | None:
    """What the test images are too few to tell, in words; None when they tell all that the advice rests on.

    Args:
        chosen: what the rule comes to.
        best: the most accurate of all.
        rivals: those that would have been chosen were they as accurate as is asked.
        fitting: those that meet all limits.
        limits: that were asked for.
    """
    if limits.min_accuracy is not None:
        for one in (chosen, *rivals):
            low, high = certainty.ends(one.row)
            reaches = one.accuracy >= limits.min_accuracy
            if (low < limits.min_accuracy - _UNTOLD) if reaches else (high > limits.min_accuracy + _UNTOLD):
                return f"whether {one.row.name} reaches {100 * limits.min_accuracy:g} %{_interval(one.row)}"
        return None
    if limits.words():
        others = (one.row for one in fitting if one is not chosen)
        close = (row for row in others if certainty.loss(row, chosen.row)[1] > _UNTOLD)
        return next((f"{chosen.row.name} from {row.name}" for row in close), None)
    if chosen is not best and certainty.loss(best.row, chosen.row)[1] > ALLOWED_LOSS + _UNTOLD:
        return f"{chosen.row.name} from {best.row.name}"
    close = (one.row for one in rivals if certainty.loss(best.row, one.row)[0] < ALLOWED_LOSS - _UNTOLD)
    return next((f"{row.name} from {best.row.name}" for row in close), None)


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
    return f"ship {what}: {why}; {figures}; {row.parity.extent or _unvouched(row)}."


def _begin(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _threads(row: Measurement) -> str:
    return f" on {row.threads} threads" if row.threads and row.threads > 1 else ""


def _interval(row: Measurement) -> str:
    return f" ({quantities.with_interval(row.accuracy, row.low, row.high)})"


def _images(row: Measurement) -> str:
    return f"{row.images:,} images" if row.images else "its images"


def _unvouched(row: Measurement) -> str:
    return "verified" if row.parity.status == "proven" else "a file without a Keras model to verify it against"


def _nothing(candidates: Sequence[_Eligible], limits: Limits) -> str:
    near = [
        f"the most accurate reaches {quantities.percent(max(one.accuracy for one in candidates))}",
        f"the smallest has {quantities.size(min(one.size for one in candidates))}",
        f"the fastest takes {quantities.milliseconds(min(one.latency for one in candidates))}",
    ]
    return f"none of {len(candidates)} has {limits.words()}: {', '.join(near)}."


def _unverified(candidates: Sequence[_Eligible]) -> str:
    return (
        f"none of {len(candidates)} artifacts is verified; run: edge-cifar verify RUN, and give report the run, or "
        "what verify --json printed"
    )


def _as_guessed(candidates: Sequence[_Eligible]) -> str:
    best = max(candidates, key=lambda one: one.accuracy).row
    return (
        f"no accuracy can be told from guessing, which is right about {quantities.percent(certainty.chance(best))}: "
        f"the best, {best.name}, has {quantities.with_interval(best.accuracy, best.low, best.high)} on "
        f"{_images(best)}; train longer, or {_MORE_IMAGES}"
    )


def _vouched(row: Measurement) -> bool:
    """Whether its answers were verified; of somebody else's file there is nothing to verify them against."""
    return row.parity.status == "proven" or row.variant is None


def _eligible(rows: Sequence[Measurement]) -> list[_Eligible]:
    return [
        _Eligible(row, row.accuracy, row.size_bytes, row.median_ms)
        for row in rows
        if row.status == "ok" and row.parity.status != "failed" and row.ranked
        if row.accuracy is not None and row.size_bytes is not None and row.median_ms is not None
    ]


def _comparable(rows: Sequence[Measurement]) -> list[list[Measurement]]:
    """Rows that may be ranked against each other: same machine, same test images."""
    groups: dict[tuple[object, ...], list[Measurement]] = {}
    for row in rows:
        groups.setdefault((row.machine, row.test_set), []).append(row)
    return list(groups.values())
