"""``edge-cifar report``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("sources", metavar="[RUN|bench.json]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "--out", type=click.Path(path_type=Path), help="Where the page goes.  [RUN/report.html]"
)
@click.option("--min-accuracy", type=float, metavar="PERCENT", help="Advise only what is right this often.")
@click.option("--max-size", metavar="SIZE", help="Advise only what is this small, such as 500kB.")
@click.option("--max-latency", type=float, metavar="MS", help="Advise only what is this fast.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where the runs' test images lie, to show some.")
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
    """Write one self-contained HTML page about runs and benchmarks.

    A run brings its training, its bench.json and its bundle's parity; a bench.json alone works too.
    Several are laid side by side: runs, machines or versions. Without any, the newest run is taken.
    Some test images are shown with what each run says of them, where the data set is at hand.
    The page opens with what to ship of what was verified: the smallest artifact that loses less than
    one point of accuracy, or what the limits below ask for.

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
