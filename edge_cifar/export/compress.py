"""Weights that are trained again for variants of their own, before any of them is converted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edge_cifar import backbones, packages
from edge_cifar.compression import retraining
from edge_cifar.compression.exchange import FLATBUFFER, QAT, Images, Network, Outcome, Request
from edge_cifar.data.calibration import sample
from edge_cifar.errors import ConversionError, UsageError
from edge_cifar.export.source import Retrained, Source
from edge_cifar.progress import Progress
from edge_cifar.run_data import RunData
from edge_cifar.variant import Variant

# Enough to see the training's course by; the gate has its own.
_VALIDATION_IMAGES = 1000


@dataclass(frozen=True, kw_only=True)
class Retrainings:
    """What came of the changes that variants ask for.

    Attributes:
        done: by change, such as ``pruned50``.
        failed: why others could not be trained, by change.
    """

    done: Mapping[str, Retrained] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


def retrain(
    source: Source, data: RunData, variants: Sequence[Variant], folder: Path, progress: Progress
) -> Retrainings:
    """Train a run's weights again for each change that variants ask for.

    Args:
        source: the run.
        data: its images.
        variants: all that are to be written.
        folder: an existing one, where the changed models are left.
        progress: told how it goes.

    Raises:
        MissingPackage: a package is not installed.
    """
    changes = list(dict.fromkeys(variant.compression for variant in variants if variant.compression))
    done: dict[str, Retrained] = {}
    failed: dict[str, str] = {}
    if not changes:
        return Retrainings()
    from edge_cifar.runtimes import keras as keras_runtime

    model = keras_runtime.load_model(packages.require_keras(), source.run.model_path)
    weights = model.get_weights()
    for change in changes:
        try:
            request = request_for(source, data, change, model.input_shape[1:], weights)
            outcome = _followed(request, change, progress)
        except ConversionError as error:
            failed[change] = str(error)
            continue
        model.set_weights(outcome.weights)
        path = folder / f"{change}.keras"
        model.save(path)
        trained = None
        if outcome.flatbuffer is not None:
            trained = folder / FLATBUFFER
            trained.write_bytes(outcome.flatbuffer)
        done[change] = Retrained(
            model=path, trained=trained, facts={"recipe": asdict(request.recipe), "seed": request.seed, **outcome.facts}
        )
    return Retrainings(done=done, failed=failed)


def request_for(source: Source, data: RunData, change: str, input_shape: Any, weights: Sequence[Any]) -> Request:
    """What the process that trains again is asked for.

    Args:
        source: the run.
        data: its images.
        change: such as ``pruned50``.
        input_shape: (height, width, 3) of raw images.
        weights: as ``get_weights()`` of the run's Keras model gives them.

    Raises:
        ConversionError: the run's record does not say which network its weights belong to.
    """
    record = source.record
    try:
        backbone = backbones.get(record["backbone"])
        network = Network(
            backbone=backbone.name,
            alpha=float(record["alpha"]),
            image_size=int(record["image_size"]),
            input_shape=input_shape,
            classes=len(source.labels),
        )
        augmentation = record["recipe"]["augmentation"]
        flip, translation = bool(augmentation["flip"]), float(augmentation["translation"])
    except (UsageError, KeyError, TypeError, ValueError) as error:
        raise ConversionError(
            f"its weights cannot be trained again: the run's record does not fit ({error})"
        ) from error
    kind = change.rstrip("0123456789")
    validation = data.validation.take(sample(data.validation, _VALIDATION_IMAGES, source.calibration.seed))
    return Request(
        kind=kind,
        amount=int(change.removeprefix(kind) or 0),
        recipe=backbone.qat if kind == QAT else backbone.sparsity,
        seed=source.calibration.seed,
        network=network,
        weights=weights,
        images=Images(
            train=data.train.images,
            calibration=source.calibration.images,
            validation=validation.images,
            validation_labels=validation.labels,
            flip=flip,
            translation=translation,
        ),
    )


def _followed(request: Request, change: str, progress: Progress) -> Outcome:
    """Train while a bar follows, and say what came of it."""
    with ExitStack() as stack:
        bars: list[Any] = []
        outcome = retraining.retrain(
            request,
            started=lambda steps: bars.append(stack.enter_context(progress.bar(f"training for {change}", steps))),
            advanced=lambda steps: bars[0](steps),
        )
    first, last = outcome.facts["history"][0], outcome.facts["history"][-1]
    progress.say(
        f"{change}: {last['step']} steps in {outcome.facts['seconds']:.0f} s, validation accuracy "
        f"{first['val_accuracy']:.2%} before and {last['val_accuracy']:.2%} after"
    )
    return outcome
