"""``demo``: the commands that run the full pipeline on built-in data, and the folder they run in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from edge_cifar.errors import RunError
from edge_cifar.progress import Advance, Progress
from edge_cifar.storage import files

MARKER = ".edge-cifar-demo"

# It must end within ten minutes; a tenth of them is kept in reserve.
_SECONDS = 540.0
# Steps of the first training that the machine's speed is taken from, after compilation and warm-up.
_FIRST_STEP, _LAST_STEP = 10, 30
# Fewer epochs leave a network that is not worth converting.
_LEAST_SHARE = 0.4


@dataclass(frozen=True, kw_only=True)
class Training:
    """A network of the demonstration.

    Attributes:
        backbone: its name.
        epochs: just enough for a network worth converting.
        epoch_cost: what one of them takes, in steps of the first network.
    """

    backbone: str
    epochs: int
    epoch_cost: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the demonstration does.

    Attributes:
        trainings: the networks.
        formats: that each is exported to; empty for all.
        network_cost: what each network takes beside its epochs, in steps of the first: data and compiling, then export,
            ``verify``, ``bench`` and ``report``.
    """

    trainings: tuple[Training, ...]
    formats: tuple[str, ...] = ()
    network_cost: float = 700

    def __str__(self) -> str:
        trained = " and ".join(f"{one.backbone} for {one.epochs} epochs" for one in self.trainings)
        return f"it trains {trained}" + (f" and exports only {' and '.join(self.formats)}" if self.formats else "")


# Two networks of similar cost and different size, trained from scratch: a minute or two each on two cores, where
# a step takes 0.1 s. (A depthwise network such as MobileNetV2 has learned next to nothing by then without its ImageNet
# weights, which the demonstration would have to download.)
WHOLE = Plan(
    trainings=(
        Training(backbone="resnet8", epochs=10, epoch_cost=80),
        Training(backbone="baseline-cnn", epochs=12, epoch_cost=70),
    )
)
# Shorter ones, the next where this one does not fit. Core ML takes longest: it is evaluated
# in NumPy where there is no Mac.
_SHORTER = (
    WHOLE,
    replace(WHOLE, trainings=WHOLE.trainings[:1]),
    replace(WHOLE, trainings=WHOLE.trainings[:1], formats=("tflite", "onnx"), network_cost=420),
)


def affordable(step_seconds: float, elapsed_seconds: float) -> Plan:
    """The largest plan that fits into ten minutes, with fewer epochs if necessary; the smallest if none fits.

    Args:
        step_seconds: what a step of the first training takes.
        elapsed_seconds: since the demonstration began.
    """
    for plan in _SHORTER:
        left = (_SECONDS - elapsed_seconds) / step_seconds - len(plan.trainings) * plan.network_cost
        share = min(1.0, left / sum(one.epochs * one.epoch_cost for one in plan.trainings))
        if share >= _LEAST_SHARE:
            break
    share = max(share, _LEAST_SHARE)
    return replace(plan, trainings=tuple(replace(one, epochs=int(one.epochs * share)) for one in plan.trainings))


class TooSlowError(Exception):
    """The machine is too slow for the whole demonstration.

    Attributes:
        plan: what it has time for.
    """

    def __init__(self, step_seconds: float, plan: Plan) -> None:
        slow = f"a training step takes {step_seconds:.2f} s here"
        super().__init__(f"Shortening the demo to finish within ten minutes: {slow}, so {plan}.")
        self.plan = plan


class Watch:
    """Progress that times the first training's first steps, and passes everything on."""

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.perf_counter) -> None:
        self._progress = progress
        self._clock = clock
        self._start = clock()
        self._settled = 0.0
        self._steps = 0

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Advance]:
        """A bar that counts its units.

        Raises:
            TooSlowError: from the function that advances it, once, if the plan does not fit into the time.
        """
        with self._progress.bar(label, total) as advance:

            def watched(units: int) -> None:
                advance(units)
                self._count(units)

            yield watched

    def say(self, text: str) -> None:
        """Pass the message on."""
        self._progress.say(text)

    def _count(self, units: int) -> None:
        self._steps += units
        if self._steps == _FIRST_STEP:
            self._settled = self._clock()
        if self._steps == _LAST_STEP:
            now = self._clock()
            step_seconds = (now - self._settled) / (_LAST_STEP - _FIRST_STEP)
            plan = affordable(step_seconds, now - self._start)
            if plan != WHOLE:
                raise TooSlowError(step_seconds, plan)


def prepare(folder: Path) -> None:
    """Make the demonstration's folder, or accept one from an earlier demonstration.

    Raises:
        RunError: the folder contains something else, which is not overwritten.
        EdgeCifarError: the place cannot be written.
    """
    if folder.exists() and not (folder / MARKER).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} contains something other than a demo; choose another directory with --out")
    files.write_text(folder / MARKER, "Created by edge-cifar demo, which may overwrite the contents of this folder.\n")


def commands(folder: Path, plan: Plan = WHOLE) -> list[list[str]]:
    """The demonstration as the arguments of ``edge-cifar``, in order.

    Args:
        folder: where runs, results and the page go.
        plan: what it does.
    """
    runs = [str(folder / one.backbone) for one in plan.trainings]
    data = ("--data", "synthetic", "--validation-split", "0.1")
    train = [
        ["train", one.backbone, *data, "--epochs", str(one.epochs), "--out", run, "--overwrite"]
        for run, one in zip(runs, plan.trainings, strict=True)
    ]
    formats = [word for name in plan.formats for word in ("--format", name)]
    return [
        *train,
        *(["export", run, *formats, "--overwrite"] for run in runs),
        *(["verify", run] for run in runs),
        ["bench", *runs, "--output", str(folder / "bench.json")],
        ["report", *runs, "--output", str(folder / "report.html")],
    ]
