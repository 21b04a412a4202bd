"""``bench``: what every artifact costs in time, memory and size, and what it gets right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, Literal, Unpack, cast

from edge_cifar import machine, packages
from edge_cifar.arguments import as_int, as_tuple
from edge_cifar.bench import conditions, energy, peak, rows
from edge_cifar.bench.case import Case
from edge_cifar.bench.protocol import Protocol
from edge_cifar.bench.session import Session
from edge_cifar.bench.subject import KERAS, Subject, backends, stored, timed_runtime
from edge_cifar.documents.bench_report import BenchReport
from edge_cifar.documents.benchmark_result import BenchmarkResult
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.provenance import Provenance
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, MeasurementError, RuntimeUnavailable
from edge_cifar.model_options import ModelOptions, Told, ToldOfOutput
from edge_cifar.progress import SILENT, Progress
from edge_cifar.steps import _saturation
from edge_cifar.steps.bench_subjects import find_subjects
from edge_cifar.steps.bundles import kept_beside, run_of
from edge_cifar.steps.targets import Target
from edge_cifar.storage import exclusion, files

RESULT = "bench.json"
PROFILE = "profile.png"

_PACKAGES = ("edge-cifar", "numpy", "ai-edge-litert", "onnxruntime", "coremltools", "keras")
# Workers may use half of the free memory: the system's file cache needs memory too.
_MEMORY_SHARE = 0.5


REPLACED = "the file was replaced during measurement; measure it again"


class BenchInterrupted(KeyboardInterrupt):
    """Ctrl-C during a benchmark; what was measured by then is in ``report``."""

    def __init__(self, report: BenchReport) -> None:
        super().__init__()
        self.report = report


def bench(
    *targets: Target | Iterable[Target],
    images: int | Literal["all"] | None = None,
    data: str | Path | None = None,
    data_dir: Path | str | None = None,
    threads: int | Iterable[int] = 1,
    batch_size: int | Iterable[int] = 1,
    backend: str | Iterable[str] = (),
    seconds: float = Protocol.seconds,
    profile: bool = False,
    rest: float = 0.0,
    relative_to: str | None = None,
    output: Path | str | None = None,
    protocol: Protocol | None = None,
    progress: Progress = SILENT,
    **told: Unpack[Told],
) -> BenchReport:
    """Measure every artifact of the targets on this machine, in short windows that alternate between artifacts.

    Needs neither TensorFlow nor, for a bundle, the data set. The result of a run is also written to
    ``bench.json`` in the run folder.

    Args:
        *targets: bundles, runs, their folders, and model files made elsewhere. Default: the newest run under
            ``./runs``.
        images: number of images to measure accuracy on; ``"all"`` for the whole test set. Default: the images in a
            bundle; for a model file made elsewhere, the test set of ``data``.
        data: the data set to measure accuracy on instead: a registered name, or a folder of images by class.
        data_dir: directory of that data set, or of CIFAR-10 if ``data`` is not given.
        threads: CPU threads per inference; one row each.
        batch_size: images per inference; one row each.
        backend: backend names such as ``xnnpack``, or ``all`` for every one on this machine; one row each. Default:
            each runtime's default.
        seconds: measuring time per row.
        profile: measure the time per operator, if the runtime reports it, and the share of peak compute reached.
        rest: seconds to cool down before each round.
        relative_to: what latencies are held against: a variant, a file's name, or ``keras`` for the
            runs' own Keras models, which are then measured too; fp32 of the same model and format when
            left out.
        output: a file to write the result to; the picture of a profile stands beside it.
        protocol: all settings at once; overrides ``threads``, ``batch_size``, ``backend``, ``seconds``,
            ``profile`` and ``rest``.
        progress: receives progress messages.
        **told: what model files made elsewhere take and answer, as :class:`edge_cifar.model_options.Told` lists it.
            ``image_size`` is also that of a folder's pictures; by default, the size that a model takes.

    Returns:
        One row per artifact, backend, thread count and batch size; a notebook shows them as a table. An artifact
        that fails or cannot run here affects only its own rows.

    Raises:
        UsageError: an option is invalid, or a target is not a model.
        RunError: there is no such run, or it has not been exported.
        BundleError: a bundle's manifest or reference is corrupt.
        DataError: the data set is missing or damaged.
        MeasurementError: no artifact is named ``relative_to``.
        EdgeCifarError: another command is writing one of the runs or bundles.
        BenchInterrupted: Ctrl-C; the exception contains the report so far, and so does ``output``.
    """
    protocol = protocol or Protocol(
        seconds=float(seconds),
        rest_seconds=float(rest),
        threads=tuple(as_int("--threads", count) for count in as_tuple(threads)),
        batch_sizes=tuple(as_int("--batch-size", size) for size in as_tuple(batch_size)),
        backends=as_tuple(backend),
        profile=profile,
    )
    subjects, homes = find_subjects(
        targets,
        images=images,
        data=None if data is None else str(data),
        data_dir=data_dir,
        options=ModelOptions.of(cast("ToldOfOutput", told), bench),
        with_keras=relative_to == KERAS,
        progress=progress,
    )
    if relative_to is not None and not any(subject.goes_by(relative_to) for subject in subjects):
        known = ", ".join(subject.name for subject in subjects)
        raise MeasurementError(f"no artifact is named {relative_to!r}; choose from {known}")
    if output is not None:
        files.demand_writable(Path(output))
    with exclusion.reading([bundle.path for bundle in homes], "bench"):
        return _bench(subjects, homes, protocol, relative_to, None if output is None else Path(output), progress)


def _bench(
    subjects: Sequence[Subject],
    homes: Sequence[Bundle],
    protocol: Protocol,
    relative_to: str | None,
    output: Path | None,
    progress: Progress,
) -> BenchReport:
    before = [bundle.contents() for bundle in homes]
    report = measure(subjects, protocol, relative_to, progress)
    if output is not None:
        report.write(output)
        _draw_profile(report.results, output.with_name(f"{output.stem}-{PROFILE}"), progress)
    if report.interrupted:
        raise BenchInterrupted(report)
    for bundle, contents in zip(homes, before, strict=True):
        if run := run_of(bundle):
            with kept_beside(run, progress):
                bundle.demand_unchanged(contents)
                _write_beside(run, bundle, report, progress)
    return report


def measure(
    subjects: Sequence[Subject], protocol: Protocol, relative_to: str | None, progress: Progress
) -> BenchReport:
    """Measure subjects from any source; :func:`bench` finds them first."""
    cases, results = _plan(subjects, protocol, progress)
    before, meter = machine.facts(), energy.find()
    able = [case for case in cases if case is not None]
    limits = _limits(protocol, meter, before.get("cpu_features", ()))
    session = Session(cases=able, protocol=protocol, progress=progress, meter=meter)
    session.run(available_bytes=int(before["available_memory_bytes"] * _MEMORY_SHARE))
    after = machine.condition()
    _fail_replaced(cases, results, progress)
    finished: list[BenchmarkResult] = []
    for row, case in zip(results, cases, strict=True):
        if case is None:
            finished.append(row)
        else:
            finished.append(rows.measured(row, case, rows.baseline_of(case, session.cases, relative_to)))
    own_costs = [cost for case in session.cases for cost in case.own_cost_ns]
    return BenchReport(
        machine={**before, **limits, "after": after},
        protocol=protocol.document(median(own_costs) if own_costs else None),
        results=rows.with_pareto(finished),
        warnings=[*conditions.warnings(before, after, session.bystanders.cores), *_doubts(subjects)],
        provenance=Provenance.now(*_PACKAGES),
        interrupted=session.interrupted,
    )


def _fail_replaced(cases: Sequence[Case | None], planned: Sequence[BenchmarkResult], progress: Progress) -> None:
    """Fail the rows of a file that was replaced: its figures may mix both files."""
    now: dict[Subject, str | None] = {}
    for case, row in zip(cases, planned, strict=True):
        if case is None or case.failure is not None:
            continue
        subject = case.subject
        if subject not in now:
            now[subject] = stored(subject.path)[1]
            if now[subject] != row.sha256:
                progress.say(f"{subject.name} failed: {REPLACED}")
        if now[subject] != row.sha256:
            case.failure = REPLACED


def _doubts(subjects: Sequence[Subject]) -> Iterator[str]:
    """One warning for each file that this processor may compute wrongly."""
    for subject in subjects:
        if doubt := _saturation.doubt(subject.path):
            yield f"{subject.name} {doubt}"


def _plan(
    subjects: Sequence[Subject], protocol: Protocol, progress: Progress
) -> tuple[list[Case | None], list[BenchmarkResult]]:
    """A case and a row for every subject and every way to run it; no case if it cannot be measured."""
    cases: list[Case | None] = []
    results: list[BenchmarkResult] = []
    for subject in subjects:
        for case, row in _plan_one(subject, protocol):
            if row.reason is not None:
                progress.say(f"{subject.name} {row.status}: {row.reason}")
            cases.append(case)
            results.append(row)
    return cases, results


def _plan_one(subject: Subject, protocol: Protocol) -> Iterator[tuple[Case | None, BenchmarkResult]]:
    row = rows.planned(subject)
    try:
        subject.check()
        runtime = timed_runtime(subject.path)
    except BundleError as error:
        yield None, rows.not_measured(row, "failed", error)
        return
    except RuntimeUnavailable as error:
        yield None, rows.not_measured(row, "skipped", error)
        return
    name = runtime.NAME
    for backend, threads, batch in product(
        backends(runtime, protocol.backends), protocol.threads, protocol.batch_sizes
    ):
        row = replace(row, runtime=name, backend=backend, threads=threads, batch=batch)
        reason = runtime.unavailable(backend)
        if reason is not None:
            yield None, rows.not_measured(row, "skipped", RuntimeUnavailable(reason))
        else:
            yield Case(subject=subject, runtime=name, backend=backend, threads=threads, batch=batch), row


def _limits(protocol: Protocol, meter: energy.Meter | None, features: Sequence[str]) -> dict[str, Any]:
    """The machine's peak compute and idle power, if needed for this report."""
    limits: dict[str, Any] = {}
    if protocol.profile:
        limits["peak_multiply_adds_per_s"] = {
            str(threads): peak.multiply_adds_per_s(threads, features) for threads in protocol.threads
        }
    if meter is not None:
        limits["energy_meter"] = {"source": meter.source, "idle_watts": energy.idle_watts(meter)}
    return limits


def _write_beside(run: Run, bundle: Bundle, report: BenchReport, progress: Progress) -> None:
    """Write the rows of one bundle into its run folder."""
    paths = {rows.shown(path) for path in (run.model_path, *(artifact.path for artifact in bundle.artifacts))}
    own = replace(
        report,
        results=[row for row in report.results if row.path in paths],
        bundle=bundle.checksums,
    )
    path = run.path / RESULT
    own.write(path)
    progress.say(f"wrote {path}")
    _draw_profile(own.results, run.path / PROFILE, progress)


def _draw_profile(results: Sequence[BenchmarkResult], path: Path, progress: Progress) -> None:
    """Plot the operators' shares of the time, if there are any and Matplotlib is installed."""
    profiled = [row for row in results if row.operators]
    if not profiled or not packages.installed("matplotlib"):
        return
    from edge_cifar.documents.ways import Ways
    from edge_cifar.report import operators

    ways = Ways(results)
    bars = [
        (
            " ".join(filter(None, (row.name, ways.words(row)))),
            operators.by_type(row.operators),
        )
        for row in profiled
    ]
    operators.draw(bars, path)
    progress.say(f"wrote {path}")
