"""A runtime for ``.fake`` files: JSON that says how long an inference takes and where it goes wrong.

    {"milliseconds": 0.2, "shape": [4, 4, 3], "classes": 3, "largest_batch": 8, "operators": [{...}],
     "scale": 1.0, "fails": {STAGE: FAULT}}

The backend ``fast`` takes half the time, ``absent`` no machine has. Stages are ``load``, ``first`` (the first
inference), ``later`` (every other), ``profile`` and ``predict``; faults are
``crash``, ``exit``, ``leave``, ``kill``, ``hang``, ``memory``, ``error``, ``bug`` and ``interrupt``, which is Ctrl-C
for the coordinator. An image's class is its first byte, and its score ``scale``, which JSON
may tell as NaN; with a ``kernel`` and a ``bias`` it is the softmax of what they make of the image's mean colour.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar.documents.operators import Operator
from edge_cifar.errors import BundleError, RuntimeUnavailable
from edge_cifar.evaluation.scores import softmax
from edge_cifar.pixels import PLAIN, Ground, Images, Setup
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.runtimes import Probabilities, Runtime

NAME = "fake"
DEVICE = True
TIMED = True
LIBRARY = "json"
BACKENDS: tuple[str, ...] = ("plain", "fast", "absent")
VERIFIED_TOO: tuple[str, ...] = ("fast",)


def unavailable(backend: str | None = None) -> str | None:
    if backend == "absent":
        return "nobody has this backend"
    return os.environ.get("FAKE_UNAVAILABLE")


def load(path: Path, *, threads: int = 1, setup: Setup = PLAIN) -> Runtime:
    settings = json.loads(path.read_text())
    _go_wrong(settings, "load")
    if setup.batch > settings.get("largest_batch", 1000):
        raise RuntimeUnavailable(f"{path.name} does not take {setup.batch} images at once")
    return Fake(settings, setup)


def profile(path: Path, image: Images, *, threads: int, setup: Setup, seconds: float) -> tuple[Operator, ...]:
    settings = json.loads(path.read_text())
    _go_wrong(settings, "profile")
    if "operators" not in settings:
        raise RuntimeUnavailable("this file does not tell")
    return tuple(Operator(**operator) for operator in settings["operators"])


class Fake:
    name = NAME
    any_size = False

    def __init__(self, settings: dict[str, Any], setup: Setup) -> None:
        self._settings = settings
        self.batch = setup.batch
        told = setup.preprocessing
        self.preprocessing = told.over(Preprocessing(input_range=(0.0, 255.0), channels="rgb", layout="nhwc"))
        self.range_ground: Ground = setup.ground if told.tells_range else "stated"
        self._speed = 2.0 if setup.backend == "fast" else 1.0
        self._calls = 0
        height, width, channels = settings.get("shape", (4, 4, 3))
        self.input_shape: tuple[int, int, int] = (height, width, channels)
        self.classes: int = settings.get("classes", 3)

    @property
    def labels(self) -> tuple[str, ...] | None:
        return None

    def predict(self, images: Images) -> Probabilities:
        _go_wrong(self._settings, "predict")
        if "kernel" in self._settings:
            mean = images.mean(axis=(1, 2), dtype=np.float64) / 255
            answers = softmax(mean @ np.array(self._settings["kernel"]) + np.array(self._settings["bias"]))
            answers = answers[:, : self.classes]
        else:
            answers = np.eye(self.classes, dtype=np.float32)[images[:, 0, 0, 0]]
        scores: Probabilities = answers * np.float32(self._settings.get("scale", 1.0))
        return scores

    def single(self, image: Images) -> Callable[[], object]:
        seconds = float(self._settings.get("milliseconds", 0.2)) / 1e3 * self.batch / self._speed

        def infer() -> None:
            self._calls += 1
            _go_wrong(self._settings, "first" if self._calls == 1 else "later")
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                pass

        return infer


def _go_wrong(settings: dict[str, Any], stage: str) -> None:
    fault = settings.get("fails", {}).get(stage)
    if fault == "crash":
        print("chatter on standard output")
        print("the last words", file=sys.stderr, flush=True)
        os.abort()
    if fault == "exit":
        os._exit(3)
    if fault == "leave":
        os._exit(0)
    if fault == "kill":
        os.kill(os.getpid(), 9)
    if fault == "interrupt":
        os.kill(os.getppid(), 2)
    if fault == "hang":
        time.sleep(600)
    if fault == "memory":
        raise MemoryError
    if fault == "error":
        raise BundleError("the file is damaged")
    if fault == "bug":
        raise ValueError("surprise")
