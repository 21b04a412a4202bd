"""The bundle that stands in a run's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edge_cifar.command_line import command_line
from edge_cifar.documents.bundle import MANIFEST, Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, EdgeCifarError, RunError
from edge_cifar.progress import Progress
from edge_cifar.storage import files


def of_run(run: Run) -> Bundle:
    """A run's own bundle.

    Raises:
        RunError: it was not exported, or its weights are not kept.
        BundleError: the bundle's manifest is damaged, or it was made from another network than the run holds by now.
    """
    if not exported(run):
        if run.finished:
            run.demand_weights()
        raise RunError(f"the run {run.path} has not been exported yet; run: {command_line('export', run.path)}")
    return demand_same_network(Bundle.open(run.export_path))


def exported(run: Run) -> bool:
    """Whether a run's own bundle stands there; one moved away by a command that was killed is put back first."""
    files.recover(run.export_path)
    return (run.export_path / MANIFEST).exists()


def demand_same_network(bundle: Bundle) -> Bundle:
    """The bundle, unless its run holds another network by now.

    Raises:
        BundleError: it does.
    """
    run, made_from = run_of(bundle), bundle.source_sha256
    if run is None or made_from is None or not run.model_path.is_file() or files.sha256(run.model_path) == made_from:
        return bundle
    raise BundleError(
        f"{bundle.path} was made from a different network than {run.model_path} now contains; run: "
        f"{command_line('export', run.path, '--overwrite')}"
    )


def run_of(bundle: Bundle) -> Run | None:
    """The run whose ``export/`` a bundle is; None for a bundle that was copied elsewhere."""
    folder = bundle.path.resolve()
    run = Run(folder.parent)
    return run if run.export_path == folder and run.record_path.is_file() else None


@contextmanager
def kept_beside(run: Run, progress: Progress) -> Iterator[None]:
    """Around what is also written into a run's folder: a folder that is read-only costs this copy alone."""
    try:
        yield
    except EdgeCifarError as error:
        progress.say(f"no results are saved in the run {run.path}: {error}")
