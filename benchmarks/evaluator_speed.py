"""Measure the speed of the Core ML reference evaluator, in wall-clock and processor time.

    python benchmarks/evaluator_speed.py models/mobilenetv2/export [--output FILE] [--data-dir DIR] [--whole]

Measures ``coreml-fp32.mlpackage`` of a bundle on one thread and takes the best of several rounds. With ``--whole``,
also runs the 10,000 test images of CIFAR-10 on two threads and computes their accuracy. Other processes increase
wall-clock time but hardly affect processor time, so both are printed. Exits with 1 if an image takes more than 15 ms
of processor time, or the whole test set more than 5 minutes of wall-clock time.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from edge_cifar import machine, provenance
from edge_cifar.data.loading import load
from edge_cifar.documents.reference import Reference
from edge_cifar.evaluation.metrics import accuracy
from edge_cifar.pixels import Images
from edge_cifar.runtimes import Probabilities, coreml_reference
from edge_cifar.storage import files

IMAGES, ROUNDS = 256, 5
MOST_MILLISECONDS, MOST_SECONDS = 15.0, 300.0


def timed(package: Path, images: Images, threads: int) -> tuple[Probabilities, float, float]:
    """Probabilities, and the seconds of wall-clock and processor time."""
    runtime = coreml_reference.load(package, threads=threads)
    runtime.predict(images[:64])
    clock, processor = time.perf_counter(), time.process_time()
    probabilities = runtime.predict(images)
    return probabilities, time.perf_counter() - clock, time.process_time() - processor


def single_thread(package: Path, images: Images) -> dict[str, Any]:
    """Milliseconds per image on one thread, in the fastest round."""
    rounds = [timed(package, images, 1)[1:] for _ in range(ROUNDS)]
    clock, processor = (min(values) * 1e3 / len(images) for values in zip(*rounds, strict=True))
    print(f"one thread: {processor:.1f} ms of processor time per image, {clock:.1f} ms of wall-clock time")
    return {"images": len(images), "rounds": ROUNDS, "clock_ms_per_image": clock, "processor_ms_per_image": processor}


def whole_test_set(package: Path, data_dir: Path | None) -> dict[str, Any]:
    """Seconds for CIFAR-10's test images on two threads."""
    test = load("cifar10", data_dir=data_dir).test
    probabilities, clock, processor = timed(package, test.images, 2)
    top1 = accuracy(test.labels, probabilities)
    print(
        f"{len(test)} test images, two threads: {clock:.0f} s of wall-clock time, {processor:.0f} s of processor time"
    )
    return {
        "images": len(test),
        "clock_seconds": clock,
        "processor_seconds": processor,
        "accuracy": {"top1": top1.value, "low": top1.low, "high": top1.high},
    }


def main() -> int:
    """Measure the bundle named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--output", type=Path, help="also write the results as JSON")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--whole", action="store_true", help="also run the whole test set")
    chosen = parser.parse_args()
    package = chosen.bundle / "coreml-fp32.mlpackage"
    images = Reference.read(chosen.bundle / "reference.npz").first(IMAGES).images
    one = single_thread(package, images)
    whole = whole_test_set(package, chosen.data_dir) if chosen.whole else None
    if chosen.output:
        document = {
            "command": " ".join(["python", *sys.argv]),
            "commit": provenance.commit(),
            "machine": machine.facts(),
            "package": {"model": chosen.bundle.resolve().parent.name, "sha256": files.sha256(package)},
            "one_thread": one,
            "test_set_on_two_threads": whole,
        }
        files.write_json(chosen.output, document)
    slow = one["processor_ms_per_image"] > MOST_MILLISECONDS or (whole and whole["clock_seconds"] > MOST_SECONDS)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
