"""Write the generated tables and figures of README.md and docs/ from benchmarks/results/.

Documents mark generated regions:

    <!-- generated: NAME table -->      the artifacts in benchmarks/results/NAME.json
    <!-- generated: NAME advice -->     the artifact to ship, by the report's rule
    <!-- generated: NAME picture -->    accuracy vs. latency and size, as docs/pictures/NAME.svg
    <!-- generated: converters matrix --> every format and precision that export writes
    <!-- generated: models trainings --> the runs under models/, from their records
    <!-- generated: NAME source -->     machine, commit, command and data behind the numbers
    <!-- generated: NAME comparison --> the table in the result of a script in this folder, with its source
    <!-- generated: NAME proofs -->     each artifact compared with its Keras model, from verify --json
    ...
    <!-- end -->

The text between the marks is replaced. NAME may be several names joined with "+".

    python benchmarks/readme_tables.py            rewrite
    python benchmarks/readme_tables.py --check    exit with status 1 if something is out of date; write nothing
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_cifar import formats
from edge_cifar.documents.accuracy import DataSource
from edge_cifar.documents.fields import Fields
from edge_cifar.documents.run import Run
from edge_cifar.documents.verification import Verification
from edge_cifar.documents.verify_report import VerifyReport
from edge_cifar.errors import EdgeCifarError
from edge_cifar.report import quantities, scatter, tables
from edge_cifar.report.advice import Limits, advise
from edge_cifar.report.machines import machine_label
from edge_cifar.report.measurements import distinct
from edge_cifar.report.page import Document
from edge_cifar.report.sources import gather
from edge_cifar.report.trained import read_run
from edge_cifar.storage import files

_REGION = re.compile(r"(<!-- generated: (?P<name>\S+) (?P<kind>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    """Rewrite or check every marked region; returns the exit status."""
    parser = argparse.ArgumentParser(
        description="Write the generated tables of README.md and docs/ from benchmarks/results/."
    )
    parser.add_argument("--check", action="store_true", help="only list the files that are out of date")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    try:
        stale = Tables(arguments.root, check=arguments.check).update()
    except EdgeCifarError as error:
        print(f"readme_tables: {error}", file=sys.stderr)
        return 1
    for path in stale:
        print(f"{'out of date' if arguments.check else 'written'}: {path.relative_to(arguments.root)}")
    return 1 if stale and arguments.check else 0


class Tables:
    """The marked regions of a source tree's documents."""

    def __init__(self, root: Path, *, check: bool) -> None:
        self._root = root
        self._check = check
        self._stale: list[Path] = []

    def update(self) -> list[Path]:
        """Bring everything up to date, or only check it.

        Returns:
            The documents and figures that were, or would be, written.

        Raises:
            EdgeCifarError: a result is missing or invalid, or a mark has an unknown kind.
        """
        for document in [self._root / "README.md", *sorted((self._root / "docs").glob("**/*.md"))]:
            if not document.is_file():
                continue
            before = document.read_text(encoding="utf-8")
            after = _REGION.sub(lambda region: self._region(document, region), before)  # noqa: B023
            if after != before:
                self._stale.append(document)
                if not self._check:
                    files.write_text(document, after)
        return self._stale

    def _region(self, document: Path, region: re.Match[str]) -> str:
        name, kind = region["name"], region["kind"]
        if (name, kind) == ("converters", "matrix"):
            return f"{region[1]}{_matrix()}\n{region[4]}"
        if (name, kind) == ("models", "trainings"):
            return f"{region[1]}{_trainings(self._root / 'models')}\n{region[4]}"
        results = [files.inside(self._root / "benchmarks" / "results", f"{part}.json") for part in name.split("+")]
        of_files: dict[str, Callable[[Sequence[Path]], str]] = {
            "comparison": lambda paths: "\n\n".join(map(_comparison, paths)),
            "proofs": _proofs,
        }
        of_findings: dict[str, Callable[[Document], str]] = {
            "table": lambda found: tables.markdown(found.measurements),
            "advice": lambda found: "\n".join(f"> {one.sentence}" for one in advise(found.measurements, found.limits)),
            "picture": lambda found: self._picture(document, name, found),
            "source": _source,
        }
        if kind in of_files:
            written = of_files[kind](results)
        elif kind in of_findings:
            written = of_findings[kind](gather(results, Limits()))
        else:
            known = ", ".join((*of_findings, *of_files))
            raise EdgeCifarError(f"{document.name}: unknown kind in mark {name} {kind}; use one of {known}")
        return f"{region[1]}{written}\n{region[4]}"

    def _picture(self, document: Path, name: str, found: Document) -> str:
        path = self._root / "docs" / "pictures" / f"{name.replace('+', '-')}.svg"
        if not (path.is_file() and scatter.digest(found.measurements) in path.read_text(encoding="utf-8")):
            if path not in self._stale:
                self._stale.append(path)
            if not self._check:
                scatter.trade_off(found.measurements, path)
        link = Path(os.path.relpath(path, document.parent)).as_posix()
        return f"![Top-1 accuracy vs. latency and vs. size, with a Pareto front for each machine and test set]({link})"


def _trainings(folder: Path) -> str:
    """The trained runs in the repository, by accuracy."""
    runs = [read_run(Run(path.parent)) for path in sorted(folder.glob("*/record.json"))]
    columns = ("run", "recipe", "initial weights", "epochs", "test top-1 (95 % CI)")
    rows = [
        (
            run.name,
            run.record.recipe_name,
            "scratch" if run.record.weights == "none" else run.record.weights,
            " + ".join(f"{phase.epochs} {phase.name}" for phase in run.phases),
            quantities.with_interval(run.record.test.top1, run.record.test.low, run.record.test.high)
            + (" synthetic" if run.data.synthetic else ""),
            quantities.amount(run.record.parameters),
            quantities.amount(run.record.multiply_adds),
            quantities.duration(run.record.seconds),
        )
        for run in sorted(runs, key=lambda run: run.record.test.top1, reverse=True)
    ]
    return tables.plain((*columns, "parameters", "MACs", "training time"), rows)


def _matrix() -> str:
    """Every variant that ``export`` can write, from the formats."""
    lines = ["| format | precision | description | calibration |", "|---|---|---|---|"]
    for name in formats.exported():
        format_ = formats.get(name)
        methods = {"ranges": ", ".join(format_.calibration_methods), "means": "means", None: ""}
        for precision, one in format_.precisions.items():
            variant = f"**`{precision}`**" if one.default else f"`{precision}`"
            lines.append(f"| {name} | {variant} | {one.meaning} | {methods[one.calibration]} |")
    return "\n".join([*lines, "", "Bold: exported by default."])


def _comparison(path: Path) -> str:
    """The table of a script's result, and a line with its origin."""
    fields = Fields(files.read_json(path, "result of a comparison"), str(path))
    table = fields.child("comparison")
    rows = [[str(cell) for cell in row] for row in table.items("rows")]
    data = DataSource.from_json(fields.child("data"))
    told = f"{_place(fields)}, with `{fields.text('command')}`{f'; data: {_data(data)}' if data else ''}."
    return f"{tables.plain([str(name) for name in table.items('columns')], rows)}\n\n{told}"


def _proofs(paths: Sequence[Path]) -> str:
    """A row per result of ``verify --json``, a column per variant, and their origin."""
    cells: dict[str, dict[str, str]] = {}
    commands: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        report = VerifyReport.read(path)
        origin = report.origin
        for row in report.results:
            cells.setdefault(row.model, {})[str(row.variant)] = _proof(row)
        images = ", ".join(f"{count:,} images" for count in distinct(row.images for row in report.results))
        data = next((row.data for row in report.results if row.data), None)
        where = f"{_data(data) if data else 'data unknown'}; {images}"
        place = _measured(machine_label(origin.machine), origin.provenance.commit)
        commands.setdefault((place, where), []).append(f"`{origin.provenance.command}`")
    variants = distinct(variant for row in cells.values() for variant in row)
    table = [(model, *(row.get(variant, quantities.MISSING) for variant in variants)) for model, row in cells.items()]
    sources = [f"{place}, with {', '.join(told)}; data: {where}." for (place, where), told in commands.items()]
    return "\n\n".join([tables.plain(("model", *variants), table), *sources])


def _proof(row: Verification) -> str:
    """The largest difference for floats, the agreement on high-confidence images for quantized artifacts."""
    if row.status != "pass" or row.figures is None:
        return row.status
    if row.tolerance.max_abs_diff is not None:
        return f"✓ {row.figures.max_abs_diff:.1e}"
    return f"✓ {quantities.percent(row.figures.confident_agreement)}"


def _place(fields: Fields) -> str:
    return _measured(machine_label(fields.child("machine").plain()), fields.text("commit"))


def _measured(where: str, commit: object) -> str:
    return f"Measured on {where}, commit {str(commit or 'unknown')[:12]}"


def _source(found: Document) -> str:
    """One paragraph per result with its origin."""
    paragraphs = []
    for benchmark in found.benchmarks:
        place = _measured(benchmark.label, benchmark.provenance.commit)
        command = str(benchmark.provenance.command).replace("`", "")
        data = "; ".join(_data(one) for one in distinct(row.result.data for row in benchmark.measurements))
        paragraphs.append(f"{place}, with `{command}`; data: {data}.")
    return "\n\n".join(paragraphs)


def _data(data: DataSource) -> str:
    return f"{data.name}{' (synthetic)' if data.synthetic else ''}, sha256 {(data.checksum or 'unknown')[:12]}"


if __name__ == "__main__":
    sys.exit(main())
