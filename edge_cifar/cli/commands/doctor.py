"""``edge-cifar doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from edge_cifar.cli.completers import run_paths
from edge_cifar.cli.layout import Layout
from edge_cifar.cli.output import Terminal, echo, emit_json, emit_table, heading, status
from edge_cifar.errors import CheckFailed, UsageError
from edge_cifar.tables import Column, Table

_TITLES = {"train": "Train", "convert": "Convert to", "run": "Run", "measure": "Measure and view"}
_COLUMNS = (Column(name="ready", key=True), Column(name="name", key=True), Column(name="detail", folds=True))


@click.command("doctor")
@click.argument(
    "bundle", required=False, type=click.Path(path_type=Path), metavar="[RUN|BUNDLE]", shell_complete=run_paths
)
@click.option("--self-test", "tested", is_flag=True, help="Also run a small pipeline end to end, in about a minute.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(bundle: Path | None, tested: bool, as_json: bool) -> None:
    """Check what this machine can train, convert, run and measure.

    Shows how to install whatever is missing. With --self-test it trains a small network, exports,
    verifies, measures and predicts, and reports what passed. Name a BUNDLE to test your own, or if
    TensorFlow is not installed.

    \b
    Examples:
      edge-cifar doctor
      edge-cifar doctor --self-test
      edge-cifar doctor export/ --self-test
    """
    if tested:
        _self_test(bundle, as_json)
        return
    if bundle is not None:
        raise UsageError("a bundle can only be given with --self-test")
    from edge_cifar.steps.doctor import AREAS, doctor

    diagnosis = doctor()
    if as_json:
        emit_json(diagnosis.document())
        return
    facts = diagnosis.machine
    parts = [
        f"edge-cifar {diagnosis.version}",
        f"Python {facts['python']}",
        f"{facts['os']} {facts['architecture']}",
        facts.get("cpu_model"),
        f"{facts['usable_cores']} cores",
        f"{facts['memory_bytes'] / 2**30:.0f} GiB",
    ]
    echo(", ".join(part for part in parts if part))
    for area in AREAS:
        echo()
        echo(heading(_TITLES[area]))
        rows = tuple(
            (status("yes", True) if finding.ready else status("no", None), finding.name, finding.detail)
            for finding in diagnosis.of(area)
        )
        emit_table(Table(columns=_COLUMNS, rows=rows, headings=False), Layout())
    if diagnosis.remedies:
        echo("\nTo install what is missing:")
        for remedy in diagnosis.remedies:
            echo(f"  {remedy}")


def _self_test(bundle: Path | None, as_json: bool) -> None:
    from edge_cifar.steps.self_test import self_test

    checks = self_test(bundle, progress=Terminal())
    if as_json:
        emit_json({"checks": [check.document() for check in checks]})
    failed = [check.name for check in checks if check.status == "failed"]
    if failed:
        raise CheckFailed(f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}")
    if not any(check.status == "passed" for check in checks):
        raise CheckFailed("nothing could be tested on this machine; see above for what is missing")
    if not as_json:
        echo(f"{sum(check.status == 'passed' for check in checks)} of {len(checks)} checks passed, none failed")
