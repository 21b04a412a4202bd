"""What a user named: a bundle, a run or a model file, by its path or as the object that a command returned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edge_cifar import model_files
from edge_cifar.documents import run as runs
from edge_cifar.documents.bundle import MANIFEST, Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, RunError
from edge_cifar.steps import bundles
from edge_cifar.storage import files


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A model file, or ``.mlpackage`` folder.

    Attributes:
        path: where it lies.
        run: the run whose Keras model it is; None for any other.
        bundle: the bundle that lists it, with no other artifact; None where no manifest does.
    """

    path: Path
    run: Run | None = None
    bundle: Bundle | None = None

    @property
    def foreign(self) -> bool:
        """Whether it was made elsewhere, so that neither a manifest nor a run vouches for it."""
        return self.run is None and self.bundle is None


Target = Bundle | Run | ModelFile | Path | str


def resolve(target: Target | None = None) -> Bundle | Run | ModelFile:
    """What stands at a path, or what was given as an object.

    Args:
        target: a bundle, its folder, a run, its folder, a model file, or None for the newest run under ``./runs``.

    Returns:
        A bundle is known not to be one of another network than its run holds by now. A run is finished, or has a
        bundle, or both.

    Raises:
        RunError: there is nothing.
        BundleError: a bundle's manifest is damaged, it was made from another network than its run holds by now, or
            there is neither a bundle nor a run nor a model file.
    """
    if target is None:
        return runs.newest()
    if isinstance(target, Bundle | Run | ModelFile):
        return target
    path = Path(target)
    files.recover(path)
    if (path / MANIFEST).exists():
        return bundles.demand_same_network(Bundle.open(path))
    run = Run(path)
    if run.finished or bundles.exported(run):
        return run
    if path.is_file() or (path.exists() and model_files.is_model(path)):
        return _file(path)
    if path.is_dir():
        raise BundleError(f"{path} contains neither a bundle ({MANIFEST}) nor a finished run")
    if model_files.is_model(path):
        raise BundleError(f"no model file at {path}")
    raise RunError(f"no run or bundle at {path}; train one: edge-cifar train mobilenetv2")


def open_bundle(target: Target | None = None) -> Bundle:
    """The bundle that a command is about: the one that was named, or that of the run.

    Args:
        target: as :func:`resolve` takes it.

    Raises:
        RunError: there is no such run, it was not exported, or its weights are not kept.
        BundleError: as :func:`resolve`; or the target is a file.
    """
    found = resolve(target)
    if isinstance(found, ModelFile):
        raise BundleError(f"{found.path} is a file; give the folder of a run or bundle")
    return bundles.of_run(found) if isinstance(found, Run) else found


def _file(path: Path) -> ModelFile:
    if (path.parent / MANIFEST).exists():
        bundle = Bundle.open(path.parent)
        for artifact in bundle.artifacts:
            if artifact.path.name == path.name:
                return ModelFile(path=path, bundle=replace(bundle, artifacts=(artifact,)))
    run = Run(path.parent)
    own = run.finished and path.name == run.model_path.name
    return ModelFile(path=path, run=run if own else None)
