"""Measure cost and accuracy loss of every variant of a network: all formats at all precisions, in one table.

    python benchmarks/variants.py mobilenetv2 resnet8 deep-cnn vgg16 [--images N] [--seconds X] [--output FILE]

Exports each run, given as a folder or a backbone, with ``--format all --precision all``. Then compares every artifact
with the Keras model on the whole test set (Core ML with the reference evaluator if this is not a Mac) and times those
that have a runtime here, in turn. ``verify`` compares retrained artifacts with the retrained model; this script
measures their loss against the run's own model, so the column means the same for all. A backbone without a trained run
is trained for one epoch on 500 images, as in benchmarks/backbones.py, which shows its costs but not its accuracy. A
variant that the acceptance gate rejected shows its loss on the validation images.

The result is written after each run; results of other runs in the file are kept. A bundle that an interrupted call left
in the work folder is reused. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import _results
from backbones import TERMINAL, run_of

import edge_cifar as ec
from edge_cifar import model_files, provenance
from edge_cifar.bench.protocol import Protocol
from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.bundle import MANIFEST, Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.documents.run import Run
from edge_cifar.documents.verification import Verification
from edge_cifar.errors import CheckFailed
from edge_cifar.parity.comparison import compare
from edge_cifar.parity.figures import figures
from edge_cifar.report import quantities
from edge_cifar.storage import files

# Accuracy is taken by verifying: bench needs a few images only to see that what it times answers.
TIMED_ON = 100
COLUMNS = ("model", "variant", "top-1 (95 % interval)", "Δ top-1 (pp, 95 % interval)", "top-1 agreement")
COLUMNS += ("size", "latency", "times as fast as fp32", "verify")


def exported(run: Run, folder: Path, images: int | None) -> Bundle:
    """All variants of a run; bundles that an interrupted call left are reused."""
    if (folder / MANIFEST).is_file():
        left = Bundle.open(folder)
        whole = run.record().data.test_images
        as_asked = left.reference is not None and left.reference.images == min(images or whole, whole)
        if as_asked and left.source_sha256 == files.sha256(run.model_path):
            return left
    try:
        ec.export(
            run,
            formats=["all"],
            precisions=["all"],
            reference_images=images,
            out=folder,
            overwrite=folder.exists(),
            progress=TERMINAL,
        )
    except CheckFailed as rejected:
        TERMINAL.say(f"{run.name}: {rejected}")  # the others are measured
    return Bundle.open(folder)


def measure(run: Run, folder: Path, images: int | None, seconds: float) -> dict[str, Any]:
    """All measurements of one run's variants."""
    bundle = exported(run, folder, images)
    outcomes = ec.verify(bundle, images=images, progress=TERMINAL)
    report = ec.bench(bundle, images=TIMED_ON, seconds=seconds, progress=TERMINAL)
    timed = {row.variant: row for row in report.results}
    artifacts = {artifact.variant: artifact for artifact in bundle.artifacts}
    reference = Reference.read(bundle.reference_path).first(images)
    variants = []
    for outcome in outcomes:
        row = timed[outcome.variant]
        if outcome.variant.compression:
            outcome = against_the_original(outcome, artifacts[outcome.variant], reference)
        found, costs = outcome.to_json(), row.to_json()
        kept = ("status", "method", "images", "accuracy", "drop", "top1_agreement", "max_abs_diff", "reason")
        more = ("size_bytes", "gzip_bytes", "latency_ms", "ratio", "notes")
        variants.append(
            {
                "variant": str(outcome.variant),
                **{key: found[key] for key in kept},
                **{key: costs[key] for key in more},
                "not_timed": row.reason,
            }
        )
    answered = next(outcome.figures for outcome in outcomes if outcome.figures)
    manifest = bundle.to_json()
    return {
        "model": run.name,
        "keras": {"accuracy": answered.reference_accuracy.to_json()},
        "caveat": report.results[0].caveat,
        "commit": provenance.commit(),
        "data": manifest["data"],
        "gate": manifest["gate"],
        "protocol": report.protocol,
        "warnings": list(report.warnings),
        "variants": variants,
        "rejected": manifest["rejected"],
    }


def against_the_original(outcome: Verification, artifact: Artifact, reference: Reference) -> Verification:
    """The result of a retrained artifact, compared with the run's own model."""
    answers, margin = model_files.load(artifact.path).predict(reference.images), outcome.tolerance.margin
    return replace(outcome, figures=figures(compare(reference, answers, margin), margin, artifact.labels))


def rows(result: Mapping[str, Any]) -> list[list[str]]:
    """A run's part of the table: its Keras model, its variants, and those that were rejected."""
    told = f", {result['caveat']}" if result["caveat"] else ""
    table = [["Keras model", _accuracy(result["keras"]["accuracy"]) + told, *[""] * 6]]
    for one in result["variants"]:
        table.append(
            [
                one["variant"],
                _accuracy(one["accuracy"]),
                _change(one.get("drop", one.get("accuracy_drop"))),
                quantities.percent(one["top1_agreement"]),
                quantities.size(one["size_bytes"]),
                _latency(one),
                _speed(one),
                one["status"],
            ]
        )
    for one in result["rejected"]:
        parity = one["parity"] or {}
        on = f" of {parity['images']:,} validation images" if "accuracy" in parity else ""
        table.append(
            [
                one["variant"],
                quantities.percent(parity.get("accuracy", {}).get("top1")) + on,
                _change(parity.get("drop")),
                quantities.percent(parity.get("top1_agreement")),
                *[quantities.MISSING] * 3,
                "rejected" if parity else "not converted",
            ]
        )
    return [[result["model"], *cells] for cells in table]


def _accuracy(found: Mapping[str, float] | None) -> str:
    if not found:
        return quantities.MISSING
    # Results that stay from an earlier version of this script have it as ``value``.
    return quantities.with_interval(found.get("top1", found.get("value")), found["low"], found["high"])


def _change(drop: Mapping[str, float] | None) -> str:
    if drop is None:
        return quantities.MISSING
    # A loss is negative here; zero minus it leaves no negative zero.
    points, low, high = (0.0 - drop[key] for key in ("points", "high", "low"))
    return f"{points:+.2f} ({low:+.2f} to {high:+.2f})"


def _latency(variant: Mapping[str, Any]) -> str:
    if variant["latency_ms"]:
        return quantities.milliseconds(variant["latency_ms"]["median"])
    return "on a Mac only" if variant["variant"].startswith("coreml") else quantities.MISSING


def _speed(variant: Mapping[str, Any]) -> str:
    return quantities.significant(1 / variant["ratio"]["value"] if variant["ratio"] else None)


def write(path: Path, measured: Sequence[Mapping[str, Any]]) -> None:
    """Write the results, keeping those of other runs in the file."""
    named = {result["model"] for result in measured}
    before = files.read_json(path, "comparison of variants")["results"] if path.exists() else []
    results = [*(result for result in before if result["model"] not in named), *map(dict, measured)]
    _results.write(
        path,
        results,
        columns=COLUMNS,
        rows=[row for result in results for row in rows(result)],
        data=results[0]["data"],
    )


def main() -> int:
    """Measure the runs named on the command line; returns 1 if a variant fails verification."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run folder or a backbone")
    parser.add_argument("--images", type=int, help="test images to verify on (default: all)")
    parser.add_argument("--seconds", type=float, default=Protocol.seconds, help="seconds to measure each row")
    parser.add_argument("--work", type=Path, default=Path("runs/backbones"), help="folder for runs and bundles")
    parser.add_argument("--keep", action="store_true", help="keep the bundles in the work folder")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/variants.json"))
    chosen = parser.parse_args()
    measured: list[dict[str, Any]] = []
    for name in chosen.runs:
        run = Run.open(Path(name)) if Path(name).is_dir() else run_of(name, chosen.work)
        folder = chosen.work / "variants" / run.name
        measured.append(measure(run, folder, chosen.images, chosen.seconds))
        write(chosen.output, measured)
        if not chosen.keep:
            shutil.rmtree(folder)
    return 1 if any(one["status"] == "fail" for result in measured for one in result["variants"]) else 0


if __name__ == "__main__":
    sys.exit(main())
