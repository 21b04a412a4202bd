"""``edge-cifar bench``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from edge_cifar.cli import remote
from edge_cifar.cli.bench_table import emit, refuse_failed
from edge_cifar.cli.completers import backends, completing, run_paths
from edge_cifar.cli.layout import Layout
from edge_cifar.cli.options import MODEL_OPTIONS, data_set, model_options, number_or_all, numbers, table_options
from edge_cifar.cli.output import Terminal, echo, next_step
from edge_cifar.cli.sections import Sectioned
from edge_cifar.command_line import command_line
from edge_cifar.documents.tables import BENCH_COLUMNS
from edge_cifar.errors import CheckFailed, UsageError

_MAX_REGRESSION = 10.0


def _words(context: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    """Names separated by commas; ``default`` is none."""
    return () if value == "default" else tuple(value.split(","))


@click.command(
    cls=Sectioned,
    sections={
        "Images": ("images", "data", "data_dir"),
        "Measurement": ("threads", "batch_size", "backend", "seconds", "rest", "profile", "relative_to"),
        "Regressions": ("baseline", "max_regression"),
        "Another machine": ("on", "install"),
        "Model files made elsewhere": MODEL_OPTIONS,
    },
)
@click.argument(
    "targets", nargs=-1, type=click.Path(path_type=Path), metavar="[RUN|BUNDLE|MODEL_FILE]…", shell_complete=run_paths
)
@click.option(
    "--images",
    callback=number_or_all,
    metavar="N|all",
    help="Images to measure accuracy on.  [default: those in the bundle]",
)
@data_set("Data set to measure accuracy on, instead of the bundle's images.", default=None)
@click.option("--data-dir", type=click.Path(path_type=Path), metavar="DIR", help="Directory of that data set.")
@click.option(
    "--threads",
    default="1",
    show_default=True,
    callback=numbers,
    metavar="N[,N…]",
    help="CPU threads per inference; one row each.",
)
@click.option(
    "--batch-size",
    default="1",
    show_default=True,
    callback=numbers,
    metavar="N[,N…]",
    help="Images per inference; one row each.",
)
@click.option(
    "--backend",
    default="default",
    show_default=True,
    callback=_words,
    metavar="default|all|NAME[,NAME…]",
    shell_complete=completing(backends, several=True),
    help="Backend: xnnpack, builtin; cpu, coreml, cuda; …  One row each.",
)
@click.option("--profile", is_flag=True, help="Show the time per operator and the share of peak compute reached.")
@click.option("--seconds", type=float, default=2.0, show_default=True, metavar="X", help="Measuring time per row.")
@click.option("--rest", type=float, default=0.0, metavar="X", help="Seconds to cool down before each round.")
@click.option(
    "--relative-to",
    metavar="VARIANT|FILE|keras",
    help="What to compute latency ratios against.  [default: the model's fp32]",
)
@click.option(
    "-o", "--output", "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the result as JSON."
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Earlier result to compare with; fails on a regression.",
)
@click.option(
    "--max-regression", type=float, metavar="PERCENT", help="Allowed regression vs. --baseline, %.  [default: 10]"
)
@click.option("--on", metavar="USER@HOST", help="Measure on another machine over SSH.")
@click.option("--install", is_flag=True, help="With --on: first install edge-cifar there, in its own directory.")
@click.option("--keep-going", is_flag=True, help="Exit with status 0 even if rows failed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@model_options(output=False)
@table_options(BENCH_COLUMNS)
@click.pass_context
def command(
    context: click.Context,
    /,
    targets: tuple[Path, ...],
    baseline: Path | None,
    max_regression: float | None,
    on: str | None,
    install: bool,
    keep_going: bool,
    as_json: bool,
    table_layout: Layout,
    **options: Any,
) -> None:
    """Measure accuracy, latency, size, memory and load time.

    A target is a run, a bundle (wherever it was copied to), or a .tflite, .onnx or .mlpackage file made
    elsewhere, described by the options from --input-range on or as FILE:range=-1,1:channels=bgr; the
    default is the newest run under ./runs. Each artifact is measured in its own process,
    in short windows that alternate with those of the others. --relative-to keras also measures the
    run's Keras model. The exit status is 1 if a row failed. Artifacts for which this machine has no
    runtime are skipped, which is not a failure.

    \b
    Examples:
      edge-cifar bench
      edge-cifar bench export/ other.tflite --data cifar10 --threads 1,4 --output bench.json
      edge-cifar bench runs/resnet8 --backend all --batch-size 1,8 --profile
    """
    if on is not None:
        remote.bench_on(context, on, targets, install=install, keep_going=keep_going, layout=table_layout)
        return
    if install:
        raise UsageError(
            '--install needs --on USER@HOST; to install on this machine, run: pip install "edge-cifar[device]"'
        )
    if max_regression is not None and baseline is None:
        raise UsageError("--max-regression needs --baseline FILE")
    if max_regression is not None and not max_regression >= 0:
        raise UsageError(f"--max-regression must be a percentage of at least 0; got {max_regression}")
    from edge_cifar.bench import regression
    from edge_cifar.documents.bench_report import BenchReport
    from edge_cifar.steps.bench import BenchInterrupted, bench

    earlier = BenchReport.read(baseline) if baseline else None
    try:
        report = bench(*targets, **options, progress=Terminal())
    except BenchInterrupted as stopped:
        if options["output"] is not None:
            stopped.add_note(f"report what was measured with: {command_line('report', options['output'])}")
        emit(stopped.report, as_json, options["relative_to"], table_layout)
        raise
    emit(report, as_json, options["relative_to"], table_layout)
    if earlier is not None:
        allowed = _MAX_REGRESSION if max_regression is None else max_regression
        found = regression.regressions(report, earlier, allowed)
        if found:
            raise CheckFailed(f"regressed from {baseline}: {'; '.join(found)}")
        echo(f"no regression of more than {allowed:g} % from {baseline}", err=True)
    if not keep_going:
        refuse_failed(report.results)
    sources = _report_sources(targets, options["output"])
    if sources is not None and not as_json:
        next_step("report", *sources, err=table_layout.is_data)


def _report_sources(targets: Sequence[Path], output: Path | None) -> list[str] | None:
    """What ``report`` can make a page of; None when the result was written nowhere."""
    if output is not None:
        return [str(output)]
    runs = [folder for target in targets for folder in (target, target.parent) if (folder / "record.json").is_file()]
    return [str(run) for run in runs] if runs or not targets else None
