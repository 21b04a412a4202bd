"""``train``: train a backbone through the phases of a recipe and write a run folder."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_cifar import backbones, packages
from edge_cifar.arguments import as_tuple
from edge_cifar.backbones import Backbone, Model
from edge_cifar.data.balance import imbalance
from edge_cifar.data.loading import is_folder, load
from edge_cifar.documents.run import Run
from edge_cifar.errors import DataError, RunError, UsageError, unknown
from edge_cifar.progress import SILENT, Progress
from edge_cifar.recipe import Recipe, Trainable, customized
from edge_cifar.run_data import RunData, split_data
from edge_cifar.steps import recipes
from edge_cifar.steps._train_place import refuse_occupied, resumable, run_at
from edge_cifar.steps._train_results import publish
from edge_cifar.storage import exclusion, files

if TYPE_CHECKING:
    from edge_cifar.training.checkpoint import State

MIXED_PRECISIONS = ("auto", "off", "bfloat16", "float16")
DEVICES = ("auto", "cpu", "gpu")
# Holds four views of CIFAR's 50,000 images where a cut gives up to 10,000 numbers for each.
FEATURE_CACHE_GB = 8.0


def train(
    backbone: str,
    *,
    data: str | Path = "cifar10",
    data_dir: Path | str | None = None,
    out: Path | str | None = None,
    name: str | None = None,
    increment: bool = False,
    recipe: str | Path = "default",
    changes: str | Iterable[str] = (),
    weights: str | None = None,
    alpha: float = 1.0,
    epochs: int | Iterable[int] | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    image_size: int | None = None,
    unfreeze: Trainable | None = None,
    validation_split: float | None = None,
    class_weights: str | None = None,
    mixed_precision: str = "auto",
    device: str = "auto",
    deterministic: bool = False,
    limit: int | None = None,
    strict: bool = False,
    seed: int = 0,
    feature_cache_gb: float = FEATURE_CACHE_GB,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Run:
    """Train a backbone in phases, evaluate it on the test set, and write a run folder.

    Args:
        backbone: its name.
        data: a data set's name, or a folder of images by class.
        data_dir: the data directory, which must exist.
        out: the run folder.
        name: in place of ``out``: of a folder below ``./runs``; the backbone's when both are left out.
        increment: where the folder exists, add the first number to its name that is free.
        recipe: name of one of the backbone's recipes, such as ``default`` or ``report``, or a TOML file with one.
        changes: to the recipe, such as ``recipe.optimizer=sgd`` or ``recipe.phases[0].learning_rate=0.1``.
        weights: ``imagenet``, ``none`` or a weights file. Default: ``imagenet`` if the backbone has it, else ``none``.
        alpha: width multiplier.
        epochs: one number for every phase, or one number per phase.
        batch_size: images per training step.
        learning_rate: peak learning rate of the last phase; earlier phases are scaled with it.
        image_size: side of the network's input, in pixels.
        unfreeze: what the last phase trains: the last N layers of the backbone, ``all``, or those
            from the first layer on whose name begins so.
        validation_split: share of the training images held out; refused for a folder that has a validation folder.
        class_weights: ``balanced`` to give every class the same weight in the loss, or ``none``.
        mixed_precision: ``auto``, ``off``, ``bfloat16`` or ``float16``.
        device: ``auto``, ``cpu`` or ``gpu``.
        deterministic: make the weights reproducible, at some cost in speed.
        limit: use at most this many training images and this many test images.
        strict: fail if a folder contains unreadable files, instead of skipping them.
        seed: random seed.
        feature_cache_gb: disk space in GB for caching the output of frozen layers, which is then computed only
            once; 0 turns the cache off.
        resume: continue an interrupted run; all settings must be the same.
        overwrite: replace an existing run.
        progress: receives progress messages.

    Returns:
        The finished run.

    Raises:
        UsageError: an option is invalid.
        DataError: the data are missing or damaged.
        RunError: the folder already contains a run, or there is none to resume.
        TrainingError: training cannot start or continue.
    """
    design = backbones.get(backbone)
    data = str(data)
    if mixed_precision not in MIXED_PRECISIONS:
        raise unknown("mixed precision", mixed_precision, MIXED_PRECISIONS)
    if device not in DEVICES:
        raise unknown("device", device, DEVICES)
    if not 0 <= feature_cache_gb < math.inf:
        raise UsageError(f"--feature-cache-gb must be at least 0; got {feature_cache_gb}")
    weights = weights or ("imagenet" if design.pretrained else "none")
    if alpha not in design.alphas:
        raise UsageError(f"{backbone} supports --alpha {', '.join(map(str, design.alphas))}; got {alpha}")
    chosen = customized(
        recipes.chosen(design, str(recipe), as_tuple(changes), from_scratch=weights == "none"),
        epochs=None if epochs is None else as_tuple(epochs),
        learning_rate=learning_rate,
        unfreeze=unfreeze,
        batch_size=batch_size,
        image_size=image_size,
        validation_split=validation_split,
        class_weights=class_weights,
    )
    if not 0 <= seed < 2**32:
        raise UsageError(f"the seed must be between 0 and {2**32 - 1}; got {seed}")
    run = run_at(backbone, out, name, increment=increment, kept=resume or overwrite)
    refuse_occupied(run, resume=resume, overwrite=overwrite)
    dataset = load(
        data,
        data_dir=data_dir,
        seed=seed,
        limit=limit,
        # A folder's pictures have different sizes: they are resized to the network's input.
        image_size=chosen.image_size if is_folder(data) else None,
        strict=strict,
        progress=progress,
    )
    if validation_split is not None and dataset.validation is not None:
        raise DataError(f"{dataset.name} has its own validation images; omit --validation-split")
    if unequal := imbalance(dataset.train.labels, dataset.labels):
        progress.say(unequal)
    run_data = split_data(dataset, chosen.validation_split, seed)
    settings = files.json_normal(
        {
            "backbone": backbone,
            "recipe_name": Path(recipe).name,
            "recipe": asdict(chosen),
            "weights": weights if weights in ("imagenet", "none") else Path(weights).name,
            "alpha": alpha,
            "data": {
                "name": dataset.name,
                "checksum": dataset.checksum,
                "synthetic": dataset.synthetic,
                "labels": list(dataset.labels),
                "image_shape": list(dataset.train.images.shape[1:]),
                "limit": limit,
                "train_images": len(run_data.train),
                "validation_images": len(run_data.validation),
                "test_images": len(run_data.test),
            },
            "seed": seed,
            "deterministic": deterministic,
            "feature_cache_gb": feature_cache_gb,
            "mixed_precision": mixed_precision,
        }
    )
    with exclusion.training(run.path):
        # Once more: another training may have ended here while the data were read.
        refuse_occupied(run, resume=resume, overwrite=overwrite)
        files.clear_scratch(run.checkpoint_path)
        return _train(run, design, chosen, run_data, settings, weights, device, resume, progress)


def _train(
    run: Run,
    design: Backbone,
    recipe: Recipe,
    data: RunData,
    settings: dict[str, Any],
    weights: str,
    device: str,
    resume: bool,
    progress: Progress,
) -> Run:
    keras = packages.require_keras()
    from edge_cifar.training import backend, parallel
    from edge_cifar.training.assembly import build_model
    from edge_cifar.training.checkpoint import State
    from edge_cifar.training.half_precision import settle
    from edge_cifar.training.loop import Training

    state = State.read(run.checkpoint_path) if resume else State(settings=settings)
    _refuse_other_settings(state, settings)
    place = backend.select_device(device)
    policy = backend.precision_policy(settings["mixed_precision"], place)
    facts = {"backend": keras.backend.backend(), "device": place.name, "policy": policy}
    progress.say(f"training {design.name} with Keras on {facts['backend']} ({place.name}, {policy})")
    keras.utils.set_random_seed(settings["seed"])
    if settings["deterministic"]:
        backend.make_deterministic(place)

    def build(dtype_policy: str, initial_weights: str) -> Model:
        keras.config.set_dtype_policy(dtype_policy)
        try:
            return build_model(
                keras,
                design,
                input_shape=tuple(settings["data"]["image_shape"]),
                classes=len(settings["data"]["labels"]),
                image_size=recipe.image_size,
                alpha=settings["alpha"],
                weights=initial_weights,
            )
        finally:
            keras.config.set_dtype_policy("float32")

    with place.scope(), parallel.over(place.parts, recipe.batch_size):
        training = Training(
            # A resumed model gets all its weights from the checkpoint.
            build(policy, "none" if state.variables else weights),
            recipe,
            data.train,
            data.validation,
            seed=settings["seed"],
            state=state,
            checkpoint=run.checkpoint_path,
            feature_cache_bytes=settings["feature_cache_gb"] * 1e9,
            progress=progress,
        )
        if not resume:
            # The existing run is only given up once the whole request has been accepted.
            shutil.rmtree(run.checkpoint_path, ignore_errors=True)
        with resumable(run):
            training.run()
    with resumable(run), place.scope():
        model = build("float32", "none")
        model.set_weights(training.model.get_weights())
        settle(model)
        publish(run, model, state, data, facts, progress)
    return run


def _refuse_other_settings(state: State, settings: dict[str, Any]) -> None:
    differing = [name for name, value in settings.items() if state.settings.get(name) != value]
    if differing:
        raise RunError(
            f"the unfinished run was started with different options ({', '.join(differing)}); resume with the "
            "same options, or start again with --overwrite"
        )
