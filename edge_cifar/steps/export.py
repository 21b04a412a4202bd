"""``export``: convert a trained run to formats and precisions, check the artifacts, and write a bundle."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from edge_cifar.arguments import as_int, as_int_or_all, as_tuple
from edge_cifar.documents import run as runs
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.run import Run
from edge_cifar.export import destination, pipeline
from edge_cifar.export.advice import demand_all
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.plan import plan
from edge_cifar.export.source import Source
from edge_cifar.progress import SILENT, Progress
from edge_cifar.run_data import load_run_data
from edge_cifar.storage import exclusion


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
        run: a run or its folder. Default: the newest under ``./runs``.
        formats: ``tflite``, ``onnx``, ``coreml`` or ``all``; all that can be written here when left out.
        precisions: precision names or ``all``. Default: the default precisions of each format.
        calibration_images: number of training images used to calibrate quantized activations.
        calibration_method: ``min-max``, ``percentile`` or ``entropy``, if the format supports it.
        max_drop: allowed loss of validation accuracy, in percentage points.
        reference_images: number of test images to store in the bundle; ``all`` or None for all.
        keep_float: layers that int8 keeps in float; ``auto`` for as few as needed to pass the acceptance gate.
        prune: shares of the weights to prune, 0.01 to 0.99; each variant is also written pruned.
        cluster: numbers of distinct weights per layer, 2 to 256; each variant is also written clustered.
        jobs: parallel conversions; None for as many as cores and memory allow.
        deployment_target: ``iOS15`` to ``iOS18``, ``macOS12`` to ``macOS15``: the oldest system that Core ML packages
            have to run on; iOS 16, or the first that has the precision, when left out.
        out: the bundle's folder. Default: ``export`` in the run folder.
        overwrite: replace an existing bundle.
        data_dir: directory of the run's data set, which must exist.
        progress: receives progress messages.

    Raises:
        UsageError: an option is out of range, a name is unknown, or a format does not have a precision.
        RunError: there is no such run, or its weights were not kept.
        BundleError: the folder already contains something.
        MissingPackage: a converter is not installed.
        CheckFailed: variants were rejected; the bundle was written without them.
    """
    bundle = write_bundle(
        run,
        ExportOptions(
            formats=None if formats is None else as_tuple(formats),
            precisions=None if precisions is None else as_tuple(precisions),
            calibration_images=as_int("--calibration-images", calibration_images),
            calibration_method=calibration_method,
            max_drop=max_drop,
            reference_images=as_int_or_all("--reference-images", reference_images),
            keep_float=as_tuple(keep_float),
            prune=as_tuple(prune),
            cluster=tuple(as_int("--cluster", values) for values in as_tuple(cluster)),
            jobs=None if jobs is None else as_int("--jobs", jobs),
            deployment_target=deployment_target,
        ),
        out=out,
        overwrite=overwrite,
        data_dir=data_dir,
        progress=progress,
    )
    demand_all(bundle)
    return bundle


def write_bundle(
    run: Run | Path | str | None,
    options: ExportOptions,
    *,
    out: Path | str | None = None,
    overwrite: bool = False,
    data_dir: Path | str | None = None,
    progress: Progress = SILENT,
) -> Bundle:
    """As :func:`export`, but rejected variants are only listed in ``rejected``.

    Raises:
        CheckFailed: nothing could be kept, where an earlier bundle stands.
    """
    variants = plan(options, progress)
    opened = runs.newest() if run is None else run if isinstance(run, Run) else Run.open(Path(run))
    opened.demand_weights()
    # A symbolic link is followed: its target is replaced, not the link.
    place = (Path(out) if out is not None else opened.export_path).resolve()
    with exclusion.exporting(opened.path, place):
        destination.refuse_occupied(place, overwrite=overwrite)
        data = load_run_data(opened, data_dir=data_dir, progress=progress)
        source = Source.from_run(opened, data, options)
        bundle = pipeline.write_bundle(source, variants, options, place, progress)
        if place == opened.export_path.resolve():
            opened.forget_results()
    return bundle
