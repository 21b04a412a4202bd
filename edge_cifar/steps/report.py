"""``report``: runs and benchmarks on one page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_cifar.arguments import flattened
from edge_cifar.documents import run as runs
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.run import RECORD, Run
from edge_cifar.errors import EdgeCifarError
from edge_cifar.run_data import load_run_data
from edge_cifar.storage import exclusion, files
from edge_cifar.storage.exclusion import EXPORT

if TYPE_CHECKING:
    from edge_cifar.report.examples import Examples
    from edge_cifar.report.trained import Trained

PAGE = "report.html"

Source = Run | Bundle | Path | str


def report(
    *sources: Source | Iterable[Source],
    output: Path | str | None = None,
    min_accuracy: float | None = None,
    max_size: float | str | None = None,
    max_latency: float | None = None,
    data_dir: Path | str | None = None,
) -> Path:
    """Write a self-contained HTML report.

    Args:
        sources: runs, bundles, and JSON files as ``bench --json`` and ``verify --json`` write them;
            the newest run under ``./runs`` when none is given.
        output: the HTML file to write. Default: ``report.html`` in the folder of a single run, otherwise in the
            working directory.
        min_accuracy: recommend only artifacts of at least this accuracy, in percent.
        max_size: recommend only artifacts of at most this size on disk, in bytes, or as a string such as ``500kB``.
        max_latency: recommend only artifacts of at most this median latency per image, in milliseconds.
        data_dir: directory of the runs' data set, to show sample test images. By default, the places that training
            reads from are searched; nothing is downloaded.

    Returns:
        The path of the page.

    Raises:
        UsageError: a limit is invalid.
        RunError: there is no run.
        EdgeCifarError: a file is missing or invalid, the page cannot be written, or another command is writing the
            run that would contain it.
        MissingPackage: the ``report`` extra is not installed.
    """
    from edge_cifar.report import page, quantities
    from edge_cifar.report.advice import Limits
    from edge_cifar.report.sources import gather

    limits = Limits(
        min_accuracy=None if min_accuracy is None else min_accuracy / 100.0,
        max_size_bytes=quantities.parse_size(max_size) if isinstance(max_size, str) else max_size,
        max_latency_ms=max_latency,
    )
    paths = [source.path if isinstance(source, Run | Bundle) else Path(source) for source in flattened(sources)]
    paths = paths or [runs.newest().path]
    target = Path(output) if output is not None else _beside(paths)
    files.demand_writable(target)
    # A page in a run's folder belongs to the run; one elsewhere is a snapshot.
    own = [paths[0] / EXPORT] if output is None and target.parent == paths[0] else []
    with exclusion.reading(own, "report"):
        document = gather(paths, limits)
        html = page.render(replace(document, examples=_examples(document.runs, data_dir)))
        files.write_text(target, html)
    return target


def _examples(trained: Sequence[Trained], data_dir: Path | str | None) -> list[Examples]:
    """Test images with the runs' predictions; without the images if they are not available."""
    from edge_cifar.report import examples

    shown = []
    for group in examples.comparable(trained):
        try:
            data = load_run_data(group[0].run, data_dir=data_dir, download=False)
        except EdgeCifarError as error:
            shown.append(examples.without_images(group, str(error)))
        else:
            shown.append(examples.with_images(group, data.test, data.dataset.labels))
    return shown


def _beside(paths: list[Path]) -> Path:
    alone = len(paths) == 1 and (paths[0] / RECORD).is_file()
    return paths[0] / PAGE if alone else Path(PAGE)
