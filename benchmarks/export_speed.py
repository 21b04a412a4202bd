"""Compare the duration of an export with that of a plain script that calls the same converters one after another.

    python benchmarks/export_speed.py models/mobilenetv2 [--rounds 3] [--output FILE]

The plain script does in one process what ``edge-cifar export`` does for the default matrix: it loads the run and its
data, computes the Keras model's predictions, converts each variant with our own converters, and checks each. It is
what one would write without worker processes and without sharing work between variants. Both start from scratch, in
turn. Prints the ratio of the wall times, export over plain script, as the median of the rounds, and exits with 1 if it
is above 0.75. A second ratio compares the whole export with the plain script's time without its checks. Run it on a
quiet machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import _results

from edge_cifar import formats, packages
from edge_cifar.documents.bundle import Bundle

HIGHEST = 0.75


def plain(run_path: Path, folder: Path) -> dict[str, float]:
    """The plain script. Returns the seconds of its conversions and of its checks."""
    from edge_cifar.documents.run import Run
    from edge_cifar.export import plan, writer
    from edge_cifar.export.acceptance import Acceptance
    from edge_cifar.export.baseline import Baseline
    from edge_cifar.export.compress import CompressedModels
    from edge_cifar.export.options import ExportOptions
    from edge_cifar.export.source import Source
    from edge_cifar.parity.processes import Workers
    from edge_cifar.progress import SILENT
    from edge_cifar.run_data import load_run_data
    from edge_cifar.runtimes import keras as keras_runtime

    run = Run.open(run_path)
    data = load_run_data(run)
    options = ExportOptions()
    source = Source.from_run(run, data, options)
    model = keras_runtime.load_model(packages.require_keras(), run.model_path)
    start = time.perf_counter()
    baseline = Baseline.load(source, options)
    reference = writer.write_reference(source, CompressedModels(), baseline, options, folder)
    took = {"converting": 0.0, "checking": time.perf_counter() - start}
    with Workers() as workers:
        acceptance = Acceptance.prepare(baseline.gate, reference, folder, workers)
        for variant in plan.choose(options, SILENT):
            format_ = formats.get(variant.format)
            path = folder / f"{variant}{format_.suffix}"
            start = time.perf_counter()
            format_.converter().convert(
                model,
                plan.precision_of(variant),
                labels=source.labels,
                calibration=source.calibration,
                metadata=source.metadata(variant),
                path=path,
            )
            converted = time.perf_counter()
            acceptance.check(variant, path)
            acceptance.latency_ms(path)
            took["converting"] += converted - start
            took["checking"] += time.perf_counter() - converted
    return took


def measure(run: Path) -> dict[str, Any]:
    """One round: both, from scratch."""
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        answer = subprocess.run(
            [sys.executable, __file__, str(run), "--plain", scratch], check=True, stdout=subprocess.PIPE, text=True
        )
        plain_seconds = time.perf_counter() - start
        bundle = Path(scratch) / "bundle"
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "edge_cifar", "export", str(run), "--out", str(bundle)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        export_seconds = time.perf_counter() - start
        peaks = Bundle.open(bundle).peak_memory_bytes
    parts = json.loads(answer.stdout.strip().splitlines()[-1])
    return {
        "export_seconds": export_seconds,
        "plain_seconds": plain_seconds,
        "plain_without_checks_seconds": plain_seconds - parts["checking"],
        "plain_parts": parts,
        "peak_memory_bytes": dict(peaks),
    }


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/export_speed.json"))
    parser.add_argument("--plain", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.plain:
        print(json.dumps(plain(chosen.run, chosen.plain)))
        return 0
    rounds = []
    for number in range(1, chosen.rounds + 1):
        rounds.append(measure(chosen.run))
        times = ", ".join(f"{name} {value:.1f}" for name, value in rounds[-1].items() if name.endswith("_seconds"))
        print(f"round {number}: {times}", flush=True)
    ratio = statistics.median(one["export_seconds"] / one["plain_seconds"] for one in rounds)
    without = statistics.median(one["export_seconds"] / one["plain_without_checks_seconds"] for one in rounds)
    print(f"export over plain script: {ratio:.3f}; over the plain script without checks: {without:.3f}")
    peaks = {name: max(one["peak_memory_bytes"][name] for one in rounds) for name in rounds[0]["peak_memory_bytes"]}
    _results.write(
        chosen.output,
        [
            {
                "model": chosen.run.name,
                "rounds": rounds,
                "ratio": {"export_over_plain": ratio, "export_over_plain_without_checks": without},
            }
        ],
        columns=("model", "export, s", "plain script, s", "ratio", "peak memory"),
        rows=[
            (
                chosen.run.name,
                f"{statistics.median(one['export_seconds'] for one in rounds):.0f}",
                f"{statistics.median(one['plain_seconds'] for one in rounds):.0f}",
                f"{ratio:.2f}",
                ", ".join(f"{name} {peak / 1e9:.1f} GB" for name, peak in peaks.items()),
            )
        ],
    )
    return 0 if ratio <= HIGHEST else 1


if __name__ == "__main__":
    sys.exit(main())
