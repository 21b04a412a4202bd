"""What a user named: a bundle, a run or a model file, by its path or as the object that a command returned."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge_cifar import model_files
from edge_cifar.command_line import command_line
from edge_cifar.documents import run as runs
from edge_cifar.documents.bundle import MANIFEST, Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, RunError, UsageError
from edge_cifar.model_options import ModelOptions, split
from edge_cifar.steps import bundles
from edge_cifar.storage import files

# A path has one slash of the two of an address.
_ADDRESS = re.compile(r"[a-z][a-z0-9]+:/", re.IGNORECASE)
# A file of another name with the same suffix is no misspelling.
_NEAR = 0.85


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A model file, or ``.mlpackage`` folder.

    Attributes:
        path: where it lies.
        run: the run whose Keras model it is; None for any other.
        bundle: the bundle that lists it, with no other artifact; None where no manifest does.
        options: what a user says of a file made elsewhere.
    """

    path: Path
    run: Run | None = None
    bundle: Bundle | None = None
    options: ModelOptions = field(default_factory=ModelOptions)

    @property
    def foreign(self) -> bool:
        """Whether it was made elsewhere, so that neither a manifest nor a run vouches for it."""
        return self.run is None and self.bundle is None


Target = Bundle | Run | ModelFile | Path | str


def resolve(target: Target | None = None) -> Bundle | Run | ModelFile:
    """What stands at a path, or what was given as an object.

    Args:
        target: a bundle, its folder, a run, its folder, a model file, or None for the newest run under ``./runs``.
            Behind a model file made elsewhere may stand what it takes: ``FILE:range=-1,1:channels=bgr``.

    Returns:
        A bundle is known not to be one of another network than its run holds by now. A run is finished, or has a
        bundle, or both.

    Raises:
        UsageError: options behind a name are wrong, or are those of something else than such a file.
        RunError: there is nothing.
        BundleError: a bundle's manifest is damaged, it was made from another network than its run holds by now, or
            there is neither a bundle nor a run nor a model file.
    """
    if target is None:
        return runs.newest()
    if isinstance(target, Bundle | Run | ModelFile):
        return target
    path, options = split(target)
    found = _at(path)
    if options == ModelOptions():
        return found
    if not isinstance(found, ModelFile) or not found.foreign:
        raise UsageError(f"{path} describes its own input; omit the options behind it")
    return replace(found, options=options)


def resolve_all(targets: Iterable[Target | None], options: ModelOptions) -> list[Bundle | Run | ModelFile]:
    """What stands at some paths, with the options of a command for the model files made elsewhere among it.

    Args:
        targets: as :func:`resolve` takes them.
        options: of all such files; those behind a file's own name come first.

    Raises:
        UsageError, RunError, BundleError: as :func:`resolve`.
        UsageError: there are options, and no such file.
    """
    resolved = [resolve(target) for target in targets]
    made_elsewhere = [one for one in resolved if isinstance(one, ModelFile) and one.foreign]
    if options != ModelOptions() and not made_elsewhere:
        raise UsageError(f"{options.names}: only for model files made elsewhere; none was given")
    return [
        replace(one, options=one.options.over(options)) if isinstance(one, ModelFile) and one.foreign else one
        for one in resolved
    ]


def _at(path: Path) -> Bundle | Run | ModelFile:
    files.recover(path)
    if (path / MANIFEST).exists():
        return bundles.demand_same_network(Bundle.open(path))
    run = Run(path)
    if run.finished or bundles.exported(run):
        return run
    if path.is_file() or (path.exists() and model_files.is_model(path)):
        return _file(path)
    if (path / "saved_model.pb").is_file():
        export = command_line("export", path, "--data", "FOLDER")
        raise BundleError(f"{path} is a SavedModel, which only export takes; convert it first: {export}")
    if path.is_dir():
        raise BundleError(f"{path} contains neither a bundle ({MANIFEST}) nor a finished run")
    raise missing(path)


def missing(path: Path) -> BundleError | RunError:
    """The error for a path at which there is nothing: names the one that was probably meant."""
    if _ADDRESS.match(str(path)):
        return BundleError(
            f"a model is named by its path, not by an address on the web; download it first (got {path})"
        )
    if near := _near(path):
        return BundleError(f"no model at {path}; did you mean {near}?")
    if model_files.is_model(path):
        return BundleError(f"no model file at {path}")
    return RunError(f"no model file, run or bundle at {path}; train one: edge-cifar train mobilenetv2")


def _near(path: Path) -> Path | None:
    """The model file or folder beside a missing one whose name is most like its; None where none is."""
    try:
        names = [one.name for one in path.parent.iterdir() if one.is_dir() or model_files.is_model(one)]
    except OSError:
        return None
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=_NEAR)
    return path.with_name(near[0]) if near else None


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
