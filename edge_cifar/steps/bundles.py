"""Where a command finds its bundle: named outright, in a run folder, or in the newest run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_cifar.command_line import command_line
from edge_cifar.documents import run as runs
from edge_cifar.documents.bundle import MANIFEST, Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, EdgeCifarError, RunError
from edge_cifar.progress import Progress
from edge_cifar.storage import files

Target = Bundle | Run | Path | str | None


def open_bundle(target: Target = None) -> Bundle:
    """The bundle that a command is about.

    Args:
        target: a bundle, its folder, a run, a run's folder (its ``export/`` is taken), or None for
            the newest run under ``./runs``.

    Raises:
        RunError: there is no such run, it was not exported, or its weights are not kept.
        BundleError: the bundle's manifest is broken, it was made from another network than stands in its run now,
            or the target is no folder.
    """
    if isinstance(target, Bundle):
        return target
    if isinstance(target, Run) or target is None:
        run = target or runs.newest()
        if not exported(run):
            if run.finished:
                run.demand_weights()
            raise RunError(f"the run {run.path} has not been exported yet; run: {command_line('export', run.path)}")
        return _of_its_run(Bundle.open(run.export_path))
    folder = Path(target)
    files.recover(folder)
    if (folder / MANIFEST).exists():
        return _of_its_run(Bundle.open(folder))
    run = Run(folder)
    if run.finished or exported(run):
        return open_bundle(run)
    if folder.is_dir():
        raise BundleError(f"{folder} contains neither a bundle ({MANIFEST}) nor a finished run")
    if folder.exists():
        raise BundleError(f"{folder} is a file; give the folder of a run or bundle")
    raise RunError(f"no run or bundle at {folder}; train one: edge-cifar train mobilenetv2")


def exported(run: Run) -> bool:
    """Whether a run's own bundle stands there; one that a killed command had moved away is put back first."""
    files.recover(run.export_path)
    return (run.export_path / MANIFEST).exists()


def _of_its_run(bundle: Bundle) -> Bundle:
    """The bundle, unless its run holds another network by now."""
    run, told = run_of(bundle), bundle.source_sha256
    if run is None or told is None or not run.model_path.is_file() or files.sha256(run.model_path) == told:
        return bundle
    raise BundleError(
        f"{bundle.path} was made from a different network than {run.model_path} now contains; run: "
        f"{command_line('export', run.path, '--overwrite')}"
    )


def run_of(bundle: Bundle) -> Run | None:
    """The run whose ``export/`` a bundle is; None for a bundle that travelled elsewhere."""
    folder = bundle.path.resolve()
    run = Run(folder.parent)
    return run if run.export_path == folder and run.record_path.is_file() else None


@contextmanager
def kept_beside(run: Run, progress: Progress) -> Iterator[None]:
    """Around what is written into a run's folder beside being answered: a read-only one costs the copy alone."""
    try:
        yield
    except EdgeCifarError as error:
        progress.say(f"no results are saved in the run {run.path}: {error}")
