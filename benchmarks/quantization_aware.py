"""Measure what quantization-aware training gains, and where it does not pay.

    python benchmarks/quantization_aware.py models/resnet8 models/mobilenetv2 [--images 10000] [--data-dir DIR]

Makes five int8 TFLite files of each run's network: by ``export`` (calibrated, with bias correction); and in the form
that quantization-aware training starts from, before and after training, with one scale per channel of a kernel and
with one per kernel, which some accelerators require. The latter is trained for longer than the backbone's recipe says.
Each is evaluated on the whole test set; its accuracy loss against the Keras model is paired image by image and has a
95 % interval.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import _results

from edge_cifar import formats, packages
from edge_cifar.compression import retraining
from edge_cifar.converters import tflite
from edge_cifar.data import Split
from edge_cifar.data.calibration import sample
from edge_cifar.documents.run import Run
from edge_cifar.evaluation.metrics import accuracy
from edge_cifar.evaluation.paired import paired_drop
from edge_cifar.export.compress import request_for
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.source import Source
from edge_cifar.run_data import load_run_data
from edge_cifar.runtimes import Probabilities, litert
from edge_cifar.runtimes import keras as keras_runtime

NOT_TRAINED: Mapping[str, float] = {"epochs": 0.0}
# One scale for a layer rounds its narrow channels to zero. Growing them anew takes more and larger steps than
# settling weights that are nearly right; at five times this rate MobileNetV2 came apart.
GROWN_ANEW: Mapping[str, float] = {"epochs": 2.0, "learning_rate": 1e-4}
KINDS = {
    # name: (scale for each channel, what is changed in the backbone's recipe)
    "by channel, not trained": (True, NOT_TRAINED),
    "by channel, trained": (True, {}),
    "by layer, not trained": (False, NOT_TRAINED),
    "by layer, trained": (False, GROWN_ANEW),
}


def measure(path: Path, images: int | None, data_dir: Path | None) -> dict[str, Any]:
    """All measurements of one run."""
    run = Run.open(path)
    data = load_run_data(run, data_dir=data_dir)
    if images is not None:
        data = replace(data, train=data.train.take(sample(data.train, images, seed=0)))
    source = Source.from_run(run, data, ExportOptions())
    model = keras_runtime.load_model(packages.require_keras(), run.model_path)
    expected = keras_runtime.of_model(model).predict(data.test.images)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "model.tflite"
        int8 = formats.get("tflite").precisions["int8"]
        tflite.convert(model, int8, labels=source.labels, calibration=source.calibration, metadata={}, path=file)
        found["export's int8"] = judged(file, data.test, expected)
        request = request_for(source, "qat", model.input_shape[1:], model.get_weights())
        for kind, (by_channel, changes) in KINDS.items():
            recipe = replace(request.recipe, **changes)
            outcome = retraining.retrain(replace(request, by_channel=by_channel, recipe=recipe))
            assert outcome.flatbuffer is not None
            file.write_bytes(outcome.flatbuffer)
            found[kind] = {**judged(file, data.test, expected), "retraining": outcome.to_json()}
            print(f"{run.name}, {kind}: {found[kind]['points']:+.2f} points", flush=True)
    return {
        "model": run.name,
        "keras_accuracy": accuracy(data.test.labels, expected).value,
        "training_images": len(data.train),
        "data": run.record().data.to_json(),
        "kinds": found,
    }


def judged(file: Path, test: Split, expected: Probabilities) -> dict[str, Any]:
    """Accuracy of a file, and its loss against the Keras model."""
    answers = litert.load(file).predict(test.images)
    drop = paired_drop(test.labels, expected, answers)
    return {
        "accuracy": accuracy(test.labels, answers).value,
        "points": drop.points,
        "low": drop.low,
        "high": drop.high,
    }


def main() -> int:
    """Run the comparison; returns 1 if training loses more than half a point against its start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--images", type=int, help="training images to draw from (default: all)")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/quantization_aware.json"))
    chosen = parser.parse_args()
    results = []
    for path in chosen.runs:
        results.append(measure(path, chosen.images, chosen.data_dir))
        # After each run: what was measured stays if the next is interrupted.
        _results.write(
            chosen.output,
            results,
            columns=("model", "Keras", *(f"{kind}, Δ top-1 (pp)" for kind in results[0]["kinds"])),
            rows=[row(one) for one in results],
            data=results[0]["data"],
        )
    worst = max(
        one["kinds"][f"by {scale}, trained"]["points"] - one["kinds"][f"by {scale}, not trained"]["points"]
        for one in results
        for scale in ("channel", "layer")
    )
    return 1 if worst > 0.5 else 0


def row(result: dict[str, Any]) -> list[str]:
    """A result as a row of the table."""
    # A loss is negative here; zero minus it leaves no negative zero.
    changes = [[0.0 - one[key] for key in ("points", "high", "low")] for one in result["kinds"].values()]
    cells = [f"{points:+.2f} ({low:+.2f} to {high:+.2f})" for points, low, high in changes]
    return [result["model"], f"{result['keras_accuracy']:.2%}", *cells]


if __name__ == "__main__":
    sys.exit(main())
