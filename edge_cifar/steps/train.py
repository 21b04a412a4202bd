"""``train``: train a backbone through the phases of a recipe and write a run folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_cifar import packages
from edge_cifar.documents.run import Run
from edge_cifar.errors import RunError
from edge_cifar.progress import SILENT, Progress
from edge_cifar.recipe import Trainable
from edge_cifar.steps._train_place import refuse_occupied, resumable
from edge_cifar.steps._train_request import FEATURE_CACHE_GB, Request, TrainOptions, prepare
from edge_cifar.steps._train_results import publish
from edge_cifar.storage import exclusion, files

if TYPE_CHECKING:
    from edge_cifar.training.checkpoint import State


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
    options = TrainOptions(
        backbone=backbone,
        data=data,
        data_dir=data_dir,
        out=out,
        name=name,
        increment=increment,
        recipe=recipe,
        changes=changes,
        weights=weights,
        alpha=alpha,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        image_size=image_size,
        unfreeze=unfreeze,
        validation_split=validation_split,
        class_weights=class_weights,
        mixed_precision=mixed_precision,
        device=device,
        deterministic=deterministic,
        limit=limit,
        strict=strict,
        seed=seed,
        feature_cache_gb=feature_cache_gb,
        resume=resume,
        overwrite=overwrite,
    )
    request = prepare(options, progress)
    run = request.run
    with exclusion.training(run.path):
        # Once more: another training may have ended here while the data were read.
        refuse_occupied(run, resume=resume, overwrite=overwrite)
        files.clear_scratch(run.checkpoint_path)
        return _train(request, progress)


def _train(request: Request, progress: Progress) -> Run:
    run, recipe, data, settings = request.run, request.recipe, request.data, request.settings
    resume = request.options.resume
    keras = packages.require_keras()
    from edge_cifar.training import backend, parallel
    from edge_cifar.training.checkpoint import State
    from edge_cifar.training.half_precision import settle
    from edge_cifar.training.loop import Training

    state = State.read(run.checkpoint_path) if resume else State(settings=settings)
    _refuse_other_settings(state, settings)
    place = backend.select_device(request.options.device)
    policy = backend.precision_policy(settings["mixed_precision"], place)
    facts = {"backend": keras.backend.backend(), "device": place.name, "policy": policy}
    progress.say(f"training {request.design.name} with Keras on {facts['backend']} ({place.name}, {policy})")
    keras.utils.set_random_seed(settings["seed"])
    if settings["deterministic"]:
        backend.make_deterministic(place)

    with place.scope(), parallel.over(place.parts, recipe.batch_size):
        training = Training(
            # A resumed model gets all its weights from the checkpoint.
            request.model(keras, policy, "none" if state.variables else request.weights),
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
        model = request.model(keras, "float32", "none")
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
