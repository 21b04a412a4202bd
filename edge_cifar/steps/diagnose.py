"""``export --diagnose``: rank the layers by their int8 quantization error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edge_cifar import packages
from edge_cifar.documents.conversion_record import CalibrationRecord
from edge_cifar.documents.run import Run
from edge_cifar.errors import UsageError
from edge_cifar.export import plan
from edge_cifar.export.baseline import Baseline
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.sensitivity import PRECISION, LayerNoise, rank
from edge_cifar.export.source import Source
from edge_cifar.progress import SILENT, Progress
from edge_cifar.report import layer_noise
from edge_cifar.run_data import load_run_data
from edge_cifar.steps.import_model import is_onnx, open_run
from edge_cifar.storage import exclusion, files

FOLDER = "diagnosis"
DOCUMENT = "diagnosis.json"
PICTURE = "diagnosis.png"
_IMAGES = 200


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The error that each layer adds when it alone is quantized.

    Attributes:
        model: name of the run.
        layers: by format, the worst first.
        calibration: which images set the ranges, and how.
        images: number of validation images used.
        folder: where ``diagnosis.json`` and ``diagnosis.png`` lie.
    """

    model: str
    layers: dict[str, list[LayerNoise]]
    calibration: CalibrationRecord
    images: int
    folder: Path

    def document(self) -> dict[str, Any]:
        """As JSON-safe values."""
        return {**asdict(self), "folder": str(self.folder)}


def diagnose(
    run: Run | Path | str | None = None,
    options: ExportOptions | None = None,
    *,
    out: Path | str | None = None,
    data_dir: Path | str | None = None,
    progress: Progress = SILENT,
) -> Diagnosis:
    """Quantize a run's model one layer at a time and write each layer's error as JSON and as a plot.

    Args:
        run: a run or its folder; the newest under ``./runs`` when left out.
        options: of the calibration; formats whose layers can be left in floats, all of them when left out, and
            int8 or no precision: nothing else is taken apart.
        out: a folder; ``diagnosis`` in the run folder when left out.
        data_dir: directory of the run's data set, which must exist.
        progress: receives progress messages.

    Raises:
        UsageError: an option is out of range or has no meaning here, or a format is none whose layers can be
            left in floats.
        RunError: there is no such run.
        MissingPackage: a converter is not installed.
    """
    options = options or ExportOptions()
    formats = chosen_formats(run, options, progress)
    options = plan.of_onnx(options) if is_onnx(run) else options
    packages.require("matplotlib", "report")
    opened = open_run(run)
    opened.demand_weights()
    folder = (Path(out) if out is not None else opened.path / FOLDER).absolute()
    for name in (DOCUMENT, PICTURE):
        files.demand_writable(folder / name)
    with exclusion.reading([opened.export_path], "export --diagnose"):
        return _diagnose(opened, formats, options, folder, data_dir, progress)


def _diagnose(
    opened: Run,
    formats: Sequence[str],
    options: ExportOptions,
    folder: Path,
    data_dir: Path | str | None,
    progress: Progress,
) -> Diagnosis:
    data = load_run_data(opened, data_dir=data_dir, progress=progress)
    source = Source.from_run(opened, data, options)
    baseline = Baseline.load(source, options)
    images, expected = baseline.gate.split.images[:_IMAGES], baseline.gate.probabilities[:_IMAGES]
    layers = {name: rank(baseline.loaded, name, images, expected, progress) for name in formats}
    source.demand_unchanged()
    found = Diagnosis(
        model=opened.name,
        layers=layers,
        calibration=source.calibration.record(),
        images=len(images),
        folder=folder,
    )
    files.write_json(folder / DOCUMENT, found.document())
    layer_noise.picture(
        {name: [(one.layer, one.signal_to_noise_db) for one in ranked] for name, ranked in layers.items()},
        folder / PICTURE,
    )
    return found


def chosen_formats(model: Any, options: ExportOptions, progress: Progress) -> tuple[str, ...]:
    """The formats whose layers are ranked, by the options alone.

    Raises:
        UsageError, MissingPackage: as :func:`diagnose`.
    """
    if is_onnx(model):
        options = plan.of_onnx(options)
    if options.compressions or options.keep_float:
        raise UsageError("--diagnose works on plain int8 and does not go with --prune, --cluster or --keep-float")
    return _formats(options, progress)


def _formats(options: ExportOptions, progress: Progress) -> tuple[str, ...]:
    able = plan.with_selective(PRECISION)
    if options.precisions not in (None, (PRECISION,)):
        raise UsageError(f"--diagnose only works on {PRECISION}; omit --precision")
    formats = able if options.formats is None or plan.ALL in options.formats else options.formats
    variants = plan.plan(replace(options, formats=formats, precisions=(PRECISION,)), progress)
    for variant in variants:
        if variant.format not in able:
            raise UsageError(f"--diagnose supports {' and '.join(able)}, not {variant.format}")
    return tuple(variant.format for variant in variants)
