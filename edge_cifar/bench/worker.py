"""The process that measures one artifact: ``python -m edge_cifar.bench.worker``.

It imports no heavy package but NumPy and its runtime, so that memory and time are the artifact's.
Requests and answers are JSON objects, one a line, on standard input and output:

    {"do": "start", "runtime": NAME}                 -> import_ms, resident_bytes, own_cost_ns
    {"do": "load", "path": P, "threads": N, "setup": {...}}   -> load_ms, input_shape, any_size, classes, labels, batch,
                                                        preprocessing, input
    {"do": "first", "images": NPY or null}           -> first_ms
    {"do": "warm_up", "seconds": X}                  -> inferences, stable
    {"do": "window", "seconds": X, "minimum": N}     -> samples_ns, cpu_seconds
    {"do": "memory"}                                 -> peak_bytes
    {"do": "reload", "times": N}                     -> load_ms (a list)
    {"do": "profile", "images": NPY or null, "seconds": X}    -> operators (a list)
    {"do": "predict", "images": NPY, "start": A, "stop": B, "answers": NPY}   -> images

How errors are reported, and how it ends with its client: :mod:`edge_cifar.processes.request_loop`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar import formats, packages
from edge_cifar.bench import timing
from edge_cifar.errors import BundleError
from edge_cifar.pixels import PLAIN, Images, Setup, described
from edge_cifar.processes import memory, request_loop
from edge_cifar.processes.request_loop import Message
from edge_cifar.runtimes import Runtime, RuntimeModule
from edge_cifar.storage import archives


class Measurement:
    """One artifact in one runtime, from import to predictions."""

    _module: RuntimeModule
    _path: Path
    _threads: int
    _setup: Setup = PLAIN
    _runtime: Runtime
    _infer: Callable[[], object]

    def answer(self, request: Message) -> Message:
        """Carry out one request."""
        actions: dict[str, Callable[..., Message]] = {
            "start": self._start,
            "load": self._load,
            "first": self._first,
            "warm_up": self._warm_up,
            "window": self._window,
            "memory": self._memory,
            "reload": self._reload,
            "profile": self._profile,
            "predict": self._predict,
        }
        arguments = dict(request)
        return actions[arguments.pop("do")](**arguments)

    def _start(self, runtime: str) -> Message:
        own_cost_ns = timing.own_cost()
        start = time.perf_counter()
        self._module = formats.runtime(runtime)
        # Imported here, so that neither load time nor the artifact's memory counts it.
        packages.require(self._module.LIBRARY, "device" if self._module.DEVICE else "train")
        import_ms = _milliseconds_since(start)
        return {"import_ms": import_ms, "resident_bytes": memory.resident_bytes(), "own_cost_ns": own_cost_ns}

    def _load(self, path: str, threads: int, setup: Mapping[str, Any] | None = None) -> Message:
        self._path, self._threads, self._setup = Path(path), threads, Setup.from_json(setup or {})
        start = time.perf_counter()
        self._runtime = self._loaded()
        load_ms = _milliseconds_since(start)
        return {
            "load_ms": load_ms,
            "input_shape": [int(side) for side in self._runtime.input_shape],
            "classes": int(self._runtime.classes),
            "batch": int(self._runtime.batch),
            "any_size": bool(self._runtime.any_size),
            "labels": self._labels(),
            "preprocessing": asdict(self._runtime.preprocessing),
            "input": described(self._runtime.preprocessing, self._runtime.range_ground),
        }

    def _labels(self) -> tuple[str, ...] | None:
        try:
            return self._runtime.labels
        except BundleError:
            # Damaged names do not keep the file from being measured.
            return None

    def _first(self, images: str | None) -> Message:
        self._infer = self._runtime.single(self._image(images))
        return {"first_ms": timing.once(self._infer) / 1e6}

    def _warm_up(self, seconds: float) -> Message:
        done = timing.warm_up(self._infer, seconds)
        return {"inferences": done.inferences, "stable": done.stable}

    def _window(self, seconds: float, minimum: int) -> Message:
        cpu = time.process_time()
        samples = timing.window(self._infer, seconds, minimum)
        return {"samples_ns": samples, "cpu_seconds": time.process_time() - cpu}

    def _memory(self) -> Message:
        return {"peak_bytes": memory.peak_bytes()}

    def _reload(self, times: int) -> Message:
        durations = []
        for _ in range(times):
            start = time.perf_counter()
            self._loaded()
            durations.append(_milliseconds_since(start))
        return {"load_ms": durations}

    def _profile(self, images: str | None, seconds: float) -> Message:
        found = self._module.profile(
            self._path, self._image(images), threads=self._threads, setup=self._setup, seconds=seconds
        )
        return {"operators": [asdict(operator) for operator in found]}

    def _predict(self, images: str, start: int, stop: int, answers: str) -> Message:
        part: Images = archives.mapped(images)[start:stop]
        probabilities = self._runtime.predict(np.ascontiguousarray(part))
        np.save(answers, probabilities, allow_pickle=False)
        return {"images": len(probabilities)}

    def _loaded(self) -> Runtime:
        return self._module.load(self._path, threads=self._threads, setup=self._setup)

    def _image(self, images: str | None) -> Images:
        """The first image of the data if it fits the artifact, otherwise fixed noise."""
        shape = tuple(self._runtime.input_shape)
        if images is not None:
            first: Images = np.array(archives.mapped(images)[0])
            if first.shape == shape:
                return first
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _milliseconds_since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    measurement = Measurement()
    request_loop.serve(lambda request, answer: answer(measurement.answer(request)))
