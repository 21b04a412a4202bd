"""The second stage: weights that are pruned, clustered or trained for 8 bits, before any variant is converted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edge_cifar import backbones, packages
from edge_cifar.compression import retraining
from edge_cifar.compression.exchange import FLATBUFFER, QAT, Images, Network, Outcome, Request, Weights
from edge_cifar.data.calibration import sample
from edge_cifar.errors import ConversionError, UsageError
from edge_cifar.export.source import Source
from edge_cifar.progress import Progress
from edge_cifar.variant import Variant

# Enough to monitor the training; the gate has its own.
_VALIDATION_IMAGES = 1000


@dataclass(frozen=True, kw_only=True)
class CompressedModel:
    """A source's model with compressed weights.

    Attributes:
        model: its Keras file.
        trained: the flatbuffer that quantization-aware training left; None otherwise.
        record: for the manifest: recipe, seed, history, steps, seconds.
    """

    model: Path
    trained: Path | None
    record: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class CompressedModels:
    """The outcome of the compressions that variants need.

    Attributes:
        done: by compression, such as ``pruned50``.
        failed: why others could not be trained, by compression.
    """

    done: Mapping[str, CompressedModel] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


def compress(source: Source, variants: Sequence[Variant], folder: Path, progress: Progress) -> CompressedModels:
    """Retrain a model's weights for each compression that variants need.

    Args:
        source: the model and its images.
        variants: all that are to be written.
        folder: an existing one, where the compressed models are left.
        progress: told how it goes.

    Raises:
        MissingPackage: a package is not installed.
    """
    compressions = list(dict.fromkeys(variant.compression for variant in variants if variant.compression))
    done: dict[str, CompressedModel] = {}
    failed: dict[str, str] = {}
    if not compressions:
        return CompressedModels()
    from edge_cifar.runtimes import keras as keras_runtime

    model = keras_runtime.load_model(packages.require_keras(), source.model)
    weights = model.get_weights()
    for compression in compressions:
        try:
            request = request_for(source, compression, model.input_shape[1:], weights)
            outcome = _followed(request, compression, progress)
        except ConversionError as error:
            failed[compression] = str(error)
            continue
        model.set_weights(outcome.weights)
        path = folder / f"{compression}.keras"
        model.save(path)
        trained = None
        if outcome.flatbuffer is not None:
            trained = folder / FLATBUFFER
            trained.write_bytes(outcome.flatbuffer)
        record = {"recipe": asdict(request.recipe), "seed": request.seed, **outcome.to_json()}
        done[compression] = CompressedModel(model=path, trained=trained, record=record)
    return CompressedModels(done=done, failed=failed)


def request_for(
    source: Source, compression: str, input_shape: tuple[int, int, int], weights: Sequence[Weights]
) -> Request:
    """The request to the process that retrains.

    Args:
        source: the model and its images.
        compression: such as ``pruned50``.
        input_shape: (height, width, 3) of raw images.
        weights: as ``get_weights()`` of the Keras model gives them.

    Raises:
        ConversionError: the run's record does not say which network its weights belong to.
    """
    record = source.facts
    if record.imported:
        raise ConversionError(
            "its weights cannot be retrained: only networks that `train` builds can, and this one was imported; "
            "choose a precision without retraining, such as int8"
        )
    try:
        backbone = backbones.get(record.backbone)
        network = Network(
            backbone=backbone.name,
            alpha=record.alpha,
            image_size=record.image_size[0],
            input_shape=input_shape,
            classes=len(source.labels),
        )
        augmentation = record.augmentation
        flip, translation = bool(augmentation["flip"]), float(augmentation["translation"])
    except (UsageError, KeyError, TypeError, ValueError) as error:
        raise ConversionError(f"its weights cannot be retrained: the run's record does not match ({error})") from error
    kind = compression.rstrip("0123456789")
    validation = source.validation.take(sample(source.validation, _VALIDATION_IMAGES, source.seed))
    return Request(
        kind=kind,
        amount=int(compression.removeprefix(kind) or 0),
        recipe=backbone.qat if kind == QAT else backbone.sparsity,
        seed=source.seed,
        network=network,
        weights=weights,
        images=Images(
            train=source.training.images,
            calibration=source.calibration.images,
            validation=validation.images[:],
            validation_labels=validation.labels,
            flip=flip,
            translation=translation,
        ),
    )


def _followed(request: Request, compression: str, progress: Progress) -> Outcome:
    """Train with a progress bar, and report the outcome."""
    with ExitStack() as stack:
        bars: list[Any] = []
        outcome = retraining.retrain(
            request,
            started=lambda steps: bars.append(
                stack.enter_context(progress.bar(f"Retraining for {compression}", steps))
            ),
            advanced=lambda steps: bars[0](steps),
        )
    first, last = outcome.history[0], outcome.history[-1]
    progress.say(
        f"{compression}: {last.step} steps in {outcome.seconds:.0f} s, validation accuracy "
        f"{first.val_accuracy:.2%} before, {last.val_accuracy:.2%} after"
    )
    return outcome
