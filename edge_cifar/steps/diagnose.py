"""``export --diagnose``: which layers int8 hurts, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_cifar import packages
from edge_cifar.documents import run as runs
from edge_cifar.documents.run import Run
from edge_cifar.errors import UsageError
from edge_cifar.export import plan
from edge_cifar.export.baseline import Baseline
from edge_cifar.export.options import Settings
from edge_cifar.export.sensitivity import LayerNoise, Subject, rank
from edge_cifar.export.source import Source
from edge_cifar.formats import exported, get
from edge_cifar.progress import SILENT, Progress
from edge_cifar.report import layer_noise
from edge_cifar.run_data import load_run_data
from edge_cifar.storage import exclusion, files
from edge_cifar.variant import Variant

FOLDER = "diagnosis"
DOCUMENT = "diagnosis.json"
PICTURE = "diagnosis.png"
_PRECISION = "int8"
_IMAGES = 200


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What each layer does to the answers when it alone is quantized.

    Attributes:
        model: name of the run.
        layers: by format, the worst first.
        calibration: which images set the ranges, and how.
        images: how many validation images were answered.
        folder: where ``diagnosis.json`` and ``diagnosis.png`` lie.
    """

    model: str
    layers: dict[str, list[LayerNoise]]
    calibration: dict[str, Any]
    images: int
    folder: Path

    def document(self) -> dict[str, Any]:
        """As JSON-safe values."""
        return {**asdict(self), "folder": str(self.folder)}


def diagnose(
    run: Run | Path | str | None = None,
    *,
    formats: Sequence[str] | None = None,
    precisions: Sequence[str] | None = None,
    settings: Settings | None = None,
    out: Path | str | None = None,
    data_dir: Path | str | None = None,
    progress: Progress = SILENT,
) -> Diagnosis:
    """Quantize a run's model layer by layer; write what each layer costs as a document and a picture.

    Args:
        run: a run or its folder; the newest under ``./runs`` when left out.
        formats: names; all whose layers can be left in floats when left out.
        precisions: int8, or left out: nothing else is taken apart.
        settings: of the calibration.
        out: a folder; ``diagnosis`` in the run folder when left out.
        data_dir: where the run's data lie; used or an error.
        progress: told how it goes.

    Raises:
        UsageError: an option is out of range or has no meaning here, or a format is none whose layers can be
            left in floats.
        RunError: there is no such run.
        MissingPackage: a converter is not installed.
    """
    settings = settings or Settings()
    settings.refuse_out_of_range()
    chosen = _formats(formats, precisions, progress)
    settings.refuse_unfit([Variant(name, _PRECISION) for name in chosen])
    if settings.changes or settings.keep_float:
        raise UsageError("--diagnose takes plain int8 apart, without --prune, --cluster and --keep-float")
    packages.require("matplotlib", "report")
    opened = runs.newest() if run is None else run if isinstance(run, Run) else Run.open(Path(run))
    opened.demand_weights()
    folder = (Path(out) if out is not None else opened.path / FOLDER).absolute()
    for name in (DOCUMENT, PICTURE):
        files.demand_writable(folder / name)
    with exclusion.reading([opened.export_path], "export --diagnose"):
        return _diagnose(opened, chosen, settings, folder, data_dir, progress)


def _diagnose(
    opened: Run,
    chosen: Sequence[str],
    settings: Settings,
    folder: Path,
    data_dir: Path | str | None,
    progress: Progress,
) -> Diagnosis:
    data = load_run_data(opened, data_dir=data_dir, progress=progress)
    source = Source.of(opened, data, settings)
    baseline = Baseline.load(opened, data, source.calibration.seed, settings.max_drop)
    images = baseline.yardstick.split.images[:_IMAGES]
    expected = baseline.yardstick.probabilities[:_IMAGES]
    layers = {
        name: rank(
            Subject(model=baseline.model, format=name, labels=source.labels, calibration=source.calibration),
            images,
            expected,
            progress,
        )
        for name in chosen
    }
    source.demand_unchanged()
    found = Diagnosis(
        model=opened.name,
        layers=layers,
        calibration=source.calibration.facts(),
        images=len(images),
        folder=folder,
    )
    files.write_json(folder / DOCUMENT, found.document())
    layer_noise.picture(
        {name: [(one.layer, one.signal_to_noise_db) for one in ranked] for name, ranked in layers.items()},
        folder / PICTURE,
    )
    return found


def _formats(formats: Sequence[str] | None, precisions: Sequence[str] | None, progress: Progress) -> tuple[str, ...]:
    able = [name for name in exported() if (one := get(name).precisions.get(_PRECISION)) and one.selective]
    if precisions is not None and tuple(precisions) != (_PRECISION,):
        raise UsageError(f"--diagnose takes {_PRECISION} apart; leave --precision out")
    if formats is None or plan.ALL in formats:
        formats = able
    variants = plan.choose(formats, [_PRECISION], progress)
    for variant in variants:
        if variant.format not in able:
            raise UsageError(f"--diagnose takes {' and '.join(able)} apart, not {variant.format}")
    return tuple(variant.format for variant in variants)
