"""``report``: everything about runs and benchmarks on one page."""

from __future__ import annotations

from pathlib import Path

from edge_cifar import files
from edge_cifar import run as runs
from edge_cifar.run import RECORD, Run

PAGE = "report.html"


def report(
    *sources: Run | Path | str,
    output: Path | str | None = None,
    min_accuracy: float | None = None,
    max_size: float | None = None,
    max_latency: float | None = None,
) -> Path:
    """Write one self-contained HTML page.

    Args:
        sources: runs, bundles, and JSON files as ``bench --json`` and ``verify --json`` write them;
            the newest run under ``./runs`` when none is given.
        output: where the page goes; when left out, ``report.html`` in the folder of a single run,
            otherwise in the working directory.
        min_accuracy: for the advice: least accuracy, in per cent.
        max_size: for the advice: largest size on disk, in bytes.
        max_latency: for the advice: largest median latency of one image, in milliseconds.

    Returns:
        Where the page was written.

    Raises:
        UsageError: a limit makes no sense.
        RunError: there is no run.
        EdgeCifarError: a file is missing or broken, or the page cannot be written.
        MissingPackage: the ``report`` extra is not installed.
    """
    from edge_cifar.report import page
    from edge_cifar.report.advice import Limits
    from edge_cifar.report.sources import gather

    limits = Limits(
        min_accuracy=None if min_accuracy is None else min_accuracy / 100.0,
        max_size_bytes=max_size,
        max_latency_ms=max_latency,
    )
    paths = [source.path if isinstance(source, Run) else Path(source) for source in sources]
    paths = paths or [runs.newest().path]
    html = page.render(gather(paths, limits))
    target = Path(output) if output is not None else _beside(paths)
    files.write_text(target, html)
    return target


def _beside(paths: list[Path]) -> Path:
    alone = len(paths) == 1 and (paths[0] / RECORD).is_file()
    return paths[0] / PAGE if alone else Path(PAGE)
