"""``verify``: compare every artifact of a bundle with the Keras model it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_cifar import machine, packages
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.provenance import Checksums, Origin, Provenance
from edge_cifar.documents.verification import Verification, Verifications
from edge_cifar.documents.verify_report import VerifyReport
from edge_cifar.errors import UsageError
from edge_cifar.parity.drift_plot import draw
from edge_cifar.parity.following import read_activations, with_layers
from edge_cifar.parity.verify import verify_bundle
from edge_cifar.progress import SILENT, Progress
from edge_cifar.steps import _verify_record
from edge_cifar.steps.bundles import kept_beside, run_of
from edge_cifar.steps.targets import Target, open_bundle
from edge_cifar.storage import exclusion, files

RESULT = "verify.json"
PLOT = "drift.png"
# Packages that compute the answers, and those that compare them.
_PACKAGES = ("edge-cifar", "numpy", "ai-edge-litert", "onnxruntime", "coremltools")


def verify(
    target: Target | None = None,
    *,
    images: int | None = None,
    layers: bool = False,
    plot: Path | str | None = None,
    progress: Progress = SILENT,
) -> Verifications:
    """Compare every artifact's predictions with the Keras model's, on the images in the bundle.

    Needs neither TensorFlow nor the data set. Each artifact runs in its own process, so a crash of its
    runtime affects only this artifact. The outcomes are saved in the run folder; for each artifact, those
    on the most images are kept.

    Args:
        target: a bundle, a run (its exported bundle), or the folder of either. Default: the newest run.
        images: number of the bundle's images to use. Default: all.
        layers: also compare layer by layer, using the activations in the bundle.
        plot: a PNG to draw how they drift with depth into; implies ``layers``. A run's own is drawn
            beside its record where Matplotlib is installed.
        progress: receives a message per finished artifact.

    Returns:
        A list with one outcome per artifact, in the manifest's order; a notebook shows it as a table. A failing
        artifact raises no exception.

    Raises:
        UsageError: ``images`` is not positive, or ``plot`` does not end in ``.png``.
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
    bundle = open_bundle(target)
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
