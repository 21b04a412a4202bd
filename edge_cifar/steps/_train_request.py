"""What a training was asked for, and what becomes of that before it begins: checked, with its data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_cifar import backbones
from edge_cifar.arguments import as_tuple
from edge_cifar.backbones import Backbone, Keras, Model
from edge_cifar.data.balance import imbalance
from edge_cifar.data.loading import is_folder, load
from edge_cifar.documents.run import Run
from edge_cifar.errors import DataError, UsageError, unknown
from edge_cifar.progress import Progress
from edge_cifar.recipe import Recipe, Trainable, customized
from edge_cifar.run_data import RunData, split_data
from edge_cifar.steps import recipes
from edge_cifar.steps._train_place import refuse_occupied, run_at
from edge_cifar.storage import files

MIXED_PRECISIONS = ("auto", "off", "bfloat16", "float16")
DEVICES = ("auto", "cpu", "gpu")
# Holds four views of CIFAR's 50,000 images where a cut gives up to 10,000 numbers for each.
FEATURE_CACHE_GB = 8.0


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The arguments of :func:`edge_cifar.steps.train.train`, which describes them."""

    backbone: str
    data: str | Path = "cifar10"
    data_dir: Path | str | None = None
    out: Path | str | None = None
    name: str | None = None
    increment: bool = False
    recipe: str | Path = "default"
    changes: str | Iterable[str] = ()
    weights: str | None = None
    alpha: float = 1.0
    epochs: int | Iterable[int] | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    image_size: int | None = None
    unfreeze: Trainable | None = None
    validation_split: float | None = None
    class_weights: str | None = None
    mixed_precision: str = "auto"
    device: str = "auto"
    deterministic: bool = False
    limit: int | None = None
    strict: bool = False
    seed: int = 0
    feature_cache_gb: float = FEATURE_CACHE_GB
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class Request:
    """A training that may begin.

    Attributes:
        options: what was asked for.
        run: where it goes.
        design: its backbone.
        recipe: how, with what the options changed.
        data: its images.
        weights: initial weights: ``imagenet``, ``none`` or a file.
        settings: what a resumed training must have in common with this one, as JSON holds it.
    """

    options: TrainOptions
    run: Run
    design: Backbone
    recipe: Recipe
    data: RunData
    weights: str
    settings: dict[str, Any]

    def model(self, keras: Keras, dtype_policy: str, weights: str) -> Model:
        """The network under a dtype policy, with weights to start from."""
        from edge_cifar.training.assembly import build_model

        keras.config.set_dtype_policy(dtype_policy)
        try:
            return build_model(
                keras,
                self.design,
                input_shape=tuple(self.settings["data"]["image_shape"]),
                classes=len(self.data.dataset.labels),
                image_size=self.recipe.image_size,
                alpha=self.options.alpha,
                weights=weights,
            )
        finally:
            keras.config.set_dtype_policy("float32")


def prepare(options: TrainOptions, progress: Progress) -> Request:
    """Check what was asked for, and load the data.

    Raises:
        UsageError: an option is invalid.
        DataError: the data are missing or damaged.
        RunError: the folder already contains a run, or there is none to resume.
    """
    design = backbones.get(options.backbone)
    data = str(options.data)
    if options.mixed_precision not in MIXED_PRECISIONS:
        raise unknown("mixed precision", options.mixed_precision, MIXED_PRECISIONS)
    if options.device not in DEVICES:
        raise unknown("device", options.device, DEVICES)
    if not 0 <= options.feature_cache_gb < math.inf:
        raise UsageError(f"--feature-cache-gb must be at least 0; got {options.feature_cache_gb}")
    weights = options.weights or ("imagenet" if design.pretrained else "none")
    if options.alpha not in design.alphas:
        raise UsageError(f"{design.name} supports --alpha {', '.join(map(str, design.alphas))}; got {options.alpha}")
    recipe = customized(
        recipes.chosen(design, str(options.recipe), as_tuple(options.changes), from_scratch=weights == "none"),
        epochs=None if options.epochs is None else as_tuple(options.epochs),
        learning_rate=options.learning_rate,
        unfreeze=options.unfreeze,
        batch_size=options.batch_size,
        image_size=options.image_size,
        validation_split=options.validation_split,
        class_weights=options.class_weights,
    )
    if not 0 <= options.seed < 2**32:
        raise UsageError(f"the seed must be between 0 and {2**32 - 1}; got {options.seed}")
    kept = options.resume or options.overwrite
    run = run_at(design.name, options.out, options.name, increment=options.increment, kept=kept)
    refuse_occupied(run, resume=options.resume, overwrite=options.overwrite)
    dataset = load(
        data,
        data_dir=options.data_dir,
        seed=options.seed,
        limit=options.limit,
        # A folder's pictures have different sizes: they are resized to the network's input.
        image_size=recipe.image_size if is_folder(data) else None,
        strict=options.strict,
        progress=progress,
    )
    if options.validation_split is not None and dataset.validation is not None:
        raise DataError(f"{dataset.name} has its own validation images; omit --validation-split")
    if unequal := imbalance(dataset.train.labels, dataset.labels):
        progress.say(unequal)
    run_data = split_data(dataset, recipe.validation_split, options.seed)
    settings = {
        "backbone": design.name,
        "recipe_name": Path(options.recipe).name,
        "recipe": asdict(recipe),
        "weights": weights if weights in ("imagenet", "none") else Path(weights).name,
        "alpha": options.alpha,
        "data": {
            "name": dataset.name,
            "checksum": dataset.checksum,
            "synthetic": dataset.synthetic,
            "labels": list(dataset.labels),
            "image_shape": list(dataset.train.images.shape[1:]),
            "limit": options.limit,
            "train_images": len(run_data.train),
            "validation_images": len(run_data.validation),
            "test_images": len(run_data.test),
        },
        "seed": options.seed,
        "deterministic": options.deterministic,
        "feature_cache_gb": options.feature_cache_gb,
        "mixed_precision": options.mixed_precision,
    }
    return Request(
        options=options,
        run=run,
        design=design,
        recipe=recipe,
        data=run_data,
        weights=weights,
        settings=files.json_normal(settings),
    )
