"""A small network and a run around it, for tests that convert and export."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_cifar import packages
from edge_cifar.converters import Calibration
from edge_cifar.data.loading import load
from edge_cifar.documents.conversion_record import ConversionRecord
from edge_cifar.documents.parity_check import ParityCheck
from edge_cifar.documents.run import Run
from edge_cifar.errors import ConversionError
from edge_cifar.export import pool
from edge_cifar.export import worker as conversion_worker
from edge_cifar.export.acceptance import Acceptance, Outcome
from edge_cifar.export.worker import Conversion, Task
from edge_cifar.formats import tflite
from edge_cifar.parity import processes, worker
from edge_cifar.parity.processes import Answers, Question, Refusal, Workers
from edge_cifar.precision import Precision
from edge_cifar.storage import files
from edge_cifar.variant import Variant

LABELS = tuple(f"class {number}" for number in range(10))
SIZE = 24


def network() -> Any:
    """Resizing, rescaling, a convolution, a depthwise one and batch norms: what converters trip over.

    Untrained, but with statistics that batch normalization notices, so that a network exported in
    training mode gives other answers.
    """
    keras = packages.require_keras()
    layers = keras.layers
    keras.utils.set_random_seed(7)
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Resizing(SIZE, SIZE)(image)
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(x)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(6.0)(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(6.0)(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(10, activation="softmax", kernel_initializer=keras.initializers.RandomNormal(stddev=4.0))(x)
    model = keras.Model(image, x)
    generator = np.random.default_rng(7)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    generator.uniform(0.5, 1.5, gamma.shape),
                    generator.uniform(0.5, 1.0, beta.shape),
                    generator.uniform(-0.2, 0.2, mean.shape),
                    generator.uniform(0.2, 0.8, variance.shape),
                ]
            )
    return model


def pictures(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth random images, uint8 ``[count, 32, 32, 3]``, of very different colours."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


def calibration(count: int = 32) -> Calibration:
    return Calibration(images=pictures(count, seed=1), indices=np.arange(count), seed=1)


def breaking_network(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Any:
    """A network that 8 bits break at the layers ``wild`` and ``after``: their channels' ranges differ 5,000-fold.

    Its last layer is fitted to the images by least squares, so that there is accuracy to lose.
    """
    keras = packages.require_keras()
    layers = keras.layers
    keras.utils.set_random_seed(7)
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="first")(x)
    wild = layers.Conv2D(8, 3, activation="relu", name="wild")
    after = layers.Conv2D(24, 3, strides=2, activation="relu", name="after")
    x = layers.AveragePooling2D(2)(after(wild(x)))
    features = keras.Model(image, layers.Flatten()(x))
    factors = np.ones(8, np.float32)
    factors[0] = 5000
    # A channel that is stretched before a ReLU and shrunk behind it leaves the answers as they are.
    wild.kernel.assign(wild.kernel.numpy() * factors)
    after.kernel.assign(after.kernel.numpy() / factors[:, np.newaxis])
    seen = features.predict(images.astype(np.float32), verbose=0)
    mean = seen.mean(axis=0)
    wanted = 8 * np.eye(10)[labels] - 4
    system = np.concatenate([seen - mean, 0.3 * np.eye(seen.shape[1])])
    kernel = np.linalg.lstsq(system, np.concatenate([wanted, np.zeros((seen.shape[1], 10))]), rcond=None)[0]
    last = layers.Dense(10, activation="softmax", name="last")
    model = keras.Model(image, last(features.output))
    last.set_weights([kernel, wanted.mean(axis=0) - mean @ kernel])
    return model


def stand_in_run(folder: Path, *, limit: int = 1200, validation_split: float = 0.5, model: Any = None) -> Run:
    """A run folder as ``train`` leaves it, around the untrained network or another; 600 validation images."""
    dataset = load("synthetic", limit=limit, seed=0)
    run = Run(folder)
    folder.mkdir(parents=True)
    (model or network()).save(run.model_path)
    validation = int(limit * validation_split)
    files.write_json(
        run.record_path,
        {
            "kind": "run",
            "schema": 2,
            "backbone": "simple-cnn",
            "alpha": 1.0,
            "history": [],
            "phases": [],
            "seconds": 1.0,
            "validation": {"top1": 0.1, "low": 0.05, "high": 0.15, "images": validation},
            "parameters": 1000,
            "multiply_adds": 100_000,
            "image_size": 32,
            "recipe_name": "default",
            "recipe": {"validation_split": validation_split},
            "weights": "none",
            "seed": 0,
            "data": {
                "name": "synthetic",
                "checksum": dataset.checksum,
                "synthetic": True,
                "labels": list(dataset.labels),
                "image_shape": [32, 32, 3],
                "limit": limit,
                "train_images": limit - validation,
                "validation_images": validation,
                "test_images": len(dataset.test),
            },
            "test": {
                "top1": 0.1,
                "low": 0.05,
                "high": 0.15,
                "images": len(dataset.test),
                "precision": 0.1,
                "recall": 0.1,
                "f1": 0.1,
                "calibration_error": 0.05,
            },
        },
    )
    return run


@contextlib.contextmanager
def converting_here(tasks: Sequence[Task], jobs: int) -> Iterator[Iterator[Conversion]]:
    """As :func:`edge_cifar.export.pool.converting`, but in this process."""
    yield (conversion for task in tasks for conversion in conversion_worker.convert(task))


def answering_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have artifacts answer in this process, one after another: for what is about their answers alone."""

    def submit(workers: Workers, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*arguments))
        return future

    def answers(workers: Workers, artifact: Path, question: Question) -> Answers | Refusal:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            worker.answer_images(artifact, question.images, question.start, question.stop, question.views, out)
            return processes._read_answers(out, 0.0)

    monkeypatch.setattr(Workers, "submit", submit)
    monkeypatch.setattr(Workers, "answers", answers)
    monkeypatch.setattr(Workers, "latency_ms", lambda workers, artifact, images, runs: 1.0)


def quick_converter_for(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A converter that writes a word, and a check that takes it: for what does not depend on either."""

    def convert(model: Any, precision: Precision, *, path: Path, **_: Any) -> ConversionRecord:
        if precision.name == "int16x8":
            raise ConversionError("tflite cannot represent this model in int16x8: Bessel")
        files.write_text(path, precision.name)
        return ConversionRecord()

    def check(acceptance: Acceptance, variant: Variant, path: Path) -> Outcome:
        parity = ParityCheck(status="unverified", reason="not run")
        silent = Refusal(reason="not run", unavailable=True, seconds=0.0)
        if variant.precision == "int8":
            return Outcome(parity=parity, failed=("accuracy",), reason="drops 9 points", answers=silent)
        return Outcome(parity=parity, answers=silent)

    stub = SimpleNamespace(convert=convert)
    # A word is no model file that could be looked into.
    quick = replace(tflite.FORMAT, converter=lambda: stub, reader=None)
    monkeypatch.setattr(tflite, "FORMAT", quick)
    monkeypatch.setattr(Acceptance, "check", check)
    monkeypatch.setattr(Acceptance, "latency_ms", lambda acceptance, path: None)
    monkeypatch.setattr(pool, "converting", converting_here)
    return stub
