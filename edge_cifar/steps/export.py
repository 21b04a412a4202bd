"""``export``: a trained run into every format and precision, checked, as one bundle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import files, packages
from edge_cifar import run as runs
from edge_cifar.activations import IMAGES as ACTIVATION_IMAGES
from edge_cifar.artifact import ACTIVATIONS, MANIFEST, REFERENCE, Artifact, Bundle
from edge_cifar.data import calibration as calibration_sample
from edge_cifar.errors import BundleError, CheckFailed, ConversionError, UsageError
from edge_cifar.progress import SILENT, Progress
from edge_cifar.reference import Reference
from edge_cifar.run import Run
from edge_cifar.steps import _export_card, _export_check, _export_plan
from edge_cifar.steps._export_check import Outcome
from edge_cifar.steps._export_source import Source
from edge_cifar.steps._run_data import RunData, load_run_data
from edge_cifar.variant import Variant

LABELS = "labels.txt"
CARD = "README.md"

# Slower than this factor of its own fp32 is no accident of the few runs that were timed.
_SLOWER = 1.2


def export(
    run: Run | Path | str | None = None,
    *,
    formats: Sequence[str] | None = None,
    precisions: Sequence[str] | None = None,
    calibration_images: int = 500,
    max_drop: float = 1.0,
    reference_images: int | None = 2000,
    out: Path | str | None = None,
    overwrite: bool = False,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> Bundle:
    """Convert a run's model, check every artifact against it, and write the bundle.

    Args:
        run: a run or its folder; the newest under ``./runs`` when left out.
        formats: ``tflite``, ``onnx``, ``coreml`` or ``all``; all that can be written here when left out.
        precisions: their names, or ``all``; each format's default ones when left out.
        calibration_images: training images that set the ranges of quantized activations.
        max_drop: percentage points of validation accuracy that an artifact may lose.
        reference_images: test images that the bundle carries; None for all.
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
        formats=formats,
        precisions=precisions,
        calibration_images=calibration_images,
        max_drop=max_drop,
        reference_images=reference_images,
        out=out,
        overwrite=overwrite,
        data_dir=data_dir,
        progress=progress,
    )
    demand_all(bundle)
    return bundle


def demand_all(bundle: Bundle) -> None:
    """Refuse to be silent about variants that were asked for and are not in the bundle.

    Raises:
        CheckFailed: some were rejected; names them, why, and what to try.
    """
    rejected = bundle.facts.get("rejected", [])
    if not rejected:
        return
    reasons = "; ".join(f"{entry['variant']}: {entry['reason']}" for entry in rejected)
    raise CheckFailed(
        f"{len(rejected)} of {len(rejected) + len(bundle.artifacts)} variants were not kept ({reasons}); "
        "try more --calibration-images, a higher precision such as fp16, or a higher --max-drop"
    )


def write_bundle(
    run: Run | Path | str | None,
    *,
    formats: Sequence[str] | None,
    precisions: Sequence[str] | None,
    calibration_images: int,
    max_drop: float,
    reference_images: int | None,
    out: Path | str | None,
    overwrite: bool,
    data_dir: Path | None,
    progress: Progress,
) -> Bundle:
    """As :func:`export`, but rejected variants are only written down in ``facts["rejected"]``."""
    _refuse_out_of_range(calibration_images, max_drop, reference_images)
    variants = _export_plan.choose(formats, precisions, progress)
    opened = runs.newest() if run is None else run if isinstance(run, Run) else Run.open(Path(run))
    opened.demand_weights()
    place = (Path(out) if out is not None else opened.export_path).absolute()
    with files.exclusive(place):
        _refuse_occupied(place, overwrite)
        with files.appears_whole(place) as folder:
            folder.mkdir()
            data = load_run_data(opened, data_dir=data_dir, progress=progress)
            source = Source.load(opened, data, calibration_images, max_drop)
            if not source.yardstick.gated:
                progress.say(
                    f"nothing is gated: {len(source.yardstick.split)} validation images, "
                    f"{_export_check.GATE_MINIMUM} are needed"
                )
            artifacts, rejected = _write_artifacts(source, variants, folder, progress)
            _write_rest(source, data, folder, artifacts, rejected, reference_images)
        if place == opened.export_path.absolute():
            opened.forget_results()
    return Bundle.open(place)


def _write_artifacts(
    source: Source, variants: Sequence[Variant], folder: Path, progress: Progress
) -> tuple[list[Artifact], list[dict[str, Any]]]:
    artifacts: list[Artifact] = []
    rejected: list[dict[str, Any]] = []
    latencies: dict[Variant, float] = {}
    with progress.bar("export", len(variants)) as advance:
        for variant in variants:
            try:
                artifact, outcome = _write_artifact(source, variant, folder)
            except ConversionError as error:
                # Said with the rejected ones when all others are written.
                rejected.append({"variant": str(variant), "reason": str(error), "parity": None})
            else:
                if outcome.rejection:
                    files.remove(artifact.path)
                    rejected.append({"variant": str(variant), "reason": outcome.rejection, "parity": outcome.parity})
                else:
                    artifacts.append(artifact)
                if outcome.latency_ms is not None:
                    latencies[variant] = outcome.latency_ms
            advance(1)
    _name_slow(latencies, progress)
    return artifacts, rejected


def _write_artifact(source: Source, variant: Variant, folder: Path) -> tuple[Artifact, Outcome]:
    converter = _export_plan.converter(variant.format)
    path = folder / f"{variant}{converter.SUFFIX}"
    facts = converter.convert(
        source.model,
        variant.precision,
        labels=source.labels,
        calibration=source.calibration,
        metadata=source.metadata(variant),
        path=path,
    )
    outcome = _export_check.check(path, source.yardstick)
    versions = packages.versions("keras", "tensorflow", *converter.PACKAGES)
    artifact = Artifact(
        path=path,
        variant=variant,
        sha256=files.sha256(path),
        size_bytes=files.size_bytes(path),
        labels=source.labels,
        facts={**facts, "parity": outcome.parity, "tool_versions": versions},
    )
    return artifact, outcome


def _name_slow(latencies: Mapping[Variant, float], progress: Progress) -> None:
    for variant, latency in latencies.items():
        fp32 = latencies.get(Variant(variant.format, "fp32"))
        if fp32 is not None and latency > _SLOWER * fp32:
            progress.say(
                f"{variant} is slower than {variant.format}-fp32 on this machine "
                f"({latency:.2f} ms against {fp32:.2f}): it saves space, not time"
            )


def _write_rest(
    source: Source,
    data: RunData,
    folder: Path,
    artifacts: Sequence[Artifact],
    rejected: Sequence[Mapping[str, Any]],
    reference_images: int | None,
) -> None:
    seed = source.calibration.seed
    test = data.test
    # In random order, so that the first N of them are a fair sample too.
    kept = calibration_sample.sample(test, reference_images or len(test), seed)
    kept = np.random.default_rng(seed).permutation(kept)
    images = test.images[kept]
    Reference(images=images, labels=test.labels[kept], probabilities=source.predict(images)).write(folder / REFERENCE)
    source.activations(images[:ACTIVATION_IMAGES]).write(folder / ACTIVATIONS)
    files.write_text(folder / LABELS, "".join(f"{label}\n" for label in source.labels))
    files.write_text(folder / CARD, _export_card.card(source.run.name, source.record, artifacts, source.labels))
    Bundle(
        path=folder,
        model=source.run.name,
        artifacts=tuple(artifacts),
        facts={
            "backbone": source.record["backbone"],
            "labels": list(source.labels),
            "data": source.record["data"],
            "test": source.record["test"],
            "source": {"file": source.run.model_path.name, "sha256": files.sha256(source.run.model_path)},
            "reference": {
                "file": REFERENCE,
                "sha256": files.sha256(folder / REFERENCE),
                "images": len(kept),
                "split": "test",
                "selection": "class-balanced, in random order",
                "seed": seed,
            },
            "activations": {
                "file": ACTIVATIONS,
                "sha256": files.sha256(folder / ACTIVATIONS),
                "images": min(ACTIVATION_IMAGES, len(kept)),
            },
            "gate": source.yardstick.facts(),
            "rejected": list(rejected),
        },
    ).write_manifest()


def _refuse_out_of_range(calibration_images: int, max_drop: float, reference_images: int | None) -> None:
    if calibration_images < 1:
        raise UsageError(f"calibration needs at least one image, not {calibration_images}")
    if not (math.isfinite(max_drop) and max_drop >= 0):
        raise UsageError(f"--max-drop is a number of percentage points, 0 or more, not {max_drop:g}")
    if reference_images is not None and reference_images < 1:
        raise UsageError(f"the bundle needs at least one reference image, not {reference_images}")


def _refuse_occupied(place: Path, overwrite: bool) -> None:
    try:
        if not place.is_dir():
            if place.exists():
                raise BundleError(f"{place} is a file; choose another place with --out")
            return
        if not any(place.iterdir()):
            return
    except OSError as error:
        raise files.cannot_write(place, error) from error
    if not (place / MANIFEST).is_file():
        # Never replaced, with --overwrite neither: these files are not ours.
        raise BundleError(f"{place} is not empty and holds no bundle; choose another place with --out")
    if not overwrite:
        raise BundleError(f"{place} holds a bundle already; replace it with --overwrite, or choose another with --out")
