"""What is handed to the process that trains again, and what it hands back: arrays and JSON, nothing pickled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.backbones import Retraining
from edge_cifar.data import mapped_images
from edge_cifar.data.mapped_images import MappedImages
from edge_cifar.storage import archives, strict_json

# What can be done to weights.
QAT, PRUNED, CLUSTERED = "qat", "pruned", "cluster"

REQUEST = "request"
OUTCOME = "outcome"
FLATBUFFER = "network.tflite"
_TRAIN = "train.npy"

Weights = NDArray[np.float32]
_WEIGHT = "weight"


@dataclass(frozen=True, kw_only=True)
class Network:
    """Which network a list of weights belongs to.

    Attributes:
        backbone: its name.
        alpha: width multiplier.
        image_size: side that the backbone sees.
        input_shape: (height, width, 3) of raw images.
        classes: number of classes.
    """

    backbone: str
    alpha: float
    image_size: int
    input_shape: tuple[int, int, int]
    classes: int


@dataclass(frozen=True, kw_only=True)
class Images:
    """What is trained, calibrated and judged on.

    Attributes:
        train: uint8 ``[N, H, W, 3]``, raw RGB; without labels, the network's own answers are learnt. What is handed
            over lies in a file, since there may be more than fits into memory.
        calibration: uint8 ``[M, H, W, 3]``, to measure ranges on.
        validation: uint8 ``[K, H, W, 3]``.
        validation_labels: int64 ``[K]``.
        flip: whether training images are mirrored at random.
        translation: largest random shift of training images, as a fraction of the side.
    """

    train: NDArray[np.uint8] | MappedImages
    calibration: NDArray[np.uint8]
    validation: NDArray[np.uint8]
    validation_labels: NDArray[np.int64]
    flip: bool
    translation: float


@dataclass(frozen=True, kw_only=True)
class Request:
    """All that the process needs.

    Attributes:
        kind: ``qat``, ``pruned`` or ``cluster``.
        amount: percent of zeros, or number of values; 0 for ``qat``.
        recipe: how long and how fast.
        seed: of the order of the images and their changes.
        network: the architecture.
        weights: of the Keras 3 model, in its order.
        images: see :class:`Images`.
        by_channel: whether kernels have a scale for each channel, as all converters here give them, or one
            for the layer, as some accelerators want it.
    """

    kind: str
    amount: int
    recipe: Retraining
    seed: int
    network: Network
    weights: Sequence[Weights]
    images: Images
    by_channel: bool = True

    _ARRAYS = ("calibration", "validation", "validation_labels")

    def write(self, folder: Path) -> None:
        """Write the request into an existing folder."""
        facts = {
            "kind": self.kind,
            "amount": self.amount,
            "recipe": asdict(self.recipe),
            "seed": self.seed,
            "by_channel": self.by_channel,
            "network": asdict(self.network),
            "flip": self.images.flip,
            "translation": self.images.translation,
        }
        (folder / f"{REQUEST}.json").write_text(json.dumps(facts), encoding="utf-8")
        arrays = {name: getattr(self.images, name) for name in self._ARRAYS}
        np.savez(folder / f"{REQUEST}.npz", **arrays, **_numbered(self.weights))
        mapped_images.save(folder / _TRAIN, self.images.train)

    @classmethod
    def read(cls, folder: Path) -> Request:
        """Read what :meth:`write` wrote."""
        facts = strict_json.message((folder / f"{REQUEST}.json").read_text(encoding="utf-8"))
        flip, translation = facts.pop("flip"), facts.pop("translation")
        network = facts.pop("network")
        network = Network(**{**network, "input_shape": tuple(network["input_shape"])})
        recipe = Retraining(**facts.pop("recipe"))
        with archives.opened(folder / f"{REQUEST}.npz") as archive:
            arrays = {name: archive[name] for name in cls._ARRAYS}
            images = Images(train=MappedImages(folder / _TRAIN), **arrays, flip=flip, translation=translation)
            weights = _in_order(archive)
        return cls(**facts, recipe=recipe, network=network, weights=weights, images=images)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The state of a training.

    Attributes:
        step: steps made so far.
        val_accuracy: share of the validation images that are answered correctly.
        loss: mean over the steps since the last measurement; None before the first.
    """

    step: int
    val_accuracy: float
    loss: float | None = None

    def to_json(self) -> dict[str, float]:
        """Before the first step there is no loss."""
        loss = {} if self.loss is None else {"loss": self.loss}
        return {"step": self.step, **loss, "val_accuracy": self.val_accuracy}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was trained.

    Attributes:
        weights: of the Keras 3 model, in its order.
        steps: of the training.
        history: measured before the first step and after each stretch of the training.
        seconds: that it took.
        flatbuffer: the TensorFlow Lite model that quantization-aware training left; None for other methods.
    """

    weights: Sequence[Weights]
    steps: int
    history: tuple[Measurement, ...]
    seconds: float
    flatbuffer: bytes | None = None

    def to_json(self) -> dict[str, Any]:
        """How it went, as the manifest tells it."""
        history = [measurement.to_json() for measurement in self.history]
        return {"steps": self.steps, "history": history, "seconds": self.seconds}

    def write(self, folder: Path) -> None:
        """Write the outcome into an existing folder."""
        np.savez(folder / f"{OUTCOME}.npz", **_numbered(self.weights))
        if self.flatbuffer is not None:
            (folder / FLATBUFFER).write_bytes(self.flatbuffer)
        (folder / f"{OUTCOME}.json").write_text(json.dumps(self.to_json(), allow_nan=False), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Outcome:
        """Read what :meth:`write` wrote."""
        with archives.opened(folder / f"{OUTCOME}.npz") as archive:
            weights = _in_order(archive)
        told = strict_json.message((folder / f"{OUTCOME}.json").read_text(encoding="utf-8"))
        flatbuffer = folder / FLATBUFFER
        return cls(
            weights=weights,
            steps=told["steps"],
            history=tuple(Measurement(**measurement) for measurement in told["history"]),
            seconds=told["seconds"],
            flatbuffer=flatbuffer.read_bytes() if flatbuffer.exists() else None,
        )


def _numbered(weights: Sequence[Weights]) -> dict[str, Any]:
    return {f"{_WEIGHT}{number:05d}": array for number, array in enumerate(weights)}


def _in_order(archive: archives.Archive) -> list[Weights]:
    return [archive[name] for name in sorted(archive.names) if name.startswith(_WEIGHT)]
