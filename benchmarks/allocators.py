"""Compare the cost of training under different memory allocators, running the same command under each in turn.

    python benchmarks/allocators.py [--rounds 1] [--output benchmarks/results/allocators.json]

Trains with the system's default allocator, with glibc's tunables that keep its memory, and with tcmalloc if it is
installed (otherwise the table says that it is missing). EDGE_CIFAR_ALLOCATOR selects each, so the command's restart
is included. Each is measured with the kernels that TensorFlow chooses on this processor and with TensorFlow's own
kernels. TensorFlow uses its own on processors without instructions for neural networks (AVX512-VNNI, AVX512-BF16,
AMX). oneDNN keeps its buffers; TensorFlow's own kernels allocate them at every step.

Measures processor time, page faults and peak memory of the whole command, including imports, as counted by the kernel,
so other load on the machine hardly affects them. Prints the ratios to the system's allocator. Exits with 1 if, with
TensorFlow's own kernels, resnet8 needs more than 0.78 of its processor time with glibc's tunables or 0.70 with
tcmalloc, or if the peak memory of any training is more than 1.25 times the system's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _results

from edge_cifar.data.loading import load
from edge_cifar.processes import allocator

# Of processor time, by allocator, for resnet8 on TensorFlow's own kernels.
MOST_TIME = {"glibc": 0.78, "tcmalloc": 0.70}
MOST_MEMORY = 1.25
KERNELS = {"as chosen": {}, "TensorFlow's own": {"TF_ENABLE_ONEDNN_OPTS": "0"}}
COLUMNS = ("network", "kernels", "allocator", "processor time", "page faults", "peak memory", "processor time, ratio")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A training, long enough that its steps outweigh the imports.

    Attributes:
        backbone: its name.
        images: that are trained on, and tested.
        options: more of the command's.
    """

    backbone: str
    images: int
    options: tuple[str, ...] = ("--epochs", "1")


CASES = (
    Case(backbone="resnet8", images=4000, options=("--epochs", "5")),
    Case(backbone="mobilenetv2", images=1000, options=("--weights", "none", "--epochs", "1")),
    Case(backbone="vgg-scratch", images=1000),
)


def train(case: Case, name: str, kernels: dict[str, str]) -> dict[str, float]:
    """Train once. Returns seconds of processor time, page faults, and peak memory in bytes."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "edge_cifar", "train", case.backbone, "--data", "cifar10"),
                *("--limit", str(case.images), *case.options, "--out", str(Path(folder, "run"))),
            ],
            env={**os.environ, **kernels, allocator.ENVIRONMENT: name},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(said.read().decode("utf-8", errors="replace"))
    return {
        "user_seconds": used.ru_utime,
        "system_seconds": used.ru_stime,
        "page_faults": used.ru_minflt + used.ru_majflt,
        "peak_bytes": used.ru_maxrss * 1024,
    }


def compare(case: Case, names: tuple[str, ...], kernels: str, rounds: int) -> dict[str, Any]:
    """One case under every allocator: the medians of the rounds, and their ratios to the system's."""
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            taken[name].append(train(case, name, KERNELS[kernels]))
    allocators: dict[str, dict[str, float]] = {}
    for name, runs in taken.items():
        middle = {field: statistics.median(run[field] for run in runs) for field in runs[0]}
        middle["processor_seconds"] = statistics.median(run["user_seconds"] + run["system_seconds"] for run in runs)
        allocators[name] = middle
    for one in allocators.values():
        for field in ("processor_seconds", "peak_bytes"):
            one[f"{field}_ratio"] = one[field] / allocators["system"][field]
    return {"network": case.backbone, "images": case.images, "kernels": kernels, "allocators": allocators}


def rows(result: dict[str, Any]) -> list[list[str]]:
    """A comparison as rows of the documents' table."""
    return [
        [
            result["network"],
            result["kernels"],
            name,
            f"{one['user_seconds']:.1f} + {one['system_seconds']:.1f} s",
            f"{one['page_faults'] / 1e6:.2f} million",
            f"{one['peak_bytes'] / 1e6:.0f} MB",
            f"{one['processor_seconds_ratio']:.2f}",
        ]
        for name, one in result["allocators"].items()
    ]


def broken(result: dict[str, Any]) -> list[str]:
    """The limits that a comparison exceeds."""
    where = f"{result['network']}, kernels {result['kernels']}"
    found = []
    for name, one in result["allocators"].items():
        if one["peak_bytes_ratio"] > MOST_MEMORY:
            found.append(
                f"{where}: {name} takes {one['peak_bytes_ratio']:.2f} of the memory; the limit is {MOST_MEMORY}"
            )
        most = MOST_TIME.get(name)
        held = result["network"] == "resnet8" and result["kernels"] == "TensorFlow's own"
        if held and most and one["processor_seconds_ratio"] > most:
            found.append(f"{where}: {name} takes {one['processor_seconds_ratio']:.2f} of the time; the limit is {most}")
    return found


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backbones", nargs="*", help="measure only these (default: all)")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    chosen = parser.parse_args()
    if not allocator.supported() or allocator.chosen_by_user():
        sys.exit("needs 64-bit Linux with glibc; unset LD_PRELOAD, GLIBC_TUNABLES and MALLOC_*")
    names: tuple[str, ...] = ("system", "glibc")
    if allocator.tcmalloc():
        names += ("tcmalloc",)
    else:
        print(f"tcmalloc is skipped: {allocator.TCMALLOC_PACKAGE} is not installed", flush=True)
    data = load("cifar10")
    results = []
    for case in CASES:
        if chosen.backbones and case.backbone not in chosen.backbones:
            continue
        for kernels in KERNELS:
            results.append(compare(case, names, kernels, chosen.rounds))
            print("\n".join(", ".join(row) for row in rows(results[-1])), flush=True)
    wrong = [line for result in results for line in broken(result)]
    print("\n".join(wrong) if wrong else "all limits met")
    if chosen.output:
        _results.write(
            chosen.output,
            results,
            columns=COLUMNS,
            rows=[row for result in results for row in rows(result)],
            data={"name": "cifar10", "checksum": data.checksum},
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
