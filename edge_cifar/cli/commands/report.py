"""``edge-cifar report``."""

from __future__ import annotations

from pathlib import Path

import click

from edge_cifar.cli.completers import run_paths


@click.command("report")
@click.argument(
    "sources", metavar="[RUN|bench.json]...", nargs=-1, type=click.Path(path_type=Path), shell_complete=run_paths
)
@click.option(
    "-o", "--output", "--out", type=click.Path(path_type=Path), help="HTML file to write.  [default: RUN/report.html]"
)
@click.option(
    "--min-accuracy", type=float, metavar="PERCENT", help="Recommend only artifacts of at least this accuracy."
)
@click.option("--max-size", metavar="SIZE", help="Recommend only artifacts of at most this size, such as 500kB.")
@click.option("--max-latency", type=float, metavar="MS", help="Recommend only artifacts of at most this latency.")
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Directory of the runs' data set, to show sample images."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    sources: tuple[Path, ...],
    output: Path | None,
    min_accuracy: float | None,
    max_size: str | None,
    max_latency: float | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Write a self-contained HTML report on runs and benchmarks.

    A run contributes its training record, its bench.json and its verification; a bench.json on its own
    works too. Name several to compare runs, machines or versions; the default is the newest run. If the
    data set is available, the page shows sample test images with each run's predictions. It opens with
    a recommendation: the smallest verified artifact that loses less than one point of accuracy, or the
    one that meets the limits below.

    \b
    Examples:
      edge-cifar report
      edge-cifar report runs/mobilenetv2 runs/resnet8 -o compare.html
      edge-cifar report runs/mobilenetv2 laptop.json raspberry-pi.json --min-accuracy 90
    """
    from edge_cifar.cli.output import echo, emit_json
    from edge_cifar.steps.report import report

    path = report(
        *sources,
        output=output,
        min_accuracy=min_accuracy,
        max_size=max_size,
        max_latency=max_latency,
        data_dir=data_dir,
    )
    if as_json:
        emit_json({"page": str(path)})
    else:
        echo(path)
