"""Measure the cost of each heavier backbone next to MobileNet, and of MLPerf Tiny's int8 models, in one benchmark.

    python benchmarks/backbones.py --mlperf mlperf_tiny [--only NAME…] [--work DIR] [--output FILE]

A backbone that was trained on all of CIFAR-10 (models/NAME or runs/NAME) is measured with those weights on all 10,000
test images. One without weights is trained for one epoch on 500 images, at the image size of its default recipe:
latency, size and memory do not depend on the weights. The accuracy of such rows is meaningless, and every table and
page says so. If models/ has the record of its training, the comparison shows that run's accuracy on the 10,000 test
images.

Everything is exported to TFLite and ONNX at their default precisions. Runs and bundles that an interrupted call left
in the work folder are reused.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import _runs

from edge_cifar import backbones, packages
from edge_cifar.bench.protocol import Protocol
from edge_cifar.bench.subject import Subject
from edge_cifar.cli.bench_table import show
from edge_cifar.cli.output import Terminal
from edge_cifar.documents.benchmark_result import BenchmarkResult
from edge_cifar.documents.bundle import MANIFEST, Bundle
from edge_cifar.documents.run import Run
from edge_cifar.errors import CheckFailed
from edge_cifar.report import quantities
from edge_cifar.steps.bench import measure
from edge_cifar.steps.bench_subjects import find_subjects
from edge_cifar.steps.export import export
from edge_cifar.steps.targets import Target
from edge_cifar.steps.train import train
from edge_cifar.storage import files

NAMES = (
    *("mobilenetv2", "mobilenet", "resnet8", "deep-cnn", "vgg-scratch", "vgg16", "resnet18", "resnet50"),
    "inceptionv3",
)
MLPERF = ("pretrainedResnet_quant.tflite", "pretrainedResnet_large_int8.tflite")
FORMATS = ("tflite", "onnx")
# The network that the others are compared with, and the variants compared.
BESIDE = "mobilenetv2"
COMPARED = ("tflite-fp32", "tflite-int8", "onnx-fp32", "onnx-int8")
# Enough that every layer has seen data and int8 has ranges to be calibrated on.
IMAGES = 500
# Factor on the logits of a network that saw only those images.
LOGIT_SCALE = 0.05
TERMINAL = Terminal()


def run_of(name: str, work: Path) -> Run:
    """The trained run of a backbone, or a short one that shows its costs."""
    kept = _runs.trained(name)
    # A trial on part of the data may have had another image size.
    if kept and kept.record().data.limit is None:
        return kept
    run = Run(work / name)
    if not run.finished:
        image_size = backbones.get(name).recipes["default"].image_size
        TERMINAL.say(f"{name}: training on {IMAGES} images")
        train(name, limit=IMAGES, epochs=(1,), weights="none", image_size=image_size, out=run.path, overwrite=True)
        flatten_answers(run)
    return run


def flatten_answers(run: Run) -> None:
    """Scale the last layer down so that predictions for all images are nearly equal.

    After 500 images a network is confident and erratic, and quantization changes its predictions so much that export
    rightly rejects the files. Only costs are measured here, and they do not depend on the weights.
    """
    model = packages.require_keras().models.load_model(run.model_path, compile=False)
    last = model.layers[-1]
    last.set_weights([LOGIT_SCALE * weight for weight in last.get_weights()])
    model.save(run.model_path)
    replace(run.record(), model_sha256=files.sha256(run.model_path)).write(run.record_path)


def bundle_of(name: str, work: Path) -> Bundle:
    """A backbone's artifacts, in the work folder."""
    folder = work / "bundles" / name
    if not (folder / MANIFEST).is_file():
        run = run_of(name, work)
        TERMINAL.say(f"{name}: exporting {run.path}")
        # Of a network that saw 500 images, what is compared and no more: what it loses says nothing.
        limited: dict[str, Any] = {"max_drop": 100.0, "precisions": ("fp32", "int8")}
        gate = {} if run.record().data.limit is None else limited
        try:
            export(run, formats=FORMATS, reference_images=IMAGES, out=folder, progress=TERMINAL, **gate)
        except CheckFailed as rejected:
            TERMINAL.say(f"{name}: {rejected}")  # those that were kept are measured
    return Bundle.open(folder)


def subjects(bundles: list[Bundle], others: list[Path]) -> Iterator[Subject]:
    """All subjects: trained networks on the whole test set, the others on their bundles' images."""
    counts = [bundle for bundle in bundles if bundle.dataset and bundle.dataset.limit is None]
    rest = [bundle for bundle in bundles if bundle not in counts]
    yield from found([*counts, *others], data="cifar10")
    yield from found(rest, data=None)


def found(targets: list[Target], data: str | None) -> list[Subject]:
    """Subjects as ``bench`` finds them; none without a target."""
    if not targets:
        return []
    chosen, _ = find_subjects(targets, data=data, progress=TERMINAL)
    return chosen


def comparison(results: Sequence[BenchmarkResult]) -> dict[str, Any]:
    """The documents' table: latency, size and memory of each network compared with MobileNetV2."""
    recorded = {name: accuracy for name in NAMES if (accuracy := _runs.recorded_accuracy(name)) is not None}
    by_model: dict[str, dict[str, BenchmarkResult]] = {}
    for row in results:
        # MLPerf Tiny's bare files are TFLite in 8 bits.
        by_model.setdefault(row.model, {})[str(row.variant or "tflite-int8")] = row
    beside = by_model.get(BESIDE, {})
    rows = []
    for model, variants in by_model.items():
        whole = variants.get("tflite-fp32") or next(iter(variants.values()))
        latencies = [_latency(variants.get(name), beside.get(name)) for name in COMPARED]
        sizes = [quantities.size(row.size_bytes) for row in _of(variants, "tflite")]
        memory = [
            " / ".join(quantities.size(row.memory_bytes) for row in _of(variants, name)) or quantities.MISSING
            for name in FORMATS
        ]
        work = quantities.amount(whole.multiply_adds)
        rows.append([model, work, _accuracy(whole, recorded.get(model)), *latencies, " / ".join(sizes), *memory])
    columns = ["model", "MACs", "top-1", *(f"{name}, ms" for name in COMPARED), "size, fp32 / int8"]
    columns += [f"memory, {name}, fp32 / int8" for name in FORMATS]
    return {"columns": columns, "rows": rows}


def _of(variants: Mapping[str, BenchmarkResult], name: str) -> list[BenchmarkResult]:
    """Values of a format in the table's order."""
    return [variants[one] for one in COMPARED if one.startswith(name) and one in variants]


def _latency(row: BenchmarkResult | None, beside: BenchmarkResult | None) -> str:
    """The median, and its multiple of MobileNetV2's."""
    if row is None or row.latency is None:
        return quantities.MISSING
    times = f" ({row.latency.median / beside.latency.median:.2f}×)" if beside and beside.latency else ""
    return f"{row.latency.median:.3f}{times}"


def _accuracy(row: BenchmarkResult, recorded: float | None) -> str:
    if row.caveat and recorded is not None:
        return f"{recorded:.2%}, as recorded when it was trained"
    if row.accuracy is None:
        return quantities.MISSING
    return f"{row.accuracy.top1:.2%}{f', {row.caveat}' if row.caveat else ''}"


def main() -> int:
    """Make missing bundles, measure everything in turn, and write one result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME")
    parser.add_argument("--mlperf", type=Path, metavar="DIR", help="folder of MLPerf Tiny's trained image classifiers")
    parser.add_argument("--work", type=Path, default=Path("runs/backbones"), help="folder for runs and bundles")
    parser.add_argument("--seconds", type=float, default=Protocol.seconds, help="seconds to measure each row")
    parser.add_argument("--keep", action="store_true", help="keep the bundles in the work folder (over 1 GB)")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/backbones.json"))
    chosen = parser.parse_args()
    others = [chosen.mlperf / name for name in MLPERF] if chosen.mlperf else []
    bundles = [bundle_of(name, chosen.work) for name in chosen.only]
    report = measure(list(subjects(bundles, others)), Protocol(seconds=chosen.seconds), None, TERMINAL)
    command = shlex.join(["python", "benchmarks/backbones.py", *sys.argv[1:]])
    files.write_json(chosen.output, {**report.to_json(), "command": command, "comparison": comparison(report.results)})
    show(report, None)
    print(f"written: {chosen.output}")
    if not chosen.keep:
        shutil.rmtree(chosen.work / "bundles")
    return 1 if report.interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
