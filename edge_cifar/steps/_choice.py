"""Which model file to use when a user names a file, a bundle or a run, and which labels belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_cifar.artifact import MANIFEST, Artifact, Bundle
from edge_cifar.errors import BundleError, RunError, RuntimeUnavailable
from edge_cifar.run import RECORD, Run
from edge_cifar.runtimes import loading

# The most faithful first: who names no precision wants the model's answer, not its speed.
_PREFERENCE = ("fp32", "fp16", "int8")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A model file to load.

    Attributes:
        path: the file, or ``.mlpackage`` folder.
        labels: class names in the order of its probabilities; None where nothing beside it tells.
        variant: such as ``tflite-int8``; None for a Keras model or somebody else's file.
        chosen: True when the user named a folder and the file was chosen among several.
    """

    path: Path
    labels: tuple[str, ...] | None
    variant: str | None = None
    chosen: bool = False


def choose(model: Bundle | Run | Path | str) -> Choice:
    """The file behind what a user calls a model.

    Of a bundle, the most precise artifact that this machine can run; of a run, its bundle, or the
    Keras model where nothing was exported yet.

    Raises:
        BundleError: there is nothing, or an artifact is not the file that its manifest lists.
        RuntimeUnavailable: no artifact of the bundle can run here.
    """
    if isinstance(model, Bundle):
        return _of_bundle(model)
    path = model.path if isinstance(model, Run) else Path(model)
    if path.suffix in loading.suffixes() or path.is_file():
        return _of_file(path)
    if (path / MANIFEST).exists():
        return _of_bundle(Bundle.open(path))
    if (path / RECORD).exists():
        run = Run.open(path)
        if (run.export_path / MANIFEST).exists():
            return _of_bundle(Bundle.open(run.export_path))
        return Choice(path=run.model_path, labels=_labels_of(run), chosen=True)
    if not path.exists():
        raise BundleError(f"no model, bundle or run at {path}")
    raise BundleError(f"{path} is neither a model file nor a folder with a bundle or a finished run")


def _of_bundle(bundle: Bundle) -> Choice:
    ranked = sorted(bundle.artifacts, key=lambda artifact: _rank(artifact.variant.precision))
    for artifact in ranked:
        if _runs_here(artifact.path):
            return _of_artifact(artifact, chosen=True)
    variants = ", ".join(str(artifact.variant) for artifact in bundle.artifacts) or "none"
    raise RuntimeUnavailable(
        f'nothing in {bundle.path} can run here (it holds {variants}); type: pip install "edge-cifar[device]"'
    )


def _of_file(path: Path) -> Choice:
    if (path.parent / MANIFEST).exists():
        for artifact in Bundle.open(path.parent).artifacts:
            if artifact.path.name == path.name:
                return _of_artifact(artifact, chosen=False)
    run = Run(path.parent)
    return Choice(path=path, labels=_labels_of(run) if run.finished and path.name == run.model_path.name else None)


def _of_artifact(artifact: Artifact, *, chosen: bool) -> Choice:
    artifact.check()
    return Choice(path=artifact.path, labels=artifact.labels, variant=str(artifact.variant), chosen=chosen)


def _labels_of(run: Run) -> tuple[str, ...]:
    try:
        return tuple(str(label) for label in run.record()["data"]["labels"])
    except (KeyError, TypeError) as error:
        raise RunError(f"{run.record_path} does not name the classes ({error!r}); train again") from error


def _rank(precision: str) -> int:
    return _PREFERENCE.index(precision) if precision in _PREFERENCE else len(_PREFERENCE)


def _runs_here(path: Path) -> bool:
    try:
        loading.runtime_for(path)
    except RuntimeUnavailable:
        return False
    return True
