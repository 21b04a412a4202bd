"""Compare our ONNX with Keras' own export, and our TFLite int8 with ai-edge-quantizer's, for the same model.

    pip install ai-edge-quantizer
    python benchmarks/export_peers.py models/mobilenetv2 models/resnet8 [--rounds 100] [--seconds 0.05] [--output FILE]

Keras writes ONNX with ``model.export(format="onnx")``; ai-edge-quantizer starts from our fp32 TFLite file, with the
same calibration images. A hand-written loop times each file in its own process on one thread. Windows of a pair
alternate, so other load on the machine affects both.

The two int8 files have different inputs: ours takes an image's bytes, theirs signed integers with its own scale. Both
are therefore given the same bytes and must return probabilities, and the work that the caller has to do before and
after is timed too, in the fastest way that Python offers. A second pair leaves the caller out: it times our network
without the two operators that convert between bytes and its integers. Both ONNX files take floats.

Prints ours over theirs with the 95 % interval. Exits with 1 if a ratio is significantly above 1.02.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import _results
import numpy as np
from harness_truth import by_hand, tight_loop

from edge_cifar import conversion_cache, formats, packages
from edge_cifar.bench.statistics import paired_ratio
from edge_cifar.converters import Calibration
from edge_cifar.documents.run import Run
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.source import Source
from edge_cifar.processes import output_capture
from edge_cifar.run_data import load_run_data
from edge_cifar.runtimes import keras as keras_runtime
from edge_cifar.storage import files

HIGHEST = 1.02


def by_us(model: Any, source: Source, folder: Path) -> dict[str, Path]:
    """Our files."""
    written = {}
    with conversion_cache.unchanged(model):
        for format_, precision in (("onnx", "fp32"), ("tflite", "fp32"), ("tflite", "int8")):
            ours = formats.get(format_)
            path = folder / f"ours-{precision}{ours.suffix}"
            ours.converter().convert(
                model,
                ours.precisions[precision],
                labels=source.labels,
                calibration=source.calibration,
                metadata={},
                path=path,
            )
            written[f"{format_}-{precision}"] = path
    return written


def by_keras(model: Any, folder: Path) -> Path:
    """Keras' own ONNX file."""
    path = folder / "keras-fp32.onnx"
    with output_capture.captured():
        model.export(path, format="onnx", verbose=False)
    return path


def by_ai_edge_quantizer(fp32: Path, calibration: Calibration, folder: Path) -> Path:
    """ai-edge-quantizer's int8 file of our fp32 one."""
    quantizer = packages.require("ai_edge_quantizer.quantizer", "convert")
    recipe = packages.require("ai_edge_quantizer.recipe", "convert")
    path = folder / "ai-edge-quantizer-int8.tflite"
    with output_capture.captured():
        work = quantizer.Quantizer(str(fp32), recipe.static_wi8_ai8())
        images = [{_input_name(fp32): image} for image in calibration.batches(1)]
        ranges = work.calibrate({_signature(fp32): images}, num_threads=1)
        work.quantize(ranges).export_model(str(path), overwrite=True)
    return path


def _signature(path: Path) -> str:
    from ai_edge_litert.interpreter import Interpreter

    return str(next(iter(Interpreter(model_path=str(path)).get_signature_list())))


def _input_name(path: Path) -> str:
    from ai_edge_litert.interpreter import Interpreter

    signatures = Interpreter(model_path=str(path)).get_signature_list()
    return str(signatures[_signature(path)]["inputs"][0])


def without_bytes(int8: Path, folder: Path) -> Path:
    """Our int8 file with its network's integers as input and output, like ai-edge-quantizer's."""
    utils = packages.require("tensorflow.lite.tools.flatbuffer_utils", "train")
    model = utils.convert_bytearray_to_object(int8.read_bytes())
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    first, *operators, last = graph.operators
    assert list(first.inputs) == list(graph.inputs)
    assert list(last.outputs) == list(graph.outputs)
    graph.operators, graph.inputs, graph.outputs = operators, first.outputs, last.inputs
    signature.inputs[0].tensorIndex, signature.outputs[0].tensorIndex = int(first.outputs[0]), int(last.inputs[0])
    path = folder / "ours-int8-without-bytes.tflite"
    path.write_bytes(bytes(utils.convert_object_to_bytearray(model)))
    return path


def from_bytes(path: Path) -> Callable[[], object]:
    """Classify an image's bytes with an int8 file on one thread; returns probabilities."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    wanted, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    picture = np.random.default_rng(0).integers(0, 256, wanted["shape"]).astype(np.uint8)
    # An 8-bit answer has 256 values. Negative ones count from the table's end, where theirs stand.
    scale, zero_point = given["quantization"]
    probabilities = (scale * (np.arange(256, dtype=np.uint8).view(given["dtype"]) - float(zero_point))).astype("f4")
    index, shape, dtype = wanted["index"], wanted["shape"], wanted["dtype"]
    scale, zero_point = wanted["quantization"]
    limits = np.iinfo(dtype)
    stored = (np.rint(np.arange(256) / scale) + zero_point).clip(limits.min, limits.max).astype(dtype)

    def prepared() -> object:
        return picture

    def translated() -> object:
        # Faster than any indexing by NumPy.
        return np.frombuffer(picture.tobytes().translate(table), dtype).reshape(shape)

    table = stored.tobytes()
    before = prepared if np.array_equal(stored, np.arange(256)) else translated

    def classify() -> object:
        interpreter.set_tensor(index, before())
        interpreter.invoke()
        return probabilities[interpreter.get_tensor(given["index"])]

    return classify


# What a file is fed in the loop that times it.
FED = {"bytes": from_bytes, "stored": by_hand}


@contextlib.contextmanager
def looping(path: Path, seconds: float, fed: str) -> Iterator[Any]:
    """A process that times one file; each call returns the median milliseconds of a window."""
    command = [sys.executable, __file__, str(path), "--seconds", str(seconds), "--serve", fed]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def window() -> float:
            process.stdin.write("go\n")
            return float(process.stdout.readline())

        yield window
        process.stdin.close()


def compare(name: str, fed: str, ours: Path, theirs: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """Time a pair in turn, both given an image's bytes or each its own input."""
    times: tuple[list[float], list[float]] = [], []
    with looping(ours, seconds, fed) as our_window, looping(theirs, seconds, fed) as their_window:
        for window in (our_window, their_window):
            window()
        for number in range(rounds):
            # Each goes first every other time.
            for which in (0, 1) if number % 2 else (1, 0):
                times[which].append((our_window, their_window)[which]())
    ratio = paired_ratio(*times)
    result = {
        "pair": name,
        "fed": fed,
        "latency_ms": {"ours": statistics.median(times[0]), "theirs": statistics.median(times[1])},
        "latency_ratio": {"value": ratio.value, "low": ratio.low, "high": ratio.high, "rounds": ratio.count},
        "size_bytes": {"ours": files.size_bytes(ours), "theirs": files.size_bytes(theirs)},
    }
    result["size_ratio"] = result["size_bytes"]["ours"] / result["size_bytes"]["theirs"]
    print(
        f"{name}: latency {ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}] "
        f"({result['latency_ms']['ours']:.3f} ms and {result['latency_ms']['theirs']:.3f}), "
        f"size {result['size_ratio']:.3f}",
        flush=True,
    )
    return result


def measure(run_path: Path, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """The pairs of one run."""
    run = Run.open(run_path)
    source = Source.from_run(run, load_run_data(run), ExportOptions())
    model = keras_runtime.load_model(packages.require_keras(), run.model_path)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ours = by_us(model, source, folder)
        int8, theirs = ours["tflite-int8"], by_ai_edge_quantizer(ours["tflite-fp32"], source.calibration, folder)
        pairs = (
            ("ONNX fp32, ours over Keras's export", "stored", ours["onnx-fp32"], by_keras(model, folder)),
            ("TFLite int8, ours over ai-edge-quantizer's, from bytes to probabilities", "bytes", int8, theirs),
            (
                "TFLite int8, ours over ai-edge-quantizer's, the networks alone",
                "stored",
                without_bytes(int8, folder),
                theirs,
            ),
        )
        return [
            {"model": run.name, **compare(f"{run.name}: {what}", fed, a, b, rounds, seconds)}
            for what, fed, a, b in pairs
        ]


def main() -> int:
    """Compare the runs named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.05, help="seconds per window")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/export_peers.json"))
    parser.add_argument("--serve", choices=FED, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        tight_loop(FED[chosen.serve](chosen.runs[0]), chosen.seconds)
        return 0
    results = [one for run in chosen.runs for one in measure(run, chosen.rounds, chosen.seconds)]
    _results.write(
        chosen.output,
        results,
        columns=("", "latency, ours over theirs (95 % interval)", "size, ours over theirs"),
        rows=[
            (
                one["pair"],
                "{value:.3f} ({low:.3f} to {high:.3f})".format(**one["latency_ratio"]),
                f"{one['size_ratio']:.3f}",
            )
            for one in results
        ],
    )
    worst = max(one["latency_ratio"]["low"] for one in results)
    return 0 if worst <= HIGHEST else 1


if __name__ == "__main__":
    sys.exit(main())
