"""Which model files to load for what a user named, and which labels belong to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edge_cifar import model_files
from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, RuntimeUnavailable
from edge_cifar.model_options import ModelOptions
from edge_cifar.steps.bundles import exported, of_run
from edge_cifar.steps.targets import ModelFile, Target, resolve

# The most precise first: without a named precision, accuracy matters more than speed.
_PREFERENCE = ("fp32", "fp16", "int8")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A model file to load.

    Attributes:
        path: the file, or ``.mlpackage`` folder.
        labels: class names in the order of its probabilities; None if only the file itself may tell.
        variant: such as ``tflite-int8``; None for a Keras model or somebody else's file.
        chosen: True if the user named a folder, so that the file was chosen among several.
        foreign: True for a file made elsewhere, which neither a manifest nor a run vouches for.
        options: what a user says of such a file.
    """

    path: Path
    labels: tuple[str, ...] | None
    variant: str | None = None
    chosen: bool = False
    foreign: bool = False
    options: ModelOptions = field(default_factory=ModelOptions)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Every model file behind what a user names.

    Attributes:
        model: what tables call the network.
        choices: the files, at least one.
        left_out: variants that cannot be used here, each with the reason.
    """

    model: str
    choices: tuple[Choice, ...]
    left_out: tuple[tuple[str, str], ...] = ()


def choose_all(target: Target | None = None) -> Selection:
    """All artifacts of a bundle that have a device runtime here; otherwise the one that :func:`choose` takes.

    Raises:
        RunError, BundleError, RuntimeUnavailable: as :func:`choose`.
    """
    found = _find(target)
    if isinstance(found, Choice):
        return Selection(model=found.path.stem, choices=(found,))
    choices, left_out = [], []
    for artifact in found.artifacts:
        try:
            if not model_files.runtime_for(artifact.path).DEVICE:
                raise RuntimeUnavailable("only a reference evaluator can run it on this machine")
            choices.append(_of_artifact(artifact, chosen=True))
        except (RuntimeUnavailable, BundleError) as error:
            # Clients of the server see this; paths on the server must not be disclosed.
            left_out.append((str(artifact.variant), str(error).replace(str(artifact.path), artifact.path.name)))
    return Selection(model=found.model, choices=tuple(choices) or (_of_bundle(found),), left_out=tuple(left_out))


def choose(target: Target | None = None) -> Choice:
    """The one file to load for a target.

    Of a bundle, the most precise artifact that this machine can run; of a run, its bundle, or the
    Keras model where nothing was exported yet.

    Raises:
        RunError: there is nothing, or a run without its weights.
        BundleError: an artifact is not the file that its manifest lists, or there is no manifest.
        RuntimeUnavailable: no artifact of the bundle can run here.
    """
    found = _find(target)
    return found if isinstance(found, Choice) else _of_bundle(found)


def _find(target: Target | None) -> Choice | Bundle:
    """The file that was named, or a run's Keras model where nothing was exported yet; otherwise the bundle."""
    found = resolve(target)
    if isinstance(found, Run):
        if exported(found):
            return of_run(found)
        found.demand_weights()
        return Choice(path=found.model_path, labels=found.record().data.labels, chosen=True)
    return _of_file(found) if isinstance(found, ModelFile) else found


def _of_bundle(bundle: Bundle) -> Choice:
    ranked = [(rank, artifact) for artifact in bundle.artifacts if (rank := _rank(artifact)) is not None]
    if ranked:
        return _of_artifact(min(ranked, key=lambda pair: pair[0])[1], chosen=True)
    variants = ", ".join(str(artifact.variant) for artifact in bundle.artifacts) or "none"
    raise RuntimeUnavailable(
        f'no artifact in {bundle.path} can run here (it contains {variants}); run: pip install "edge-cifar[device]"'
    )


def _rank(artifact: Artifact) -> tuple[bool, int] | None:
    """Smaller is better: a device's runtime before a reference, then by precision; None where nothing runs it."""
    try:
        runtime = model_files.runtime_for(artifact.path)
    except RuntimeUnavailable:
        return None
    precision = artifact.variant.precision
    order = _PREFERENCE.index(precision) if precision in _PREFERENCE else len(_PREFERENCE)
    return not runtime.DEVICE, order


def _of_file(file: ModelFile) -> Choice:
    if file.bundle is not None:
        return _of_artifact(file.bundle.artifacts[0], chosen=False)
    labels = file.run.record().data.labels if file.run else None
    return Choice(path=file.path, labels=labels, foreign=file.foreign, options=file.options)


def _of_artifact(artifact: Artifact, *, chosen: bool) -> Choice:
    artifact.check()
    return Choice(path=artifact.path, labels=artifact.labels, variant=str(artifact.variant), chosen=chosen)
