"""Check that the harness finds no difference between two copies of one file.

    python benchmarks/identical_copies.py models/mobilenetv2/export/tflite-fp32.tflite [--repeats 20] [--output FILE]

Each repeat is a separate benchmark with fresh processes for both copies. It gives the ratio of the second to the first
from paired windows, with its 95 % interval. Two conditions must hold: the median of the ratios is within 2 % of 1, and
at least 17 of 20 intervals contain 1 (correct 95 % intervals miss 1 four times or more in fewer than two of a hundred
such series). Exits with 1 if one does not hold. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import _results

from edge_cifar.bench.protocol import Protocol
from edge_cifar.steps.bench import bench

CLOSE = 0.02
LEAST_SHARE = 17 / 20


def repeat(first: Path, second: Path, protocol: Protocol) -> dict[str, Any]:
    """One benchmark of both copies: the second's ratio to the first."""
    rows = bench(first, second, relative_to=first.name, protocol=protocol).results
    ratio = rows[1].ratio
    assert ratio is not None, rows[1].reason
    interval = ratio.interval
    assert rows[0].latency is not None
    return {
        "ratio": interval.value,
        "low": interval.low,
        "high": interval.high,
        "pairs": interval.count,
        "median_ms": rows[0].latency.median,
        "holds_1": interval.low <= 1.0 <= interval.high,
    }


def main() -> int:
    """Repeat the comparison and judge it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=Protocol.seconds, help="seconds to measure each copy")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/identical_copies.json"))
    chosen = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder) / f"{name}{chosen.file.suffix}" for name in ("first", "second")]
        for copy in copies:
            shutil.copyfile(chosen.file, copy)
        for number in range(chosen.repeats):
            results.append(repeat(*copies, Protocol(seconds=chosen.seconds)))
            one = results[-1]
            told = f"{one['ratio']:.4f} [{one['low']:.4f}, {one['high']:.4f}]"
            print(f"{number + 1:3} {told}{'' if one['holds_1'] else '  misses 1'}", flush=True)
    middle = statistics.median(one["ratio"] for one in results)
    held = sum(one["holds_1"] for one in results)
    largest = max(abs(one["ratio"] - 1) for one in results)
    met = abs(middle - 1) <= CLOSE and held >= LEAST_SHARE * len(results)
    _results.write(
        chosen.output,
        results,
        columns=["file", "repeats", "median ratio", "largest distance from 1", "intervals that hold 1"],
        rows=[[chosen.file.name, str(len(results)), f"{middle:.4f}", f"{largest:.4f}", f"{held} of {len(results)}"]],
    )
    print(f"median ratio {middle:.4f}, {held} of {len(results)} intervals contain 1: {'pass' if met else 'FAIL'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
