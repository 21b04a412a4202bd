"""``verify``: compare every artifact of a bundle with the Keras model it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from edge_cifar import machine, packages
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.provenance import Checksums, Origin, Provenance
from edge_cifar.documents.verification import Verification, Verifications
from edge_cifar.documents.verify_report import VerifyReport
from edge_cifar.errors import BundleError, UsageError
from edge_cifar.model_options import ModelOptions, ToldOfOutput
from edge_cifar.parity.drift_plot import draw
from edge_cifar.parity.following import read_activations, with_layers
from edge_cifar.parity.verify import verify_bundle
from edge_cifar.progress import SILENT, Progress
from edge_cifar.steps import _verify_record
from edge_cifar.steps.bundles import kept_beside, run_of
from edge_cifar.steps.targets import ModelFile, Target, open_bundle, resolve_all
from edge_cifar.steps.verify_files import verify_files
from edge_cifar.storage import exclusion, files

RESULT = "verify.json"
PLOT = "drift.png"
# Packages that compute the answers, and those that compare them.
_PACKAGES = ("edge-cifar", "numpy", "ai-edge-litert", "onnxruntime", "coremltools")


def verify(
    target: Target | None = None,
    *others: Target,
    images: int | None = None,
    layers: bool = False,
    plot: Path | str | None = None,
    data: str | Path | None = None,
    data_dir: Path | str | None = None,
    precision: str | None = None,
    progress: Progress = SILENT,
    **told: Unpack[ToldOfOutput],
) -> Verifications:
    """Compare every artifact's predictions with the Keras model's, on the images in the bundle.

    Needs neither TensorFlow nor the data set. Each artifact runs in its own process, so a crash of its
    runtime affects only this artifact. The outcomes are saved in the run folder; for each artifact, those
    on the most images are kept.

    Several model files are compared with the first of them instead, on the test images of ``data``.

    Args:
        target: a bundle, a run (its exported bundle), or the folder of either; or a model file. Default: the newest
            run.
        *others: model files to compare with the first.
        images: number of images to use. Default: all.
        layers: also compare layer by layer, using the activations in the bundle.
        plot: a PNG to draw how they drift with depth into; implies ``layers``. A run's own is drawn
            beside its record where Matplotlib is installed.
        data: for model files, the data set with the images: a registered name, or a folder of images by class.
        data_dir: directory of that data set.
        precision: for model files, ``fp32``, ``fp16`` or ``int8``, whose tolerance they have to meet. Default: that of
            the coarser weights of each two.
        progress: receives a message per finished artifact.
        **told: what model files made elsewhere take and answer, as :class:`edge_cifar.model_options.Told` lists it.

    Returns:
        A list with one outcome per artifact, in the manifest's order; of model files, one for each behind the first. A
        notebook shows it as a table. A failing artifact raises no exception.

    Raises:
        UsageError: ``images`` is not positive, ``plot`` does not end in ``.png``, or options or targets do not fit
            together.
        RunError: there is no such run, or it has not been exported.
        BundleError: there is no bundle, or its manifest, reference or activations are corrupt.
        BundleError: it was replaced while it was verified.
        EdgeCifarError: another command is writing the run or the bundle.
        MissingPackage: a plot was requested and Matplotlib is not installed.
    """
    if images is not None and images < 1:
        raise UsageError(f"images must be at least 1; got {images}")
    if plot is not None and Path(plot).suffix.lower() != ".png":
        raise UsageError(f"the plot's file name must end in .png; got {Path(plot).name}")
    found = resolve_all([target, *others], ModelOptions.of(told, verify))
    files_alone = [one for one in found if isinstance(one, ModelFile)]
    if len(found) == len(files_alone) == 1:
        raise BundleError(
            f"{files_alone[0].path} is a file; give the folder of a run or bundle, or a second model file to compare "
            "with the first"
        )
    if others:
        if len(files_alone) < len(found):
            raise UsageError("verify takes one run or bundle, or several model files to compare with the first")
        if layers or plot is not None:
            raise UsageError("--layers and --plot need a run or bundle, whose Keras model they follow")
        compared = verify_files(
            files_alone,
            data=None if data is None else str(data),
            data_dir=data_dir,
            images=images,
            precision=precision,
            progress=progress,
        )
        return Verifications(compared)
    if data is not None or data_dir is not None or precision is not None:
        raise UsageError("--data, --data-dir and --precision only apply to model files; a bundle has its own images")
    bundle = open_bundle(found[0])
    with exclusion.reading([bundle.path], "verify"):
        return _verify(
            bundle, images=images, layers=layers, plot=None if plot is None else Path(plot), progress=progress
        )


def _verify(
    bundle: Bundle, *, images: int | None, layers: bool, plot: Path | None, progress: Progress
) -> Verifications:
    if plot is not None:
        packages.require("matplotlib", "report")
        files.demand_writable(plot)
    if layers or plot is not None:
        # Report damage before the artifacts are computed, not after.
        read_activations(bundle)
    before = bundle.contents()
    outcomes = verify_bundle(bundle, images=images, progress=progress)
    if layers or plot is not None:
        outcomes = with_layers(bundle, outcomes, progress=progress)
    # Locks may be missing or ignored by other programs: the outcomes may mix two bundles.
    bundle.demand_unchanged(before)
    run = run_of(bundle)
    if layers or plot is not None:
        drifts = [outcome.layers for outcome in outcomes if outcome.layers]
        if plot is not None:
            draw(drifts, plot)
        if run is not None and packages.installed("matplotlib"):
            with kept_beside(run, progress):
                draw(drifts, run.path / PLOT)
    if run is not None:
        with kept_beside(run, progress):
            found = report(outcomes, bundle.checksums)
            with exclusion.updating(run.path / RESULT):
                _verify_record.write(run.path / RESULT, found, progress)
    return Verifications(outcomes)


def report(outcomes: Sequence[Verification], bundle: Checksums | None = None) -> VerifyReport:
    """The outcomes with where they come from, and which bundle they are about."""
    origin = Origin(provenance=Provenance.now(*_PACKAGES), machine=machine.identity(), bundle=bundle)
    return VerifyReport(origin=origin, results=outcomes)
