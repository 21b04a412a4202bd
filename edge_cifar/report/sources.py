"""From the user's sources (run folders, bundles, JSON files) to the document that the page shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from edge_cifar.documents.accuracy import DataSource
from edge_cifar.documents.bench_report import BenchReport
from edge_cifar.documents.benchmark_result import BenchmarkResult
from edge_cifar.documents.bundle import MANIFEST, Bundle
from edge_cifar.documents.provenance import Checksums
from edge_cifar.documents.run import RECORD, Run
from edge_cifar.documents.schema import kind_of
from edge_cifar.documents.verification import Verification
from edge_cifar.documents.verify_report import VerifyReport
from edge_cifar.report import changes, outdated
from edge_cifar.report.advice import Limits
from edge_cifar.report.machines import told_apart
from edge_cifar.report.measurements import Measurement, read_benchmark, unmeasured, with_parity
from edge_cifar.report.page import Document
from edge_cifar.report.parity import NOT_ASKED, Parity, of_check, of_verification
from edge_cifar.report.trained import Trained, read_run
from edge_cifar.storage import files

RESULT = "bench.json"
# Results that `bench --on` copied back from other machines.
RESULTS_ELSEWHERE = "bench-*.json"
# The output of `verify --json`, if the user saved it in the run.
VERIFIED = "verify.json"

Marks = dict[tuple[str, str], Parity]
R = TypeVar("R", BenchmarkResult, Verification)


def gather(sources: Sequence[Path], limits: Limits) -> Document:
    """Read everything in the sources.

    Args:
        sources: run folders (their record, figures, ``bench.json``, ``verify.json`` and
            ``export/manifest.json``, if present), bundle folders, and JSON files as
            ``bench --json`` and ``verify --json`` write them.
        limits: for the recommendation.

    Raises:
        RunError: a folder contains no run.
        BundleError: a manifest is missing or broken.
        EdgeCifarError: a file is missing or invalid.
    """
    found = _Found()
    for source in sources:
        if (source / RECORD).is_file():
            found.add_run(Run(source))
        elif (source / MANIFEST).is_file():
            found.add_bundle(source)
        elif source.is_dir():
            Run.open(source)  # raises: it is not a run, or an unfinished one
        else:
            found.add_json(source)
    return found.document(limits)


class _Found:
    """What was read from the sources so far, by path."""

    def __init__(self) -> None:
        self._runs: dict[Path, Trained] = {}
        self._bundles: dict[Path, Bundle] = {}
        self._benchmarks: dict[Path, BenchReport] = {}
        self._verified: dict[Path, VerifyReport] = {}
        # The run whose folder contains a bundle or a result.
        self._homes: dict[Path, Path] = {}

    def add_run(self, run: Run) -> None:
        home = run.path.resolve()
        self._runs[home] = read_run(run)
        for path in (run.path / RESULT, *sorted(run.path.glob(RESULTS_ELSEWHERE)), run.path / VERIFIED):
            if path.is_file():
                self.add_json(path)
                self._homes[path.resolve()] = home
        files.recover(run.export_path)
        if (run.export_path / MANIFEST).is_file():
            self.add_bundle(run.export_path)
            self._homes[run.export_path.resolve()] = home

    def add_bundle(self, folder: Path) -> None:
        self._bundles[folder.resolve()] = Bundle.open(folder)

    def add_json(self, path: Path) -> None:
        document = files.read_json(path, "bench or verify report")
        if kind_of(document) == "verify":
            self._verified[path.resolve()] = VerifyReport.from_json(document, str(path))
        else:
            self._benchmarks[path.resolve()] = BenchReport.from_json(document, str(path))

    def document(self, limits: Limits) -> Document:
        names = _tails(self._runs)
        runs = [dataclasses.replace(run, name=names[path]) for path, run in self._runs.items()]
        bundles = [
            dataclasses.replace(bundle, model=names.get(self._homes.get(path, path), bundle.model))
            for path, bundle in self._bundles.items()
        ]
        data: dict[str, DataSource] = {run.name: run.data for run in runs}
        for bundle in bundles:
            if bundle.data is not None:
                data.setdefault(bundle.model, bundle.data)
        places = _tails(self._benchmarks, least=2)
        benchmarks = told_apart(
            [
                read_benchmark(self._benchmark(path, report, names), places[path], data)
                for path, report in self._benchmarks.items()
            ]
        )
        results = [
            result
            for path, report in self._verified.items()
            for result in self._current(path, report.results, report.origin.bundle, names)
        ]
        marks = _manifest_marks(bundles)
        marks |= {(result.model, str(result.variant)): of_verification(result) for result in results}
        measured: list[Measurement] = []
        for row in (row for benchmark in benchmarks for row in benchmark.measurements):
            if row not in measured:
                measured.append(row)
        return Document(
            measurements=[*with_parity([*measured, *_not_benched(bundles, measured)], marks), *_rejected(bundles)],
            benchmarks=benchmarks,
            runs=runs,
            changes=[found for bundle in bundles if (found := changes.of_bundle(bundle, results)) is not None],
            limits=limits,
        )

    def _benchmark(self, path: Path, report: BenchReport, names: Mapping[Path, str]) -> BenchReport:
        """A bench report without the rows about artifacts that have since been replaced, with a warning."""
        rows = self._current(path, report.results, report.bundle, names)
        left_out = len(report.results) - len(rows)
        warnings = [*report.warnings, *([outdated.warning(left_out, len(report.results))] if left_out else [])]
        return dataclasses.replace(report, results=rows, warnings=warnings)

    def _current(self, path: Path, rows: Sequence[R], told: Checksums | None, names: Mapping[Path, str]) -> list[R]:
        """A report's rows under its run's name on the page, without those about replaced artifacts."""
        bundles = {
            place: dataclasses.replace(bundle, model=names.get(self._homes.get(place, place), bundle.model))
            for place, bundle in self._bundles.items()
        }
        home: Path | None = self._homes.get(path)
        own = next((bundle for place, bundle in bundles.items() if home and self._homes.get(place) == home), None)
        if home is not None:
            called = self._names_of(home)
            rows = [dataclasses.replace(row, model=names[home]) if row.model in called else row for row in rows]
        return outdated.current(rows, told, bundles.values(), own)

    def _names_of(self, home: Path) -> set[str]:
        """The names that results in a run's folder may use for it.

        In a folder that was renamed or copied, results have its former name, which is also in its bundle.
        """
        return {home.name, *(one.model for place, one in self._bundles.items() if self._homes.get(place) == home)}


def _tails(paths: Collection[Path], least: int = 1) -> dict[Path, str]:
    """For each path its last parts, as few as distinguish it from the others, but at least ``least``."""

    def tail(path: Path, count: int) -> str:
        return "/".join(path.parts[-count:])

    def unique(path: Path) -> str:
        counts = range(least, len(path.parts))
        alike = (sum(tail(other, count) == tail(path, count) for other in paths) for count in counts)
        return next((tail(path, count) for count, number in zip(counts, alike, strict=True) if number == 1), str(path))

    return {path: unique(path) for path in paths}


def _manifest_marks(bundles: Iterable[Bundle]) -> Marks:
    return {
        (bundle.model, str(artifact.variant)): of_check(artifact.parity, artifact.sha256)
        for bundle in bundles
        for artifact in bundle.artifacts
    }


def _not_benched(bundles: Iterable[Bundle], measured: Iterable[Measurement]) -> Iterable[Measurement]:
    """A row without figures for each artifact that was not benchmarked."""
    seen = {(row.model, row.variant) for row in measured}
    for bundle in bundles:
        for artifact in bundle.artifacts:
            if (bundle.model, str(artifact.variant)) not in seen:
                yield unmeasured(
                    "not benchmarked",
                    model=bundle.model,
                    variant=artifact.variant,
                    sha256=artifact.sha256,
                    size_bytes=artifact.size_bytes,
                    data=bundle.data,
                )


def _rejected(bundles: Iterable[Bundle]) -> Iterable[Measurement]:
    """A row for each variant that ``export`` rejected, with the remedy."""
    for bundle in bundles:
        for one in bundle.rejected:
            compared = of_check(one.parity)
            yield unmeasured(
                "rejected",
                dataclasses.replace(compared, status="failed") if one.parity else NOT_ASKED,
                model=bundle.model,
                variant=one.variant,
                sha256=None,
                size_bytes=None,
                reason="; ".join(filter(None, (one.reason, one.way_out))),
                data=bundle.data,
            )
