"""Find out what makes a pretrained MobileNet fail on CIFAR-10: the working recipe, with one change at a time.

    python benchmarks/mobilenet_ablation.py [--images 5000] [--runs DIR] [--output FILE]

A source report ended at 23.8 % with MobileNet and ImageNet weights. Each row trains MobileNet of width 0.25 on a part
of CIFAR-10 with the code of `edge-cifar train`, one epoch for the head and two for everything, as in the default
recipe, and tests it on the same number of test images. After the single changes come two combinations that occur
easily. The trainings are short: use the numbers only to compare them with each other. With --runs the trainings are
kept, and finished ones are reused.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edge_cifar import machine, packages
from edge_cifar.backbones import Backbone, Keras, Model, Tensor, mobilenet
from edge_cifar.backbones.shared.preprocessing import blue_green_red_minus_mean, unit_range
from edge_cifar.documents.provenance import Provenance
from edge_cifar.documents.run import Run
from edge_cifar.recipe import Phase, Recipe, Trainable, customized
from edge_cifar.report import quantities
from edge_cifar.steps.train import train
from edge_cifar.storage import files

ALPHA = 0.25
EPOCHS = (1, 2)
DEFAULT = mobilenet.BACKBONE
BASE = customized(DEFAULT.recipes["default"], epochs=EPOCHS)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One row: what differs from the default recipe.

    Attributes:
        name: in words.
        recipe: the changed recipe.
        preprocess: what stands before the network.
        weights: as ``--weights`` takes them.
        wrong_mode: frozen batch normalizations use the statistics of the batch while training.
    """

    name: str
    recipe: Recipe = BASE
    preprocess: Callable[[Keras, Tensor], Tensor] = DEFAULT.preprocess
    weights: str = "imagenet"
    wrong_mode: bool = False


def _last_phase(**changes: Any) -> Recipe:
    return replace(BASE, phases=(*BASE.phases[:-1], replace(BASE.phases[-1], **changes)))


def _raw(keras: Keras, pixels: Tensor) -> Tensor:
    return pixels


_HEAD_ALONE = _last_phase(trainable="head")
_AT_ONCE = replace(BASE, phases=(Phase(name="fine-tune", epochs=sum(EPOCHS), learning_rate=1e-3),))
# Moving statistics that never move: those of ImageNet stay, whatever becomes of the weights.
_STALE = replace(_last_phase(reestimate_batch_norm=False), batch_norm_momentum=1.0)

CHANGES = (
    Change(name="the default recipe"),
    Change(name="pixels in [0, 1] in place of [-1, 1]", preprocess=unit_range),
    Change(name="VGG16's preprocessing: BGR minus the mean", preprocess=blue_green_red_minus_mean),
    Change(name="no preprocessing: pixels from 0 to 255", preprocess=_raw),
    Change(name="images of 32 pixels, not resized", recipe=replace(BASE, image_size=32)),
    Change(name="no frozen phase: all layers at 0.001 from the first step", recipe=_AT_ONCE),
    Change(
        name="batch-norm statistics that lag: momentum 0.999, not computed anew",
        recipe=replace(_last_phase(reestimate_batch_norm=False), batch_norm_momentum=0.999),
    ),
    Change(name="batch-norm statistics of ImageNet kept while all weights are trained", recipe=_STALE),
    Change(name="head alone", recipe=_HEAD_ALONE),
    Change(
        name="head alone, frozen batch norm in training mode",
        recipe=replace(_last_phase(trainable="head", reestimate_batch_norm=False), batch_norm_momentum=1.0),
        wrong_mode=True,
    ),
    Change(name="no ImageNet weights", weights="none"),
    Change(
        name="together: head alone, 32 pixels in [0, 1]",
        recipe=replace(_HEAD_ALONE, image_size=32),
        preprocess=unit_range,
    ),
    Change(
        name="together: 32 pixels in [0, 1], batch-norm statistics of ImageNet kept",
        recipe=replace(_STALE, image_size=32),
        preprocess=unit_range,
    ),
)


def wrong_mode(set_trainable: Callable[[Model, Trainable], None]) -> Callable[[Model, Trainable], None]:
    """Freezing as it used to be done: weights are fixed, but batch normalization uses batch statistics."""

    def freeze(model: Model, trainable: Trainable) -> None:
        set_trainable(model, trainable)
        for layer in model.layers:
            if type(layer).__name__ == "BatchNormalization" and not layer.trainable:
                layer.trainable = True
                layer.gamma.trainable = layer.beta.trainable = False

    return freeze


def measure(change: Change, images: int, out: Path) -> dict[str, Any]:
    """The measurements of one row, from its run's record; trains the run if it is not finished."""
    record = Run(out).record() if Run(out).finished else train_changed(change, images, out).record()
    return {"change": change.name, **{key: record.to_json()[key] for key in ("recipe", "test", "seconds", "data")}}


def train_changed(change: Change, images: int, out: Path) -> Run:
    """Train with a changed backbone in place of the registered one."""
    packages.require_keras()
    from edge_cifar.training import phases

    changed: Backbone = replace(
        DEFAULT,
        preprocess=change.preprocess,
        # "scratch" would take the place of "default" where there are no weights.
        recipes={"default": change.recipe},
    )
    original = phases.set_trainable
    mobilenet.BACKBONE = changed
    if change.wrong_mode:
        phases.set_trainable = wrong_mode(original)
    try:
        run = train("mobilenet", alpha=ALPHA, weights=change.weights, limit=images, out=out, device="cpu")
    finally:
        mobilenet.BACKBONE, phases.set_trainable = DEFAULT, original
    record = run.record()
    return {
        "change": change.name,
        "recipe": dict(record.recipe),
        **{key: record.to_json()[key] for key in ("test", "seconds", "data")},
    }


def document(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The result: measurements, their origin, and the documents' table."""
    data = results[0]["data"]
    default = results[0]["test"]["top1"]
    rows = [
        [
            result["change"],
            quantities.with_interval(*(result["test"][key] for key in ("top1", "low", "high"))),
            f"{100 * (result['test']['top1'] - default):+.1f}" if result is not results[0] else "",
        ]
        for result in results
    ]
    return {
        "schema": 1,
        **Provenance.now("edge-cifar", "keras", "tensorflow", "numpy").to_json(),
        "command": shlex.join(["python", "benchmarks/mobilenet_ablation.py", *sys.argv[1:]]),
        "machine": machine.facts(),
        "data": data,
        "alpha": ALPHA,
        "default": asdict(BASE),
        "results": [{key: value for key, value in result.items() if key != "data"} for result in results],
        "comparison": {"columns": ["changed", "test accuracy (95 % interval)", "points"], "rows": rows},
    }


def main() -> int:
    """Train every row and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000, help="number of training images, and of test images")
    parser.add_argument(
        "--runs", type=Path, metavar="DIR", help="keep the runs in this folder, and reuse finished ones"
    )
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/mobilenet_ablation.json"))
    chosen = parser.parse_args()
    results = []
    with contextlib.nullcontext(chosen.runs) if chosen.runs else tempfile.TemporaryDirectory() as folder:
        for number, change in enumerate(CHANGES):
            results.append(measure(change, chosen.images, Path(folder) / str(number)))
            accuracy, seconds = results[-1]["test"]["top1"], results[-1]["seconds"]
            print(f"{100 * accuracy:5.1f} %  {seconds:4.0f} s  {change.name}", flush=True)
    files.write_json(chosen.output, document(results))
    print(f"written: {chosen.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
