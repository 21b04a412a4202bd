"""``export``: convert a trained run to formats and precisions, check the artifacts, and write a bundle."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Unpack

from edge_cifar.arguments import as_int, as_int_or_all, as_tuple
from edge_cifar.documents.bundle import Bundle
from edge_cifar.export import destination, pipeline
from edge_cifar.export.advice import demand_all
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.plan import of_onnx, plan
from edge_cifar.export.source import Source
from edge_cifar.model_options import ModelOptions, ToldOfOutput
from edge_cifar.progress import SILENT, Progress
from edge_cifar.run_data import load_run_data
from edge_cifar.steps.import_model import NOTHING_TOLD, ImportRequest, as_run, is_onnx, open_run
from edge_cifar.storage import exclusion


def export(
    model: Any = None,
    *,
    data: Any = None,
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
    custom: str | Iterable[str] = (),
    trust: bool = False,
    progress: Progress = SILENT,
    **told: Unpack[ToldOfOutput],
) -> Bundle:
    """Convert a run's model, or one made elsewhere, check every artifact against it, and write the bundle.

    A model made elsewhere becomes a run first. What pixels become before it takes them is put into its graph: as told,
    as its own layers say, or as labelled images show.

    Args:
        model: a run or its folder; or a Keras model, its ``.keras`` or ``.h5`` file, or a SavedModel folder. Default:
            the newest run under ``./runs``.
        data: for a model made elsewhere: a folder of images by class, a data set's name, an ``.npz`` file,
            ``(images, labels)``, or what yields batches of them, such as a ``tf.data.Dataset``.
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
        out: the bundle's folder. Default: ``export`` in the run folder. For a model made elsewhere: the run folder.
            Default: ``runs/NAME``.
        overwrite: replace an existing bundle, or run.
        data_dir: directory of the data set, which must exist.
        custom: for a model made elsewhere: its own classes and functions, as ``module:Name``.
        trust: likewise: run code that its file contains.
        progress: receives progress messages.
        **told: for a model made elsewhere, what it does not say itself; see :class:`edge_cifar.model_options.Told`.

    Raises:
        UsageError: an option is out of range, a name is unknown, or a format does not have a precision.
        ModelError: the model is no classifier of images, or cannot be opened.
        RunError: there is no such run, or its weights were not kept.
        BundleError: the folder already contains something.
        MissingPackage: a converter is not installed.
        CheckFailed: variants were rejected; the bundle was written without them.
    """
    bundle = write_bundle(
        model,
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
        ImportRequest(
            data=data, options=ModelOptions.of(told, export), custom=as_tuple(custom), trust=trust, data_dir=data_dir
        ),
        out=out,
        overwrite=overwrite,
        progress=progress,
    )
    demand_all(bundle)
    return bundle


def write_bundle(
    model: Any,
    options: ExportOptions,
    request: ImportRequest = NOTHING_TOLD,
    *,
    out: Path | str | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Bundle:
    """As :func:`export`, but rejected variants are only listed in ``rejected``.

    Raises:
        CheckFailed: nothing could be kept, where an earlier bundle stands.
    """
    if is_onnx(model):
        options = of_onnx(options)
    variants = plan(options, progress)
    imported = as_run(model, request, out=out, overwrite=overwrite, progress=progress)
    opened = imported or open_run(model)
    opened.demand_weights()
    # A symbolic link is followed: its target is replaced, not the link.
    place = (Path(out) if out is not None and imported is None else opened.export_path).resolve()
    with exclusion.exporting(opened.path, place):
        destination.refuse_occupied(place, overwrite=overwrite)
        data = load_run_data(opened, data_dir=request.data_dir, progress=progress if imported is None else SILENT)
        source = Source.from_run(opened, data, options)
        bundle = pipeline.write_bundle(source, variants, options, place, progress)
        if place == opened.export_path.resolve():
            opened.forget_results()
    return bundle
