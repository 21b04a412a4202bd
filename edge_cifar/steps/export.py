"""``export``: a trained run into every format and precision, checked, as one bundle."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Literal

from edge_cifar.arguments import several, whole, whole_or_all
from edge_cifar.data.calibration import doubts
from edge_cifar.documents import run as runs
from edge_cifar.documents.bundle import MANIFEST, Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, CheckFailed
from edge_cifar.export import candidates, compress, plan, pool, writer
from edge_cifar.export.acceptance import GATE_MINIMUM, Acceptance
from edge_cifar.export.advice import advice, calibrated
from edge_cifar.export.baseline import Baseline
from edge_cifar.export.mixed_precision import Mender
from edge_cifar.export.options import Settings
from edge_cifar.export.pool import Conversion
from edge_cifar.export.sensitivity import refuse_unknown
from edge_cifar.export.source import Source
from edge_cifar.export.worker import write_calibration
from edge_cifar.parity.processes import Workers
from edge_cifar.progress import SILENT, Progress
from edge_cifar.run_data import RunData, load_run_data
from edge_cifar.storage import exclusion, files, scratch
from edge_cifar.variant import Variant


def export(
    run: Run | Path | str | None = None,
    *,
    formats: str | Iterable[str] | None = None,
    precisions: str | Iterable[str] | None = None,
    calibration_images: int = 500,
    calibration_method: str = "min-max",
    max_drop: float = 1.0,
    reference_images: int | Literal["all"] | None = 2000,
    keep_float: str | Iterable[str] = (),
    prune: float | Iterable[float] = (),
    cluster: int | Iterable[int] = (),
    jobs: int | None = None,
    deployment_target: str | None = None,
    out: Path | str | None = None,
    overwrite: bool = False,
    data_dir: Path | str | None = None,
    progress: Progress = SILENT,
) -> Bundle:
    """Convert a run's model, check every artifact against it, and write the bundle.

    Args:
        run: a run or its folder; the newest under ``./runs`` when left out.
        formats: ``tflite``, ``onnx``, ``coreml`` or ``all``; all that can be written here when left out.
        precisions: their names, or ``all``; each format's default ones when left out.
        calibration_images: training images that set the ranges of quantized activations.
        calibration_method: ``min-max``, ``percentile`` or ``entropy``, where the format has it.
        max_drop: percentage points of validation accuracy that an artifact may lose.
        reference_images: test images that the bundle carries; ``all`` or None for all.
        keep_float: layers that int8 leaves in floats; ``auto`` for the fewest that meet the gate.
        prune: shares of the weights, 0.01 to 0.99, to set to zero: each variant is written so too.
        cluster: numbers of values to leave a layer's weights, 2 to 256: each variant is written so too.
        jobs: worker processes that convert side by side; None for as many as processors and memory allow.
        deployment_target: ``iOS15`` to ``iOS18``, ``macOS12`` to ``macOS15``: the oldest system that Core ML packages
            have to run on; iOS 16, or the first that has the precision, when left out.
        out: the bundle's folder; ``export`` in the run folder when left out.
        overwrite: replace a bundle that stands there.
        data_dir: where the run's data lie; used or an error.
        progress: told how it goes.

    Raises:
        UsageError: an option is out of range, a name unknown, or a format lacks a precision.
        RunError: there is no such run, or its weights are not kept.
        BundleError: the folder is taken.
        MissingPackage: a converter is not installed.
        CheckFailed: variants could not be converted or lost too much; the bundle stands without them.
    """
    bundle = write_bundle(
        run,
        formats=None if formats is None else several(formats),
        precisions=None if precisions is None else several(precisions),
        settings=Settings(
            calibration_images=whole("--calibration-images", calibration_images),
            calibration_method=calibration_method,
            max_drop=max_drop,
            reference_images=whole_or_all("--reference-images", reference_images),
            keep_float=several(keep_float),
            prune=several(prune),
            cluster=tuple(whole("--cluster", values) for values in several(cluster)),
            jobs=None if jobs is None else whole("--jobs", jobs),
            deployment_target=deployment_target,
        ),
        out=out,
        overwrite=overwrite,
        data_dir=data_dir,
        progress=progress,
    )
    demand_all(bundle)
    return bundle


def demand_all(bundle: Bundle, kept: Path | None = None) -> None:
    """Refuse to be silent about variants that were asked for and are not in the bundle.

    Args:
        bundle: as it was written.
        kept: where an earlier bundle stays in its stead.

    Raises:
        CheckFailed: some were rejected; names them, why, and what to try.
    """
    rejected = bundle.facts.get("rejected", [])
    if not rejected:
        return
    reasons = "; ".join(f"{entry['variant']}: {entry['reason']}" for entry in rejected)
    asked = len(rejected) + len(bundle.artifacts)
    raise CheckFailed(
        f"{len(rejected)} of {asked} variants {'was' if len(rejected) == 1 else 'were'} not kept ({reasons}); "
        f"try {advice(rejected)}{f'; the bundle in {kept} is kept' if kept else ''}"
    )


def write_bundle(
    run: Run | Path | str | None,
    *,
    formats: Sequence[str] | None,
    precisions: Sequence[str] | None,
    settings: Settings,
    out: Path | str | None,
    overwrite: bool,
    data_dir: Path | str | None,
    progress: Progress,
) -> Bundle:
    """As :func:`export`, but rejected variants are only written down in ``facts["rejected"]``.

    Raises:
        CheckFailed: nothing could be kept, where an earlier bundle stands.
    """
    settings.refuse_out_of_range()
    variants = plan.choose(formats, precisions, progress, settings.changes)
    settings.refuse_unfit(variants)
    opened = runs.newest() if run is None else run if isinstance(run, Run) else Run.open(Path(run))
    opened.demand_weights()
    # A link is followed: what it leads to is replaced, not the link.
    place = (Path(out) if out is not None else opened.export_path).resolve()
    with exclusion.exporting(opened.path, place):
        _refuse_occupied(place, overwrite)
        with files.appears_whole(place) as folder:
            folder.mkdir()
            data = load_run_data(opened, data_dir=data_dir, progress=progress)
            source = Source.of(opened, data, settings)
            _write(source, data, variants, folder, settings, progress)
            source.demand_unchanged()
            written = Bundle.open(folder)
            if not written.artifacts and (place / MANIFEST).exists():
                # What could not be made does not replace what was.
                demand_all(written, kept=place)
        if place == opened.export_path.resolve():
            opened.forget_results()
    return Bundle.open(place)


def _write(
    source: Source,
    data: RunData,
    variants: Sequence[Variant],
    folder: Path,
    settings: Settings,
    progress: Progress,
) -> None:
    if any(calibrated(variant) for variant in variants):
        for doubt in doubts(source.calibration.images):
            progress.say(f"warning: {doubt}")
    with scratch.folder("export") as temporary:
        images = temporary / "calibration.npz"
        write_calibration(source.calibration, images)
        retrainings = compress.retrain(source, data, variants, temporary, progress)
        source = replace(source, retrained=retrainings.done)
        failed = [
            Conversion(variant=variant, reason=reason)
            for variant in variants
            if (reason := retrainings.failed.get(variant.compression or ""))
        ]
        left = [variant for variant in variants if variant.compression not in retrainings.failed]
        tasks = source.tasks(left, folder, images)
        # The workers convert while the Keras model answers for the images that are compared.
        with pool.converting(tasks, settings.jobs or pool.default_jobs(len(tasks))) as conversions:
            baseline = Baseline.load(source.run, data, source.calibration.seed, settings.max_drop)
            yardstick = baseline.yardstick
            refuse_unknown(settings.named_layers, baseline.model)
            if not yardstick.gated:
                progress.say(
                    f"no loss of accuracy is gated: {len(yardstick.split)} validation images, {GATE_MINIMUM} are needed"
                )
            reference, references = writer.write_reference(source, baseline, data, folder, settings.reference_images)
            draft = writer.draft(source, baseline, references, folder)
            with Workers() as workers:
                acceptance = Acceptance.prepare(yardstick, reference, temporary, workers)
                mender = (
                    Mender(source=source, baseline=baseline, acceptance=acceptance, progress=progress)
                    if settings.keeps_fewest
                    else None
                )
                written = candidates.collect(
                    variants, chain(failed, conversions), source, acceptance, draft, progress, mender
                )
    writer.write(source, draft, written)


def _refuse_occupied(place: Path, overwrite: bool) -> None:
    try:
        if not place.is_dir():
            if place.exists():
                raise BundleError(f"{place} is a file; choose another place with --out")
            return
        if place.is_mount() or place == Path.cwd():
            kind = "a mount point" if place.is_mount() else "the working directory"
            below = shlex.quote(str(place / "export"))
            raise BundleError(f"{place} is {kind}, which cannot be replaced as a whole; type: --out {below}")
        if not any(place.iterdir()):
            return
    except OSError as error:
        raise files.cannot_write(place, error) from error
    if not _is_bundle(place):
        # Never replaced, with --overwrite neither: these files are not ours.
        raise BundleError(f"{place} is not empty and holds no bundle; choose another place with --out")
    if not overwrite:
        raise BundleError(f"{place} holds a bundle already; replace it with --overwrite, or choose another with --out")


def _is_bundle(folder: Path) -> bool:
    """Whether a folder holds a bundle, and not something else that has a manifest."""
    try:
        manifest = files.read_json(folder / MANIFEST, "manifest")
    except BundleError:
        return False
    return isinstance(manifest, dict) and {"schema", "artifacts"} <= manifest.keys()
