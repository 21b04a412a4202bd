"""A reader of ``.fake`` files: the mean colour of an image, a layer that is fully connected to it, and a softmax."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar.evaluation.scores import softmax
from edge_cifar.pixels import Images
from edge_cifar.readers import BIAS, KERNEL, Link, Network, Observer, Operation, Sources, Weight


def network(path: Path) -> Network:
    held = _read(path)
    kernel = np.array(held["kernel"], np.float32).T
    step = None if held["step"] is None else np.array(held["step"], np.float32)
    weights = {
        KERNEL: Weight(values=kernel, step=step),
        BIAS: Weight(values=np.array(held["bias"], np.float32), step=None),
    }
    return Network(
        operations=(
            Operation(kind="Mean", name="mean", links=(Link(source=None),), outputs=("mean",)),
            Operation(kind="Dense", name="last", links=(Link(source=0),), weights=weights, outputs=("logits",)),
            Operation(kind="Softmax", name="answer", links=(Link(source=1),), outputs=("answer",)),
        ),
        answer=Link(source=2),
    )


def sources(path: Path) -> Sources:
    return {"image": (), "mean": ("image",), "logits": ("mean",), "answer": ("logits",)}


def observe(path: Path, images: Images, observer: Observer) -> None:
    held = _read(path)
    for number, image in enumerate(images):
        mean = image[None].mean(axis=(1, 2), dtype=np.float64) / 255
        logits = mean @ np.array(held["kernel"]) + np.array(held["bias"])
        for name, value in (("mean", mean), ("logits", logits), ("answer", softmax(logits))):
            observer(number, name, value.astype(np.float32))


def _read(path: Path) -> dict[str, Any]:
    held: dict[str, Any] = json.loads(path.read_text())
    return held
