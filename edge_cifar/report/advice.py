"""Which artifact to ship: one sentence, by an explicit rule that limits can adjust.

Only complete measurements count, and of exported artifacts only those that passed ``verify``. Artifacts are
ranked within one machine and one set of test images.

    limits                              recommendation
    none                                the smallest less than one point below the most accurate
    minimum accuracy                    the smallest that reaches it (and meets a latency limit)
    minimum accuracy, maximum size      the fastest that meets both (and a latency limit)
    maximum size or latency only        the most accurate within the limits

Ties go to the faster, then the smaller, then the more accurate, then the first in the table.

Accuracies are compared as measured. Nothing is recommended if that is not conclusive: if an accuracy is not
distinguishable from guessing, or if the 95 % interval of a claim extends more than one point beyond it. The
sentence then says what to do instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_cifar.documents.accuracy import Accuracy
from edge_cifar.errors import UsageError
from edge_cifar.report import certainty, quantities
from edge_cifar.report.measurements import Measurement

# Default accuracy loss allowed relative to the best: what is commonly accepted for quantization.
ALLOWED_LOSS = 0.01
# How far the interval of an accuracy or of a loss may extend beyond the claim. 2,000 images suffice for this
# between artifacts of one model, 10,000 between different models.
_UNTOLD = 0.01
# Far below the difference that one of a million images makes, and far above rounding errors.
_ROUNDING = 1e-9
_MORE_IMAGES = "use more test images: edge-cifar bench --images all"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an artifact must meet; None for no limit.

    Attributes:
        min_accuracy: in 0..1.
        max_size_bytes: on disk.
        max_latency_ms: median latency per image.
    """

    min_accuracy: float | None = None
    max_size_bytes: float | None = None
    max_latency_ms: float | None = None

    def __post_init__(self) -> None:
        if self.min_accuracy is not None and not 0.0 < self.min_accuracy <= 1.0:
            raise UsageError(f"--min-accuracy must be above 0 and at most 100 %; got {100 * self.min_accuracy:g}")
        for option, value in (("--max-size", self.max_size_bytes), ("--max-latency", self.max_latency_ms)):
            if value is not None and not 0.0 < value < math.inf:
                raise UsageError(f"{option} must be a finite number above 0; got {value:g}")

    def words(self) -> str:
        """The limits as a phrase: ``at least 94 % top-1 and at most 500 kB``; empty for none."""
        said = []
        if self.min_accuracy is not None:
            said.append(f"at least {100 * self.min_accuracy:g} % top-1")
        if self.max_size_bytes is not None:
            said.append(f"at most {quantities.size(self.max_size_bytes)}")
        if self.max_latency_ms is not None:
            said.append(f"at most {quantities.milliseconds(self.max_latency_ms)} per image")
        return " and ".join(filter(None, [", ".join(said[:-1]), *said[-1:]]))


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to ship.

    Attributes:
        sentence: the recommendation, or why there is none.
        rule: the rule as it was applied.
        chosen: None if nothing is recommended.
    """

    sentence: str
    rule: str
    chosen: Measurement | None


@dataclass(frozen=True)
class _Eligible:
    """A measurement with all the figures that the rule uses."""

    row: Measurement
    figures: Accuracy
    size: float
    latency: float

    @property
    def accuracy(self) -> float:
        """In 0..1."""
        return self.figures.top1


def advise(rows: Sequence[Measurement], limits: Limits) -> list[Advice]:
    """One recommendation for each machine and test set with artifacts to rank."""
    groups = [(group[0], candidates) for group in _comparable(rows) if (candidates := _eligible(group))]
    firsts = [first for first, _ in groups]
    return [_advise(candidates, limits, _opening(first, firsts)) for first, candidates in groups]


def _opening(first: Measurement, firsts: Sequence[Measurement]) -> str:
    """What a recommendation applies to, if there are several: ``on cifar10, on Raspberry Pi 5: ``."""
    name, places = _data(first), []
    if first.synthetic or len({_data(other) for other in firsts}) > 1:
        places.append("synthetic data" if first.synthetic else name)
    if sum((other.machine, _data(other)) == (first.machine, name) for other in firsts) > 1:
        places[:1] = [f"{_images(first)} of {places[0] if places else name}"]
    if len({other.machine for other in firsts}) > 1:
        places.append(first.machine)
    return f"on {', on '.join(places)}: " if any(places) else ""


def _data(row: Measurement) -> str:
    return row.result.data.name if row.result.data else "unnamed data"


def _advise(candidates: Sequence[_Eligible], limits: Limits, opening: str) -> Advice:
    """The recommendation among artifacts of one machine and test set."""
    proven = [one for one in candidates if _vouched(one.row)]
    told = [one for one in proven if not certainty.as_guessed(one.row)]
    if not told:
        why = _as_guessed(proven) if proven else _unverified(candidates)
        rule = "Only verified artifacts that are measurably better than guessing are recommended."
        return Advice(sentence=_begin(f"{opening}no recommendation: {why}."), rule=rule, chosen=None)
    best = max(told, key=lambda one: one.accuracy)
    floor, aim, rule = _rule(limits, best)
    if left := len(candidates) - len(told):
        rule += f" Excluded: {left} of {len(candidates)}, not verified or not measurably better than guessing."
    fitting = [one for one in told if _fits(one, limits, floor)]
    if not fitting:
        return Advice(sentence=_begin(opening + _nothing(told, limits)), rule=rule, chosen=None)
    keys: dict[str, Callable[[_Eligible], tuple[float, float, float]]] = {
        "smallest": lambda one: (one.size, one.latency, -one.accuracy),
        "fastest": lambda one: (one.latency, one.size, -one.accuracy),
        "most accurate": lambda one: (-one.accuracy, one.latency, one.size),
    }
    chosen = min(fitting, key=keys[aim])
    # Those within all other limits that would be chosen if they were more accurate.
    rivals = [one for one in told if _fits(one, limits, -math.inf) and keys[aim](one) < keys[aim](chosen)]
    if doubt := _doubt(chosen, best, rivals, fitting, limits):
        sentence = (
            f"{opening}no recommendation: {chosen.figures.images:,} images are too few to {doubt}; {_MORE_IMAGES}."
        )
        return Advice(sentence=_begin(sentence), rule=rule, chosen=None)
    sentence = _begin(opening + _ship(chosen, best, aim, limits, len(told)))
    return Advice(sentence=sentence, rule=rule, chosen=chosen.row)


def _rule(limits: Limits, best: _Eligible) -> tuple[float, str, str]:
    """The minimum accuracy, the criterion, and the rule in words."""
    if limits.min_accuracy is not None:
        aim = "smallest" if limits.max_size_bytes is None else "fastest"
        return limits.min_accuracy, aim, f"The {aim} artifact with {limits.words()}."
    if limits.words():
        return -math.inf, "most accurate", f"The most accurate artifact with {limits.words()}."
    rule = "The smallest artifact less than one percentage point below the most accurate one."
    return best.accuracy - ALLOWED_LOSS, "smallest", rule


def _fits(one: _Eligible, limits: Limits, floor: float) -> bool:
    return (
        # A minimum accuracy may be met exactly; a loss of exactly one point is not less than one point.
        (one.accuracy >= floor if limits.min_accuracy is not None else one.accuracy - floor > _ROUNDING)
        and (limits.max_size_bytes is None or one.size <= limits.max_size_bytes)
        and (limits.max_latency_ms is None or one.latency <= limits.max_latency_ms)
    )


def _doubt(
    chosen: _Eligible, best: _Eligible, rivals: Sequence[_Eligible], fitting: Sequence[_Eligible], limits: Limits
) -> str | None:
    """What the test images are too few for, as an infinitive; None if they support the recommendation.

    Args:
        chosen: the rule's choice.
        best: the most accurate of all.
        rivals: those that would have been chosen if they were accurate enough.
        fitting: those that meet all limits.
        limits: the user's.
    """
    if limits.min_accuracy is not None:
        for one in (chosen, *rivals):
            reaches = one.accuracy >= limits.min_accuracy
            if (
                (one.figures.low < limits.min_accuracy - _UNTOLD)
                if reaches
                else (one.figures.high > limits.min_accuracy + _UNTOLD)
            ):
                return f"tell whether {one.row.name} reaches {100 * limits.min_accuracy:g} % ({_with_interval(one)})"
        return None
    if limits.words():
        others = (one.row for one in fitting if one is not chosen)
        close = (row for row in others if certainty.loss(row, chosen.row)[1] > _UNTOLD)
        return next((f"distinguish {chosen.row.name} from {row.name}" for row in close), None)
    if chosen is not best and certainty.loss(best.row, chosen.row)[1] > ALLOWED_LOSS + _UNTOLD:
        return f"distinguish {chosen.row.name} from {best.row.name}"
    close = (one.row for one in rivals if certainty.loss(best.row, one.row)[0] < ALLOWED_LOSS - _UNTOLD)
    return next((f"distinguish {row.name} from {best.row.name}" for row in close), None)


def _ship(chosen: _Eligible, best: _Eligible, aim: str, limits: Limits, count: int) -> str:
    row = chosen.row
    figures = (
        f"top-1 {quantities.percent(chosen.accuracy)}, {quantities.size(chosen.size)}, "
        f"{quantities.milliseconds(chosen.latency)} per image{_threads(row)}"
    )
    if limits.words():
        why = f"the {aim} of {count} artifacts with {limits.words()}"
    elif count == 1:
        why = "the only candidate"
    elif chosen is best:
        why = f"the most accurate of {count} artifacts, and no smaller one is within one point of it"
    else:
        lost = max(0.0, 100 * (best.accuracy - chosen.accuracy))
        why = f"the smallest of {count} artifacts within one point of the best (Δ top-1 {0.0 - lost:+.2f} pp)"
    return f"ship {row.name}: {why}; {figures}; {_verified(row)}."


def _begin(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _threads(row: Measurement) -> str:
    return f" on {row.result.threads} threads" if row.result.threads > 1 else ""


def _with_interval(one: _Eligible) -> str:
    return quantities.with_interval(one.figures.top1, one.figures.low, one.figures.high)


def _images(row: Measurement) -> str:
    return f"{row.result.accuracy.images:,} images" if row.result.accuracy else "images"


def _verified(row: Measurement) -> str:
    if row.parity.status != "proven":
        return "not verified, as there is no Keras model to compare it with"
    return f"verified on {row.parity.extent}" if row.parity.extent else "verified"


def _nothing(candidates: Sequence[_Eligible], limits: Limits) -> str:
    near = [
        f"the most accurate reaches {quantities.percent(max(one.accuracy for one in candidates))}",
        f"the smallest is {quantities.size(min(one.size for one in candidates))}",
        f"the fastest takes {quantities.milliseconds(min(one.latency for one in candidates))}",
    ]
    return f"none of {len(candidates)} artifacts has {limits.words()}: {', '.join(near)}."


def _unverified(candidates: Sequence[_Eligible]) -> str:
    return (
        f"none of {len(candidates)} artifacts is verified; run: edge-cifar verify RUN, then pass the run, or the "
        "output of verify --json, to report"
    )


def _as_guessed(candidates: Sequence[_Eligible]) -> str:
    best = max(candidates, key=lambda one: one.accuracy)
    return (
        f"no artifact is measurably better than guessing ({quantities.percent(certainty.chance(best.row))}): the best, "
        f"{best.row.name}, reaches {_with_interval(best)} on {best.figures.images:,} images; "
        f"train longer, or {_MORE_IMAGES}"
    )


def _vouched(row: Measurement) -> bool:
    """Whether it is verified; a model file made elsewhere has nothing to be verified against."""
    return row.parity.status == "proven" or row.variant is None


def _eligible(rows: Sequence[Measurement]) -> list[_Eligible]:
    return [
        _Eligible(row, row.result.accuracy, row.result.size_bytes, row.median_ms)
        for row in rows
        if row.status == "ok" and row.parity.status != "failed" and row.ranked
        if row.result.accuracy is not None and row.result.size_bytes is not None and row.median_ms is not None
    ]


def _comparable(rows: Sequence[Measurement]) -> list[list[Measurement]]:
    """Rows that may be compared: same machine, same test images."""
    groups: dict[tuple[object, ...], list[Measurement]] = {}
    for row in rows:
        groups.setdefault((row.machine, row.test_set), []).append(row)
    return list(groups.values())
