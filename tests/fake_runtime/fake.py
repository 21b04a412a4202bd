"""A runtime for ``.fake`` files: JSON that says how long an inference takes and where it goes wrong.

    {"milliseconds": 0.2, "shape": [4, 4, 3], "classes": 3, "fails": {STAGE: FAULT}}

Stages are ``load``, ``first`` (the first inference), ``later`` (every other) and ``predict``; faults are
``crash``, ``exit``, ``kill``, ``hang``, ``memory``, ``error``, ``bug`` and ``interrupt``, which is Ctrl-C for the
coordinator. An image's class is its first byte.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.runtimes import PLAIN, Images, Probabilities, Setup

SUFFIX = ".fake"
DEVICE = True
LIBRARY = "json"


def unavailable() -> str | None:
    return os.environ.get("FAKE_UNAVAILABLE")


def load(path: Path, *, threads: int = 1, setup: Setup = PLAIN) -> Fake:
    settings = json.loads(path.read_text())
    _go_wrong(settings, "load")
    return Fake(settings)


class Fake:
    name = "fake"

    def __init__(self, settings: dict) -> None:
        self._settings = settings
        self._calls = 0
        self.input_shape = tuple(settings.get("shape", (4, 4, 3)))
        self.classes = settings.get("classes", 3)

    def predict(self, images: Images) -> Probabilities:
        _go_wrong(self._settings, "predict")
        return np.eye(self.classes, dtype=np.float32)[images[:, 0, 0, 0]]

    def single(self, image: Images) -> Callable[[], object]:
        seconds = self._settings.get("milliseconds", 0.2) / 1e3

        def infer() -> None:
            self._calls += 1
            _go_wrong(self._settings, "first" if self._calls == 1 else "later")
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                pass

        return infer


def _go_wrong(settings: dict, stage: str) -> None:
    fault = settings.get("fails", {}).get(stage)
    if fault == "crash":
        print("chatter on standard output")
        print("the last words", file=sys.stderr, flush=True)
        os.abort()
    if fault == "exit":
        os._exit(3)
    if fault == "kill":
        os.kill(os.getpid(), 9)
    if fault == "interrupt":
        os.kill(os.getppid(), 2)
    if fault == "hang":
        time.sleep(60)
    if fault == "memory":
        raise MemoryError
    if fault == "error":
        raise BundleError("the file is damaged")
    if fault == "bug":
        raise ValueError("surprise")
