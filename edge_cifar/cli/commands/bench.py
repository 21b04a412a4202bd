"""``edge-cifar bench``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_cifar.cli import remote
from edge_cifar.cli.bench_table import refuse_failed, show
from edge_cifar.cli.options import data_set, number_or_all, numbers
from edge_cifar.cli.output import Terminal, echo, emit_json
from edge_cifar.command_line import command_line
from edge_cifar.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from edge_cifar.bench.result import BenchReport

_MAX_REGRESSION = 10.0


def _words(context: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    """Names separated by commas; ``default`` is none."""
    return () if value == "default" else tuple(value.split(","))


def _range(context: click.Context, option: click.Parameter, value: str | None) -> tuple[float, float] | None:
    """Two numbers, such as ``-1,1``."""
    if value is None:
        return None
    try:
        low, high = (float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not two numbers as in -1,1", context, option) from None
    return low, high


@click.command()
@click.argument("targets", nargs=-1, type=click.Path(path_type=Path), metavar="[RUN|BUNDLE|MODEL_FILE]…")
@click.option(
    "--images", callback=number_or_all, metavar="N|all", help="Images for accuracy.  [default: those in the bundle]"
)
@data_set("Take the images from another data set.", default=None)
@click.option("--data-dir", type=click.Path(path_type=Path), metavar="DIR", help="Where its files lie.")
@click.option("--image-size", type=int, metavar="N", help="Bring a folder's pictures to that side, for bare files.")
@click.option(
    "--threads",
    default="1",
    show_default=True,
    callback=numbers,
    metavar="N[,N…]",
    help="CPU threads an inference may use; a row for each.",
)
@click.option(
    "--batch-size",
    default="1",
    show_default=True,
    callback=numbers,
    metavar="N[,N…]",
    help="Images in one inference; a row for each.",
)
@click.option(
    "--backend",
    default="default",
    show_default=True,
    callback=_words,
    metavar="default|all|NAME[,NAME…]",
    help="What computes: xnnpack, builtin; cpu, coreml, cuda; …  A row for each.",
)
@click.option("--profile", is_flag=True, help="Tell what each operator costs, and how near the limit it comes.")
@click.option("--input-range", callback=_range, metavar="LOW,HIGH", help="Pixels 0 and 255 as a bare file takes them.")
@click.option("--layout", type=click.Choice(["nhwc", "nchw"]), help="Order of a bare file's input dimensions.")
@click.option("--seconds", type=float, default=2.0, show_default=True, metavar="X", help="Measuring time of each row.")
@click.option("--rest", type=float, default=0.0, metavar="X", help="Seconds to cool down before each round.")
@click.option(
    "--relative-to", metavar="VARIANT|FILE|keras", help="Baseline of the ratios.  [default: the model's fp32]"
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the result as JSON.")
@click.option("--baseline", type=click.Path(path_type=Path), metavar="FILE", help="An earlier result to compare with.")
@click.option(
    "--max-regression", type=float, metavar="PERCENT", help="Growth put up with against --baseline.  [default: 10]"
)
@click.option("--on", metavar="USER@HOST", help="Measure on another machine, reached by ssh.")
@click.option("--install", is_flag=True, help="With --on: put edge-cifar there first, in a folder of its own.")
@click.option("--keep-going", is_flag=True, help="Exit with 0 even when rows failed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
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
    **options: Any,
) -> None:
    """Measure accuracy, latency, size, memory and load time of every artifact.

    A target is a run, a bundle wherever it was copied to, or a .tflite, .onnx or .mlpackage that
    someone else made; left out, the newest run under ./runs. All are measured in turn, window by
    window, each in a process of its own. --relative-to keras measures a run's Keras model as well.
    The exit status is 1 when a row failed; what this machine has no runtime for is skipped, which
    is no failure.

    \b
    Example:
      edge-cifar bench
      edge-cifar bench export/ other.tflite --data cifar10 --threads 1,4 --output bench.json
      edge-cifar bench runs/resnet8 --backend all --batch-size 1,8 --profile
    """
    if on is not None:
        remote.bench_on(context, on, targets, install=install, keep_going=keep_going)
        return
    if install:
        raise UsageError('--install needs --on USER@HOST; here, type: pip install "edge-cifar[device]"')
    if max_regression is not None and baseline is None:
        raise UsageError("--max-regression needs --baseline FILE to compare with")
    if max_regression is not None and not max_regression >= 0:
        raise UsageError(f"--max-regression must be zero or a positive percentage, got {max_regression}")
    from edge_cifar.bench import regression
    from edge_cifar.steps.bench import BenchInterrupted, bench

    earlier = regression.read(baseline) if baseline else None
    try:
        report = bench(*targets, **options, progress=Terminal())
    except BenchInterrupted as stopped:
        _print(stopped.report, as_json, options["relative_to"])
        raise
    _print(report, as_json, options["relative_to"])
    if earlier is not None:
        allowed = _MAX_REGRESSION if max_regression is None else max_regression
        found = regression.regressions(report.document(), earlier, allowed)
        if found:
            raise CheckFailed(f"worse than {baseline}: {'; '.join(found)}")
        echo(f"nothing is worse than {baseline} by more than {allowed:g} %", err=True)
    if not keep_going:
        refuse_failed([(row.name, row.status) for row in report.results])
    sources = _report_sources(targets, options["output"])
    if sources is not None and not as_json:
        echo(f"next: {command_line('report', *sources)}")


def _report_sources(targets: Sequence[Path], output: Path | None) -> list[str] | None:
    """What ``report`` can make a page of; None when the result was written nowhere."""
    if output is not None:
        return [str(output)]
    runs = [folder for target in targets for folder in (target, target.parent) if (folder / "record.json").is_file()]
    return [str(run) for run in runs] if runs or not targets else None


def _print(report: BenchReport, as_json: bool, relative_to: str | None) -> None:
    for warning in report.warnings:
        echo(f"warning: {warning}", err=True)
    if as_json:
        emit_json(report.document())
    else:
        show(report, relative_to)
