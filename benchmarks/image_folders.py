"""Compare reading a folder of images with Pillow on one core and with Keras' own pipeline, in one run.

    python benchmarks/image_folders.py [--images 8000] [--output benchmarks/results/image-folders.json]

Generates JPEGs of three sizes (320x240, 500x375 and 1600x1200 pixels, a third each), reads them at 224x224, and prints

- decoding: images a second of the first start, per core, to those of a loop over Pillow on one core (with `draft`);
- second start: how many times faster the same folder is loaded again;
- first epoch and later epochs: images a second, to keras.utils.image_dataset_from_directory(...).cache(file);
- training: images a second of MobileNet (alpha 0.25) from the cache, to the same images in memory;
- memory: peak of a training on all images, minus that of the same training on 400.

Exits with 1 if a ratio misses its limit. Run it on an idle machine: all ratios but the last are of elapsed times.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import _results
import numpy as np
from PIL import Image, ImageOps

from edge_cifar import machine, packages
from edge_cifar.data import Dataset, loading
from edge_cifar.data.picture_cache import ENVIRONMENT

SIDE = 224
BATCH = 32
SIZES = ((320, 240), (500, 375), (1600, 1200))
CLASSES = 4
FEW = 400
# Small, so that reading weighs as much as it ever does beside a training.
NETWORK, ALPHA = "mobilenet", 0.25
ROUNDS = 3
COLUMNS = ("figure", "edge-cifar", "compared with", "ratio", "limit")
# Each is at least the limit, but for memory: at most.
LIMITS = {"decoding": 0.9, "second start": 20.0, "first epoch": 1.0, "later epochs": 1.0, "training": 0.97}
MOST_MEMORY_BYTES = 1_000_000_000


def generate(folder: Path, count: int) -> None:
    """Write photographs of nothing: noise at many scales, no two alike."""
    with Pool() as pool:
        for _ in pool.imap_unordered(_generate_one, ((folder, number) for number in range(count)), chunksize=50):
            pass


def _generate_one(task: tuple[Path, int]) -> None:
    folder, number = task
    generator = np.random.default_rng(number)
    width, height = SIZES[number % len(SIZES)]
    pixels = np.zeros((height, width, 3), np.float32)
    for scale in (4, 16, 64):
        noise = generator.integers(0, 256, (height // scale + 2, width // scale + 2, 3), dtype=np.uint8)
        pixels += np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BILINEAR)) / 3
    place = folder / f"class {number // len(SIZES) % CLASSES}"
    place.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number:06}.jpg", quality=88)


def per_second(count: int, work: Callable[[], object]) -> float:
    """Images a second of some work on ``count`` of them."""
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def pillow(files: Iterable[Path]) -> None:
    """What a plain loop does."""
    for file in files:
        with Image.open(file) as image:
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            fitted = ImageOps.fit(image.convert("RGB"), (SIDE, SIDE), Image.Resampling.BICUBIC)
            np.asarray(fitted).copy()


def read(dataset: Dataset, seed: int) -> None:
    """An epoch over all images in random order, in the batches that training takes."""
    from edge_cifar.training.stage import Batches

    for split in (dataset.train, dataset.test):
        order = np.random.default_rng(seed).permutation(len(split))
        batches = Batches(split.images, np.eye(CLASSES, dtype=np.float32)[split.labels], order, BATCH)
        for number in range(len(batches)):
            packages.require_tensorflow().convert_to_tensor(batches[number][0]["images"])


def compare_decoding(folder: Path, count: int) -> tuple[Dataset, dict[str, dict[str, float]]]:
    """Decoding and the second start, then the epochs beside Keras' own."""
    sample = sorted(folder.rglob("*.jpg"))[:: max(count // 600, 1)]
    before = per_second(len(sample), lambda: pillow(sample))
    start = time.perf_counter()
    dataset = loading.load(str(folder), image_size=SIDE)
    first = time.perf_counter() - start
    after = per_second(len(sample), lambda: pillow(sample))
    one_core = statistics.mean((before, after))
    first_epoch = count / (first + count / per_second(count, lambda: read(dataset, 0)))
    start = time.perf_counter()
    loading.load(str(folder), image_size=SIDE)
    second = time.perf_counter() - start
    cores = machine.usable_cores()
    theirs = keras_epochs(folder, count)
    ours = [per_second(count, lambda seed=seed: read(dataset, seed)) for seed in range(1, 1 + ROUNDS)]
    return dataset, {
        "decoding": {"ours": count / first, "theirs": cores * one_core},
        # Seconds, so the other way round.
        "second start": {"ours": 1 / second, "theirs": 1 / first},
        "first epoch": {"ours": first_epoch, "theirs": theirs[0]},
        "later epochs": {"ours": statistics.median(ours), "theirs": statistics.median(theirs[1:])},
    }


def keras_epochs(folder: Path, count: int) -> list[float]:
    """Images a second of Keras' own pipeline: the first epoch fills its cache, the others read it."""
    tensorflow, keras = packages.require_tensorflow(), packages.require_keras()
    with tempfile.TemporaryDirectory(dir=folder.parent) as cache:
        images = keras.utils.image_dataset_from_directory(
            folder, image_size=(SIDE, SIDE), batch_size=BATCH, verbose=False
        )
        batches = images.cache(str(Path(cache, "images"))).prefetch(tensorflow.data.AUTOTUNE)

        def epoch() -> None:
            for _ in batches:
                pass

        return [per_second(count, epoch) for _ in range(1 + ROUNDS)]


def compare_training(dataset: Dataset, count: int) -> dict[str, float]:
    """Images a second of a training from the cache and from memory, in turns."""
    keras = packages.require_keras()
    from edge_cifar import backbones
    from edge_cifar.recipe import Augmentation
    from edge_cifar.training.assembly import build_model
    from edge_cifar.training.learner import Learner
    from edge_cifar.training.stage import Batches

    some = dataset.train.take(np.arange(min(count, len(dataset.train))))
    model = build_model(
        keras,
        backbones.get(NETWORK),
        input_shape=(SIDE, SIDE, 3),
        classes=CLASSES,
        image_size=SIDE,
        alpha=ALPHA,
        weights="none",
    )
    learner = Learner(model, Augmentation(flip=True), 0)
    learner.compile(optimizer="sgd", loss="categorical_crossentropy")
    targets = np.eye(CLASSES, dtype=np.float32)[some.labels]
    speeds: dict[str, list[float]] = {"ours": [], "theirs": []}
    sources = {"ours": some.images, "theirs": np.asarray(some.images)}
    for seed in range(1 + 2 * ROUNDS):
        order = np.random.default_rng(seed).permutation(len(some))
        # In turns, and each of them first in every other round.
        for name in sorted(sources, reverse=bool(seed % 2)):
            batches = Batches(sources[name], targets, order, BATCH)
            speed = per_second(len(some), lambda batches=batches: learner.fit(batches, shuffle=False, verbose=0))
            if seed:  # the first compiles
                speeds[name].append(speed)
    return {name: statistics.median(found) for name, found in speeds.items()}


def peak_bytes(folder: Path) -> int:
    """Peak memory of a training of one epoch, in a process of its own."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as out, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "edge_cifar", "train", NETWORK, "--alpha", str(ALPHA), "--weights", "none"),
                *("--data", str(folder)),
                *("--image-size", str(SIDE), "--batch-size", "16", "--epochs", "1", "--out", str(Path(out, "run"))),
            ],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(said.read().decode("utf-8", errors="replace"))
    return int(used.ru_maxrss * 1024)


def row(name: str, figures: dict[str, float]) -> list[str]:
    """A figure as a row of the documents' table."""
    if name == "memory":
        more = figures["ours"] - figures["theirs"]
        limit = f"at most {MOST_MEMORY_BYTES / 1e6:,.0f} MB more"
        return [
            name,
            f"{figures['ours'] / 1e6:,.0f} MB",
            f"{figures['theirs'] / 1e6:,.0f} MB",
            f"{more / 1e6:+,.0f} MB",
            limit,
        ]
    if name == "second start":
        cells = [f"{1 / figures['ours']:.2f} s", f"{1 / figures['theirs']:.1f} s"]
    else:
        cells = [f"{figures['ours']:,.0f} images/s", f"{figures['theirs']:,.0f} images/s"]
    return [name, *cells, f"{figures['ours'] / figures['theirs']:.2f}", f"{LIMITS[name]:g}"]


def broken(name: str, figures: dict[str, float]) -> bool:
    """Whether a figure misses its limit."""
    if name == "memory":
        return figures["ours"] - figures["theirs"] > MOST_MEMORY_BYTES
    return figures["ours"] / figures["theirs"] < LIMITS[name]


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--trained-images", type=int, default=640, help="for the speed of training")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as scratch:
        os.environ[ENVIRONMENT] = str(Path(scratch, "cache"))
        photos, few = Path(scratch, "photos"), Path(scratch, "few")
        generate(photos, chosen.images)
        generate(few, FEW)
        packages.require_keras()
        dataset, figures = compare_decoding(photos, chosen.images)
        figures["training"] = compare_training(dataset, chosen.trained_images)
        figures["memory"] = {"ours": peak_bytes(photos), "theirs": peak_bytes(few)}
    rows = [row(name, found) for name, found in figures.items()]
    print("\n".join(", ".join(cells) for cells in rows))
    wrong = [name for name, found in figures.items() if broken(name, found)]
    print(f"limits missed: {', '.join(wrong)}" if wrong else "all limits met")
    if chosen.output:
        results: list[dict[str, Any]] = [{"figure": name, **found} for name, found in figures.items()]
        data = {"name": "generated", "images": chosen.images, "checksum": dataset.checksum}
        _results.write(chosen.output, results, columns=COLUMNS, rows=rows, data=data)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
