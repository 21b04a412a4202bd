"""Breaks packages at random and evaluates them; run as a program, in a process whose memory and time are watched.

Usage: python mil_fuzz.py FOLDER COUNT SEED PACKAGE...; prints one JSON document.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
import traceback
from pathlib import Path

import numpy as np

from edge_cifar.errors import EdgeCifarError
from edge_cifar.runtimes import coreml_reference


def broken(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with something wrong."""
    data = bytearray(content)
    at = int(rng.integers(len(data)))
    length = int(rng.integers(1, 17))
    match rng.integers(8):
        case 0:
            for _ in range(length):
                data[int(rng.integers(len(data)))] = int(rng.integers(256))
        case 1:
            data[at] ^= 1 << int(rng.integers(8))
        case 2:
            del data[at:]
        case 3:
            del data[at : at + length]
        case 4:
            data[at:at] = rng.bytes(length)
        case 5:
            data[at : at + length] = b"\xff" * length
        case 6:
            data[at : at + length] = bytes(length)
        case _:
            other = int(rng.integers(len(data)))
            data[at : at + length] = data[other : other + length]
    return bytes(data)


def attempt(source: Path, place: Path, rng: np.random.Generator) -> str:
    """Break one file of a copy of a package, evaluate it, and say what became of it."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(source, place)
    files = sorted(path for path in place.rglob("*") if path.is_file())
    # Most mutations go to the model, which has most to break.
    weights = [6 if path.suffix == ".mlmodel" else 1 for path in files]
    victim = files[int(rng.choice(len(files), p=np.array(weights) / sum(weights)))]
    victim.write_bytes(broken(victim.read_bytes(), rng))
    try:
        runtime = coreml_reference.load(place)
        runtime.predict(np.zeros((2, *runtime.input_shape), np.uint8))
    except EdgeCifarError as error:
        return "several lines" if "\n" in str(error) else "refused"
    except Exception:
        return traceback.format_exc()
    return "computed"


def main() -> None:
    place, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    sources = [Path(name) for name in sys.argv[4:]]
    for source in sources:
        runtime = coreml_reference.load(source)
        runtime.predict(np.zeros((2, *runtime.input_shape), np.uint8))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes: dict[str, int] = {}
    slowest = 0.0
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        start = time.process_time()
        outcome = attempt(sources[number % len(sources)], place / "broken.mlpackage", rng)
        slowest = max(slowest, time.process_time() - start)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    start = time.process_time()
    sum(number * number for number in range(1_000_000))
    times_a_sum = slowest / (time.process_time() - start)
    print(json.dumps({"outcomes": outcomes, "slowest_times_a_sum": times_a_sum, "memory_bytes": grown}))


if __name__ == "__main__":
    main()
