"""``edge-cifar export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from edge_cifar import formats as available
from edge_cifar.cli.completers import calibration_methods, completing, precisions, run_paths
from edge_cifar.cli.layout import Layout
from edge_cifar.cli.options import MODEL_OPTIONS, data_set, model_options, number_or_all, table_options
from edge_cifar.cli.output import Terminal, echo, emit_json, emit_table, next_step
from edge_cifar.cli.sections import Sectioned
from edge_cifar.documents import tables
from edge_cifar.model_options import ModelOptions, ToldOfOutput
from edge_cifar.progress import SILENT
from edge_cifar.tables import Column, Table

if TYPE_CHECKING:
    from edge_cifar.documents.bundle import Bundle
    from edge_cifar.export.options import ExportOptions
    from edge_cifar.steps.import_model import ImportRequest

# Of a diagnosis's layers; the rest stands in its document.
_WORST = 10
_PLAN_COLUMNS = (
    Column(name="variant", key=True),
    Column(name="size", title="about", unit="MB", figures=",.2f"),
    Column(name="calibration", title="calibrated on", unit="images", figures=",d"),
    Column(name="retraining", title="retrained for", unit="epochs", figures="g"),
    Column(name="meaning", rank=1),
)
_LAYER_COLUMNS = (
    Column(name="layer", key=True),
    Column(name="kind"),
    Column(name="sqnr", title="SQNR", unit="dB", figures=".1f"),
    Column(name="reason", title="not measured", folds=True),
)


class MatrixCommand(Sectioned):
    """A command whose help ends with the table of formats and precisions, taken from the formats."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for name in available.exported():
            format_ = available.get(name)
            with formatter.section(f"{name} (default: {', '.join(format_.defaults)})"):
                formatter.write_dl([(precision, one.meaning) for precision, one in format_.precisions.items()])


@click.command(
    cls=MatrixCommand,
    sections={
        "Variants": ("formats", "precisions", "prune", "cluster", "deployment_target"),
        "Quantization": ("calibration_images", "calibration_method", "keep_float", "diagnose"),
        "Checks": ("max_drop", "reference_images"),
        "Bundle": ("out", "overwrite", "dry_run", "data_dir", "jobs"),
        "Models made elsewhere": ("data", *MODEL_OPTIONS, "custom", "trust"),
    },
)
@click.argument(
    "model", required=False, type=click.Path(path_type=Path), metavar="[RUN|MODEL]", shell_complete=run_paths
)
@data_set("Labelled images for a model made elsewhere: a folder of images by class, cifar10, FILE.npz.", default=None)
@model_options()
@click.option(
    "--custom",
    multiple=True,
    metavar="MODULE:NAME",
    help="Likewise: a class or function of its own, imported from MODULE; repeatable.",
)
@click.option("--trust", is_flag=True, help="Likewise: run code that its file contains (Lambda layers).")
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="NAME|all",
    shell_complete=completing(lambda: (*available.exported(), "all")),
    help="Format: tflite, onnx or coreml; repeatable.",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    metavar="NAME|all",
    shell_complete=completing(precisions),
    help="Precision, from the lists below; repeatable.",
)
@click.option(
    "--calibration-images",
    type=int,
    default=500,
    show_default=True,
    help="Training images used to calibrate quantized activations.",
)
@click.option(
    "--calibration-method",
    default="min-max",
    show_default=True,
    metavar="NAME",
    shell_complete=completing(calibration_methods),
    help="Calibration method: min-max, percentile or entropy, if the format supports it.",
)
@click.option(
    "--keep-float",
    metavar="LAYER,…|auto",
    help="Layers that int8 keeps in float; auto: as few as a rejected int8 needs to pass.",
)
@click.option(
    "--prune",
    type=float,
    multiple=True,
    metavar="SHARE",
    help="Also write each variant with this share of its weights pruned, such as 0.5; repeatable. Retrains.",
)
@click.option(
    "--cluster",
    type=int,
    multiple=True,
    metavar="N",
    help="Also write each variant with N distinct weights per layer, such as 16; repeatable. Retrains.",
)
@click.option(
    "--max-drop",
    type=float,
    default=1.0,
    show_default=True,
    metavar="POINTS",
    help="Allowed loss of validation accuracy, in percentage points.",
)
@click.option(
    "--reference-images",
    callback=number_or_all,
    default="2000",
    metavar="N|all",
    show_default=True,
    help="Test images to store in the bundle for verification.",
)
@click.option(
    "--jobs",
    type=int,
    metavar="N",
    help="Parallel conversions.  [default: as many as cores and memory allow]",
)
@click.option(
    "--deployment-target",
    metavar="NAME",
    help="Minimum OS for Core ML: iOS15 to iOS18, macOS12 to macOS15.  [default: iOS16; iOS17 for int8]",
)
@click.option(
    "--diagnose", is_flag=True, help="Only rank the layers by their int8 quantization error; write no bundle."
)
@click.option("--dry-run", is_flag=True, help="Only show the variants that would be written.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Bundle directory; for a model made elsewhere, run directory.  [default: RUN/export; runs/NAME]",
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Directory of the data set (must exist).")
@click.option("--overwrite", is_flag=True, help="Replace an existing bundle, or run.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
@table_options(tables.EXPORT_COLUMNS)
def command(
    model: Path | None,
    data: str | None,
    custom: tuple[str, ...],
    trust: bool,
    formats: tuple[str, ...],
    precisions: tuple[str, ...],
    calibration_images: int,
    calibration_method: str,
    keep_float: str | None,
    prune: tuple[float, ...],
    cluster: tuple[int, ...],
    max_drop: float,
    reference_images: int | str,
    jobs: int | None,
    deployment_target: str | None,
    diagnose: bool,
    dry_run: bool,
    out: Path | None,
    data_dir: Path | None,
    overwrite: bool,
    as_json: bool,
    table_layout: Layout,
    **told: Unpack[ToldOfOutput],
) -> None:
    """Quantize, convert and check a model; write a bundle.

    RUN is a run folder; the default is the newest under ./runs. MODEL is a Keras model made elsewhere
    (.keras, .h5, a SavedModel folder), or an ONNX classifier in float32, which is exported to ONNX alone: it
    becomes a run, judged by the images of --data. What pixels become before it takes them is read from its
    layers, or found by trying the usual ranges, unless an option tells.

    Every artifact is compared with the model itself on validation images. An artifact is rejected, and the exit
    status is 1, if its accuracy loss is significantly above --max-drop or if `edge-cifar verify` would fail it.

    \b
    Examples:
      edge-cifar export
      edge-cifar export runs/resnet8 --format tflite --precision int8 --precision fp16
      edge-cifar export --format all --precision all --overwrite
      edge-cifar export --precision int8 --prune 0.5 --cluster 16 --overwrite
      edge-cifar export --diagnose
      edge-cifar export my_model.keras --data photos
      edge-cifar export my_model.h5 --data cifar10 --input-range 0,1 --labels labels.txt
      edge-cifar export net.onnx --data photos --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
    """
    from edge_cifar.export.advice import demand_all
    from edge_cifar.export.options import ExportOptions
    from edge_cifar.steps import export as step
    from edge_cifar.steps.import_model import ImportRequest

    options = ExportOptions(
        formats=formats or None,
        precisions=precisions or None,
        calibration_images=calibration_images,
        calibration_method=calibration_method,
        max_drop=max_drop,
        reference_images=None if reference_images == "all" else int(reference_images),
        keep_float=tuple(keep_float.split(",")) if keep_float else (),
        jobs=jobs,
        deployment_target=deployment_target,
        prune=prune,
        cluster=cluster,
    )
    request = ImportRequest(data=data, options=ModelOptions.of(told), custom=custom, trust=trust, data_dir=data_dir)
    if dry_run:
        _plan(model, options, request, out, overwrite, as_json, table_layout.further)
        return
    if diagnose:
        _diagnose(model, options, request, out, overwrite, as_json, table_layout.further)
        return
    bundle = step.write_bundle(model, options, request, out=out, overwrite=overwrite, progress=Terminal())
    if as_json:
        emit_json({"bundle": str(bundle.path), **bundle.to_json()})
    else:
        _print(bundle, table_layout)
    demand_all(bundle)
    if not as_json:
        next_step("verify", bundle.path, err=table_layout.is_data)


def _plan(
    model: Path | None,
    options: ExportOptions,
    request: ImportRequest,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
    table_layout: Layout,
) -> None:
    from edge_cifar.steps.export_plan import plan_export

    planned = plan_export(model, options, request, out=out, overwrite=overwrite, progress=Terminal())
    if as_json:
        emit_json(planned.document())
        return
    rows = tuple(
        (one.variant, one.size_bytes / 1e6, one.calibration_images, one.retraining_epochs, one.meaning)
        for one in planned.variants
    )
    emit_table(Table(columns=_PLAN_COLUMNS, rows=rows), table_layout)
    echo(f"bundle: {planned.bundle}, about {planned.size_bytes / 1e6:,.1f} MB", err=table_layout.is_data)


def _diagnose(
    model: Path | None,
    options: ExportOptions,
    request: ImportRequest,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
    table_layout: Layout,
) -> None:
    from edge_cifar.steps import diagnose as step
    from edge_cifar.steps.import_model import as_run

    # Before a model is imported, which takes a while.
    step.chosen_formats(model, options, SILENT)
    imported = as_run(model, request, out=out, overwrite=overwrite, progress=Terminal())
    run, out = (model, out) if imported is None else (imported.path, None)
    found = step.diagnose(run, options, out=out, data_dir=request.data_dir, progress=Terminal())
    if as_json:
        emit_json(found.document())
        return
    for format_, layers in found.layers.items():
        echo(f"{format_}, quantizing one layer at a time:", err=table_layout.is_data)
        rows = tuple((one.layer, one.kind, one.signal_to_noise_db, one.reason) for one in layers[:_WORST])
        emit_table(Table(columns=_LAYER_COLUMNS, rows=rows), table_layout)
    echo(f"all layers, as a table and a plot: {found.folder}", err=table_layout.is_data)
    next_step("export", *([run] if run else []), "--keep-float", "auto", err=table_layout.is_data)


def _print(bundle: Bundle, table_layout: Layout) -> None:
    table = tables.of_bundle(bundle)
    emit_table(table, table_layout)
    for note in table.notes:
        echo(note, err=table_layout.is_data)
    largest = ", ".join(f"{name} {peak / 1e9:.1f} GB" for name, peak in bundle.peak_memory_bytes.items())
    echo(f"peak memory per process: {largest}", err=table_layout.is_data)
    echo(f"bundle: {bundle.path}", err=table_layout.is_data)
