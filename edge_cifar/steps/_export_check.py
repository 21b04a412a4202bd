"""An artifact held against the Keras model it came from, before it may stand in a bundle."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data import Split
from edge_cifar.errors import BundleError, RuntimeUnavailable
from edge_cifar.evaluation import metrics
from edge_cifar.evaluation.agreement import agreement
from edge_cifar.evaluation.paired import paired_drop
from edge_cifar.runtimes import Runtime, loading

# Below this the interval of the loss is wider than any loss worth rejecting.
GATE_MINIMUM = 500

# Enough that a loss of one point stands out: at 3 % of changed answers the interval is +-0.75 points.
MAXIMUM_IMAGES = 2000
# A reference evaluator takes tens of times as long as a runtime: it is asked about more where these do not decide.
_IMAGES_ON_REFERENCE = 500
_TIMED_RUNS = 30


@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """What every artifact is compared with.

    Attributes:
        split: validation images, class-balanced, at least one.
        probabilities: float32 ``[N, classes]``, the Keras model's for them.
        max_drop: largest loss of accuracy that is let pass, in percentage points.
    """

    split: Split
    probabilities: NDArray[np.float32]
    max_drop: float

    @property
    def gated(self) -> bool:
        """Whether there are images enough to reject anything."""
        return len(self.split) >= GATE_MINIMUM

    def facts(self) -> dict[str, Any]:
        """What the manifest says of the gate."""
        return {
            "max_drop_points": self.max_drop,
            "split": "validation",
            "images": len(self.split),
            "gated": self.gated,
        }


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the comparison said.

    Attributes:
        parity: figures for the manifest.
        rejection: why the artifact must not be kept, in words; None when it may be.
    """

    parity: dict[str, Any] = field(default_factory=dict)
    rejection: str | None = None


def check(path: Path, yardstick: Yardstick) -> Outcome:
    """Run an artifact on validation images and compare its answers with the Keras model's.

    An artifact that its own runtime refuses to load is rejected; one whose runtime cannot run on
    this machine stays unverified.
    """
    try:
        module = loading.runtime_for(path)
    except RuntimeUnavailable as error:
        return Outcome(parity={"status": "unverified", "reason": str(error)})
    try:
        runtime: Runtime = module.load(path)
    except BundleError as error:
        return Outcome(parity={"status": "checked", "reason": str(error)}, rejection=str(error))
    count = None if module.DEVICE else _IMAGES_ON_REFERENCE
    candidate = runtime.predict(yardstick.split.images[:count])
    facts: dict[str, Any] = {
        "status": "checked",
        "runtime": runtime.name,
        "split": "validation",
        "images": len(candidate),
    }
    if candidate.shape[1:] != yardstick.probabilities.shape[1:]:
        classes = yardstick.probabilities.shape[1]
        shape = f"it gives {candidate.shape[1]} probabilities an image where Keras gives {classes}"
        return Outcome(parity=facts, rejection=shape)
    if not np.isfinite(candidate).all():
        return Outcome(parity=facts, rejection="some of its probabilities are not finite")
    figures = _figures(yardstick, candidate)
    drop = figures["drop"]
    if len(candidate) < len(yardstick.split) and drop["low"] <= yardstick.max_drop < drop["points"]:
        # More is lost than may be, and chance could still have done it.
        candidate = np.concatenate([candidate, runtime.predict(yardstick.split.images[len(candidate) :])])
        figures = {"images": len(candidate), **_figures(yardstick, candidate)}
        drop = figures["drop"]
    rejection = None
    if yardstick.gated and drop["low"] > yardstick.max_drop:
        rejection = (
            f"it loses {drop['points']:.2f} points of accuracy (95 % interval {drop['low']:.2f} to "
            f"{drop['high']:.2f}) where {yardstick.max_drop:g} are let pass"
        )
    return Outcome(parity={**facts, **figures}, rejection=rejection)


def _figures(yardstick: Yardstick, candidate: NDArray[np.float32]) -> dict[str, Any]:
    """All figures of an artifact that was asked about the first images, as many as it answered."""
    labels, reference = yardstick.split.labels[: len(candidate)], yardstick.probabilities[: len(candidate)]
    alike = agreement(reference, candidate)
    drop = paired_drop(labels, reference, candidate)
    accuracy = metrics.accuracy(labels, candidate)
    return {
        "max_abs_diff": alike.max_abs_diff,
        "mean_abs_diff": alike.mean_abs_diff,
        "top1_agreement": alike.top1_agreement,
        "kl_divergence": alike.kl_divergence,
        "accuracy": {"top1": accuracy.value, "low": accuracy.low, "high": accuracy.high},
        "drop": {"points": drop.points, "low": drop.low, "high": drop.high, "p_value": drop.p_value},
    }


def latency_ms(path: Path, yardstick: Yardstick) -> float | None:
    """Median of a few single inferences, to warn by and not to report.

    None where the artifact runs on a reference evaluator, or not at all, on this machine.
    """
    try:
        module = loading.runtime_for(path)
    except RuntimeUnavailable:
        return None
    if not module.DEVICE:
        return None
    infer = module.load(path).single(yardstick.split.images[0])
    infer()
    times = []
    for _ in range(_TIMED_RUNS):
        start = perf_counter()
        infer()
        times.append(perf_counter() - start)
    return 1000 * median(times)
