"""Compare training on cached features with plain ``fit``, on the same images in the same run.

    python benchmarks/frozen_features.py [--plain-epochs 10] [--output benchmarks/results/frozen-features.json]

For each case, Keras' own ``fit`` trains the whole model, and then this toolkit trains it with the output of the frozen
layers cached. The cached time includes computing and writing the cache, compiling, and a checkpoint after every epoch.
Plain ``fit`` writes no checkpoints and is compiled before its clock starts. Both validate after every epoch on the same
images. Half of the plain epochs run before the cached training and half after, so other load on the machine affects
both. All plain epochs cost the same: if ``--plain-epochs`` is smaller than the phase, the time of the phase is
extrapolated, and the result says how many epochs were run. Weights are random, which does not change the time.

Prints a line per case. Exits with 1 if one is below its floor: 0.7 × epochs / views for a frozen phase, 3 for two
phases of the same length.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import _results
import keras
import numpy as np

from edge_cifar import backbones
from edge_cifar.data import Dataset, Split
from edge_cifar.data.loading import load
from edge_cifar.progress import SILENT
from edge_cifar.recipe import Augmentation, Phase, Recipe
from edge_cifar.training import phases
from edge_cifar.training.assembly import build_model
from edge_cifar.training.checkpoint import State
from edge_cifar.training.learner import Learner
from edge_cifar.training.loop import Training

VALIDATION_IMAGES = 500
CACHE_BYTES = 8e9
COLUMNS = ("case", "epochs", "plain fit", "cached", "cache", "times faster (in processor time)", "floor")
FLIPS = Augmentation(flip=True, translation=0.125)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One comparison.

    Attributes:
        backbone: its name.
        image_size: side in pixels that the network sees.
        trainable: what each phase trains, as :class:`edge_cifar.recipe.Phase` has it.
        views: augmented views of each image; 1 without augmentation.
        batch_size: images per step.
    """

    backbone: str
    image_size: int
    trainable: tuple[int | str, ...] = ("head",)
    views: int = 1
    batch_size: int = 128

    @property
    def name(self) -> str:
        """Its name in the table."""
        parts = "frozen" if self.trainable == ("head",) else "frozen, then the last four layers"
        return f"{self.backbone}, {parts}" + (f", {self.views} views" if self.views > 1 else "")

    def floor(self, epochs: int) -> float:
        """The least ratio of plain to cached seconds."""
        return 0.7 * epochs / self.views if len(self.trainable) == 1 else 3.0


CASES = (
    Case(backbone="vgg16", image_size=32),
    Case(backbone="vgg16", image_size=32, trainable=("head", 4)),
    Case(backbone="mobilenetv2", image_size=96),
    Case(backbone="mobilenetv2", image_size=96, views=2),
    Case(backbone="inceptionv3", image_size=75),
)


class Stopwatch:
    """Wall-clock and processor seconds, summed over several intervals."""

    def __init__(self) -> None:
        self.seconds = self.cpu_seconds = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def __exit__(self, *error: object) -> None:
        self.seconds += time.perf_counter() - self._start[0]
        self.cpu_seconds += time.process_time() - self._start[1]


class Plain:
    """Keras' own ``fit`` of the whole model, phase by phase, cycling through the views."""

    def __init__(self, case: Case, recipe: Recipe, train: Split, validation: Split) -> None:
        self._recipe = recipe
        self._model = build(case, train)
        one_hot = np.eye(self._model.output_shape[-1], dtype=np.float32)
        self._targets = one_hot[train.labels]
        self._validation = validation.images, one_hot[validation.labels]
        self._views = [train.images]
        if case.views > 1:
            changers = [Learner(self._model, recipe.augmentation, seed) for seed in range(case.views)]
            self._views = [
                np.concatenate(
                    [
                        keras.ops.convert_to_numpy(changer.change(images, None, training=True)[0])
                        for images in np.array_split(train.images, 40)
                    ]
                )
                for changer in changers
            ]

    def fit(self, phase: Phase, epochs: int) -> Stopwatch:
        """Fit a number of epochs of a phase; compiling is not timed."""
        phases.set_trainable(self._model, phase.trainable)
        size = self._recipe.batch_size
        steps = -(-len(self._targets) // size)
        optimizer = phases.optimizer(self._recipe, phase, steps)
        self._model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
        # The last batch is smaller than the others, and compiled for itself.
        first = slice(0, size + len(self._targets) % size)
        self._fit(self._views[0][first], self._targets[first])
        watch = Stopwatch()
        with watch:
            for epoch in range(epochs):
                self._fit(self._views[epoch % len(self._views)], self._targets)
        return watch

    def _fit(self, images: np.ndarray, targets: np.ndarray) -> None:
        size = self._recipe.batch_size
        self._model.fit(images, targets, batch_size=size, validation_data=self._validation, verbose=0)


def build(case: Case, train: Split) -> Any:
    """The case's model with random weights."""
    keras.utils.set_random_seed(0)
    return build_model(
        keras,
        backbones.get(case.backbone),
        input_shape=train.images.shape[1:],
        classes=int(train.labels.max()) + 1,
        image_size=case.image_size,
    )


def recipe_of(case: Case, epochs: int) -> Recipe:
    """As the source report trains VGG16: Adam, 1e-4, then a tenth."""
    return Recipe(
        image_size=case.image_size,
        batch_size=case.batch_size,
        augmentation=FLIPS if case.views > 1 else Augmentation(),
        views=case.views,
        phases=tuple(
            Phase(name=str(part), epochs=epochs, trainable=part, learning_rate=1e-4 / 10**index)
            for index, part in enumerate(case.trainable)
        ),
    )


def cached(case: Case, recipe: Recipe, train: Split, validation: Split, folder: Path) -> tuple[Stopwatch, State]:
    """The toolkit's training of the whole recipe, starting from the built model."""
    model, state, watch = build(case, train), State(settings={}), Stopwatch()
    with watch:
        Training(
            model,
            recipe,
            train,
            validation,
            seed=0,
            state=state,
            checkpoint=folder / "checkpoint",
            feature_cache_bytes=CACHE_BYTES,
            progress=SILENT,
        ).run()
    return watch, state


def compare(case: Case, dataset: Dataset, images: int, epochs: int, plain_epochs: int) -> dict[str, Any]:
    """The result of one case."""
    train = dataset.train.take(np.arange(images))
    validation = dataset.train.take(np.arange(images, images + VALIDATION_IMAGES))
    recipe = recipe_of(case, epochs)
    plain = Plain(case, recipe, train, validation)
    before = [plain.fit(phase, plain_epochs - plain_epochs // 2) for phase in recipe.phases]
    with tempfile.TemporaryDirectory() as folder:
        watch, state = cached(case, recipe, train, validation, Path(folder))
    after = [plain.fit(phase, plain_epochs // 2) for phase in recipe.phases]
    scale = epochs / plain_epochs
    plain_seconds = scale * sum(part.seconds for part in before + after)
    plain_cpu = scale * sum(part.cpu_seconds for part in before + after)
    return {
        "name": case.name,
        "backbone": case.backbone,
        "image_size": case.image_size,
        "phases": [{"trainable": phase.trainable, "epochs": phase.epochs} for phase in recipe.phases],
        "views": case.views,
        "batch_size": case.batch_size,
        "plain": {"seconds": plain_seconds, "cpu_seconds": plain_cpu, "epochs_run_per_phase": plain_epochs},
        "cached": {
            "seconds": watch.seconds,
            "cpu_seconds": watch.cpu_seconds,
            "features": [phase["features"] for phase in state.phases],
        },
        "ratio": plain_seconds / watch.seconds,
        "cpu_ratio": plain_cpu / watch.cpu_seconds,
        "floor": case.floor(epochs),
    }


def row(result: dict[str, Any]) -> list[str]:
    """A case as a row of the documents' table."""
    epochs, run = result["phases"][0]["epochs"], result["plain"]["epochs_run_per_phase"]
    plain = f"{result['plain']['seconds']:.0f} s" + ("" if run == epochs else f" ({run} of {epochs} epochs run)")
    size = sum(features["bytes"] for features in result["cached"]["features"]) / 1e6
    return [
        f"{result['name']}, {result['image_size']} pixels",
        " + ".join(str(phase["epochs"]) for phase in result["phases"]),
        plain,
        f"{result['cached']['seconds']:.0f} s",
        f"{size:.0f} MB",
        f"{result['ratio']:.1f} ({result['cpu_ratio']:.1f})",
        f"{result['floor']:.1f}",
    ]


def main() -> int:
    """Compare all cases, or those of the named backbones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backbones", nargs="*", help="compare only these (default: all)")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=10, help="epochs of each phase")
    parser.add_argument("--plain-epochs", type=int, help="epochs of each phase that plain fit runs (default: all)")
    parser.add_argument("--data-dir", type=Path, help="CIFAR-10's folder")
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    chosen = parser.parse_args()
    plain_epochs = chosen.plain_epochs or chosen.epochs
    dataset = load("cifar10", data_dir=chosen.data_dir)
    results: list[dict[str, Any]] = []
    for case in CASES:
        if chosen.backbones and case.backbone not in chosen.backbones:
            continue
        results.append(compare(case, dataset, chosen.images, chosen.epochs, plain_epochs))
        one = results[-1]
        run = "" if plain_epochs == chosen.epochs else f" ({plain_epochs} of {chosen.epochs} epochs run)"
        print(
            f"{case.name}: plain {one['plain']['seconds']:.1f} s{run}, cached {one['cached']['seconds']:.1f} s, "
            f"ratio {one['ratio']:.2f}, in processor time {one['cpu_ratio']:.2f}, floor {one['floor']:.2f}",
            flush=True,
        )
        if chosen.output:
            # After each case: they take long.
            data = {"name": dataset.name, "checksum": dataset.checksum, "images": chosen.images}
            _results.write(chosen.output, results, columns=COLUMNS, rows=[row(one) for one in results], data=data)
    return 0 if all(one["ratio"] >= one["floor"] for one in results) else 1


if __name__ == "__main__":
    sys.exit(main())
