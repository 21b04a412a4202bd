"""``doctor --self-test``: run a small pipeline end to end on this machine and report each step.

Code that only runs on other systems (Core ML on a Mac, its compute units, Metal) was written from documentation and
tested with stand-ins. The owner of such a system can use this command to find out whether it works.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from edge_cifar.documents.bundle import Bundle
from edge_cifar.errors import CheckFailed, EdgeCifarError
from edge_cifar.progress import SILENT, Progress
from edge_cifar.steps.doctor import Diagnosis, doctor
from edge_cifar.steps.targets import open_bundle
from edge_cifar.storage import scratch

Status = Literal["passed", "failed", "skipped"]

_BACKBONE = "resnet8"
_BENCH_SECONDS = 0.1
_IMAGES = 50


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check.

    Attributes:
        name: what was tried.
        status: ``skipped`` where this machine cannot, for a reason that ``doctor`` tells.
        detail: the result, or the reason.
        seconds: that it took.
    """

    name: str
    status: Status
    detail: str
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """The check as JSON."""
        return asdict(self)


class Skipped(Exception):  # noqa: N818 - it is no error
    """A check does not apply to this machine; the message says why."""


def self_test(bundle: Path | str | None = None, *, progress: Progress = SILENT) -> list[Check]:
    """Try everything that this machine should be able to do.

    Args:
        bundle: what to verify, measure and predict with. By default one is first trained on synthetic data and
            exported, which needs TensorFlow.
        progress: receives a message per finished check.

    Returns:
        One check for training and exporting (where no bundle is given) and for each variant that export did not
        keep, one for each artifact's answers, for the measurement and for a prediction.

    Raises:
        RunError, BundleError: there is no bundle at ``bundle``.
    """
    trial = _Trial(progress)
    with scratch.folder("test") as folder:
        if bundle is None:
            made = trial.attempt("train and export", lambda: _make(folder, doctor()))
            for rejection in made[0].rejected if made is not None else ():
                trial.add(Check(name=f"export {rejection.variant}", status="failed", detail=rejection.reason))
        else:
            made = open_bundle(Path(bundle)), ""
        if made is not None:
            _use(trial, made[0], folder)
    return trial.checks


class _Trial:
    """The checks so far."""

    def __init__(self, progress: Progress) -> None:
        self.checks: list[Check] = []
        self._progress = progress

    def attempt(self, name: str, action: Callable[[], tuple[Any, str]]) -> tuple[Any, str] | None:
        """Run a check that returns a value and a detail; None if it failed or was skipped."""
        start = time.perf_counter()
        found = None
        try:
            found = action()
            status, detail = "passed", found[1]
        except Skipped as reason:
            status, detail = "skipped", str(reason)
        except EdgeCifarError as error:
            status, detail = "failed", str(error)
        except Exception as error:
            # The purpose is to find out what a runtime that never ran here may raise.
            status, detail = "failed", f"{type(error).__name__}: {error}"
        self.add(Check(name=name, status=status, detail=detail, seconds=time.perf_counter() - start))  # type: ignore[arg-type]
        return found

    def add(self, check: Check) -> None:
        self.checks.append(check)
        self._progress.say(f"{check.status:8} {check.name}: {check.detail}")


def _make(folder: Path, diagnosis: Diagnosis) -> tuple[Bundle, str]:
    """A bundle of every format that this machine converts to, trained on its GPU where it has one that is ready."""
    ready = {finding.name: finding for finding in (*diagnosis.of("train"), *diagnosis.of("convert"))}
    if not ready["Keras"].ready:
        raise Skipped(f"{ready['Keras'].detail}; name a bundle to test the rest")
    formats = [finding.name for finding in diagnosis.of("convert") if finding.ready]
    if not formats:
        raise Skipped("this machine can convert to no format; name a bundle to test the rest")
    from edge_cifar.steps.export import export
    from edge_cifar.steps.train import train

    device = "gpu" if ready["GPU"].ready else "cpu"
    run = train(_BACKBONE, data="synthetic", limit=500, epochs=(2,), device=device, out=folder / _BACKBONE)
    with contextlib.suppress(CheckFailed):  # rejected variants are reported as checks; the others are tried
        export(run, formats=formats, calibration_images=_IMAGES, reference_images=_IMAGES, max_drop=100.0)
    return open_bundle(run), f"{_BACKBONE} on the {device}, exported to {', '.join(formats)}"


def _use(trial: _Trial, bundle: Bundle, folder: Path) -> None:
    from edge_cifar.steps.bench import bench
    from edge_cifar.steps.predict import predict
    from edge_cifar.steps.verify import verify

    def answers() -> tuple[None, str]:
        statuses: dict[str, Status] = {"pass": "passed", "fail": "failed", "unverified": "skipped"}
        outcomes = verify(bundle, images=_IMAGES)
        for outcome in outcomes:
            backends = f", {len(outcome.backends)} more backends" if outcome.backends else ""
            detail = outcome.reason or f"matches the Keras model ({outcome.method}{backends})"
            name = f"verify {outcome.variant}"
            trial.add(Check(name=name, status=statuses[outcome.status], detail=detail, seconds=outcome.seconds))
        if not any(outcome.status == "pass" for outcome in outcomes):
            raise CheckFailed("no artifact could be verified")
        return None, f"{sum(outcome.status == 'pass' for outcome in outcomes)} of {len(outcomes)} artifacts verified"

    def costs() -> tuple[None, str]:
        rows = bench(bundle, images=_IMAGES, seconds=_BENCH_SECONDS, output=folder / "bench.json").results
        measured = [row for row in rows if row.status == "ok"]
        broken = [f"{row.name} ({row.reason})" for row in rows if row.status == "failed"]
        if broken or not measured:
            raise CheckFailed(f"not measured: {'; '.join(broken) or 'any artifact'}")
        return None, f"{len(measured)} of {len(rows)} artifacts measured"

    def prediction() -> tuple[None, str]:
        path = folder / "picture.png"
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)).save(path)
        (answer,) = predict(bundle, [path])
        return None, f"{answer.name} on {answer.runtime}: {answer.answers[0][0]}"

    for name, action in {"verify": answers, "bench": costs, "predict": prediction}.items():
        trial.attempt(name, action)
