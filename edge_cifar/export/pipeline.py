"""An export as a list of stages.

plan      which variants are written, and whether what was asked fits them   (:mod:`edge_cifar.export.plan`)
compress  the weights of some pruned, clustered or trained for 8 bits first  (:mod:`edge_cifar.export.compress`)
convert   every variant written, by worker processes                         (:mod:`edge_cifar.export.convert`)
accept    each artifact compared with the Keras model, kept or rejected      (:mod:`edge_cifar.export.accept`)
write     the reference, the labels, the model card and the manifest         (:mod:`edge_cifar.export.writer`)

A plan needs no model: it is made, or refused, before a model is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_cifar.data.calibration import doubts
from edge_cifar.documents.bundle import MANIFEST, Bundle
from edge_cifar.export import plan, writer
from edge_cifar.export.accept import AcceptStage
from edge_cifar.export.acceptance import Acceptance
from edge_cifar.export.advice import demand_all
from edge_cifar.export.baseline import Baseline
from edge_cifar.export.compress import compress
from edge_cifar.export.convert import converting
from edge_cifar.export.mixed_precision import MixedPrecisionSearch
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.sensitivity import refuse_unknown
from edge_cifar.export.source import Source
from edge_cifar.parity.processes import Workers
from edge_cifar.progress import Progress
from edge_cifar.storage import files, scratch
from edge_cifar.variant import Variant


def write_bundle(
    source: Source, variants: Sequence[Variant], options: ExportOptions, place: Path, progress: Progress
) -> Bundle:
    """Take a model through the stages behind the plan, into a bundle that appears whole or not at all.

    Args:
        source: the model and its images.
        variants: what :func:`edge_cifar.export.plan.plan` made of the options.
        options: what was asked.
        place: the bundle's folder; a bundle that stands there is replaced.
        progress: told how it goes.

    Returns:
        the bundle; rejected variants are listed in ``rejected``.

    Raises:
        RunError: the source changed meanwhile.
        CheckFailed: nothing could be kept, where an earlier bundle stands.
    """
    with files.atomic_write(place) as folder:
        folder.mkdir()
        _run(source, variants, options, folder, progress)
        source.demand_unchanged()
        written = Bundle.open(folder)
        if not written.artifacts and (place / MANIFEST).exists():
            # An export with no artifacts does not replace an earlier bundle.
            demand_all(written, kept=place)
    return Bundle.open(place)


def _run(source: Source, variants: Sequence[Variant], options: ExportOptions, folder: Path, progress: Progress) -> None:
    if any(plan.calibrated(variant) for variant in variants):
        for doubt in doubts(source.calibration.images):
            progress.say(f"warning: {doubt}")
    with scratch.folder("export") as temporary:
        compressed = compress(source, variants, temporary, progress)
        with converting(source, compressed, variants, options, folder=folder, temporary=temporary) as conversions:
            # The workers convert while the Keras model predicts the images to compare.
            baseline = Baseline.load(source, options)
            refuse_unknown(options.named_layers, baseline.loaded.source.layers)
            gate = baseline.gate
            if limits := gate.limits():
                progress.say(limits)
            reference = writer.write_reference(source, compressed, baseline, options, folder)
            draft = writer.draft(source, baseline, reference, folder)
            with Workers() as workers:
                acceptance = Acceptance.prepare(gate, reference, temporary, workers)
                search = (
                    MixedPrecisionSearch(
                        source=source, loaded=baseline.loaded, acceptance=acceptance, progress=progress
                    )
                    if options.searches_layers
                    else None
                )
                accepted = AcceptStage(
                    variants=variants,
                    compressed=compressed,
                    acceptance=acceptance,
                    bundle=draft,
                    progress=progress,
                    search=search,
                ).run(conversions)
    writer.write(source, draft, accepted)
