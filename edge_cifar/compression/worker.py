"""The process that trains again: ``python -m edge_cifar.compression.worker``.

In a process of its own because importing tensorflow-model-optimization sets ``TF_USE_LEGACY_KERAS``,
with which coremltools refuses Keras 3 models. It is asked (:mod:`edge_cifar.processes.request_loop`)

    {"folder": F}    -> steps, then the number of the step after every few, then finished

and reads from the folder what to do, and writes into it what came of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow
import tf_keras
from numpy.typing import NDArray

from edge_cifar import backbones
from edge_cifar.backbones import Model
from edge_cifar.compression import folded_model
from edge_cifar.compression.exchange import CLUSTERED, PRUNED, Images, Measurement, Outcome, Request
from edge_cifar.compression.folded_model import FoldedModel, Kernels
from edge_cifar.compression.qat import QuantizationAware
from edge_cifar.compression.sparsity import Clustering, Pruning
from edge_cifar.converters.shared import tf_graph
from edge_cifar.errors import ConversionError
from edge_cifar.processes import request_loop
from edge_cifar.processes.request_loop import Answer, Message

_EVALUATION_BATCH = 250
_CALIBRATION_BATCH = 50
# Of a training: how often its state is measured, and how often it says that it is alive.
_MEASUREMENTS = 4
_STEPS_AN_ANSWER = 5


class Method(Protocol):
    """A way of changing a network that is learnt to be lived with."""

    model: Model

    def begin(self, optimizer: Any) -> None:
        """Called once, before the first step."""
        ...

    def kernels(self) -> Kernels:
        """What a device would compute with, as the training stands."""
        ...


def retrain(request: Request, answer: Answer) -> Outcome:
    """Train a network under quantization, pruning or clustering until it answers as it did before.

    What is learnt are the answers of the network as it came (Hinton et al. 2015, "Distilling the
    Knowledge in a Neural Network"): the variant is to stand for that network, mistakes included.

    Raises:
        ConversionError: the network cannot be written out in tf_keras, or its training diverged.
    """
    start = time.perf_counter()
    tf_keras.utils.set_random_seed(request.seed)
    teacher, folded = _folded(request).network, _folded(request)
    teacher.trainable = False
    steps = math.ceil(request.recipe.epochs * len(request.images.train) / request.recipe.batch_size)
    method = _method(request, folded, steps)
    answer({"steps": steps})
    history = _train(request, teacher, method, steps, answer)
    seconds = time.perf_counter() - start
    flatbuffer = _flatbuffer(method.deployable(), request.by_channel) if isinstance(method, QuantizationAware) else None
    weights = folded.weights(method.kernels())
    return Outcome(weights=weights, steps=steps, history=tuple(history), seconds=seconds, flatbuffer=flatbuffer)


def _folded(request: Request) -> FoldedModel:
    network = request.network
    return folded_model.build(
        tf_keras,
        backbones.get(network.backbone),
        request.weights,
        input_shape=network.input_shape,
        image_size=network.image_size,
        classes=network.classes,
        alpha=network.alpha,
    )


def _method(request: Request, folded: FoldedModel, steps: int) -> Method:
    if request.kind == PRUNED:
        return Pruning(folded.network, request.amount, steps)
    if request.kind == CLUSTERED:
        return Clustering(folded.network, request.amount)
    images = request.images.calibration
    starts = range(0, len(images), _CALIBRATION_BATCH)
    batches = (images[at : at + _CALIBRATION_BATCH].astype(np.float32) for at in starts)
    return QuantizationAware(folded.network, batches, by_channel=request.by_channel)


def _train(request: Request, teacher: Model, method: Method, steps: int, answer: Answer) -> list[Measurement]:
    """Train, and return what was measured before the first step and after each stretch of the training."""
    student, images = method.model, request.images
    schedule = tf_keras.optimizers.schedules.CosineDecay(request.recipe.learning_rate, decay_steps=max(1, steps))
    optimizer = tf_keras.optimizers.Adam(schedule)
    optimizer.build(student.trainable_variables)
    method.begin(optimizer)
    divergence = tf_keras.losses.KLDivergence()

    @tensorflow.function(jit_compile=False)  # type: ignore[untyped-decorator]
    def step(batch: Any) -> Any:
        answers = teacher(batch, training=False)
        with tensorflow.GradientTape() as tape:
            loss = divergence(answers, student(batch, training=True))
        gradients = tape.gradient(loss, student.trainable_variables)
        optimizer.apply_gradients(zip(gradients, student.trainable_variables, strict=True))
        return loss

    history = [Measurement(step=0, val_accuracy=_accuracy(student, images))]
    measured_at = {math.ceil(steps * number / _MEASUREMENTS) for number in range(1, _MEASUREMENTS + 1)}
    losses: list[float] = []
    for number, batch in enumerate(_batches(images, request.recipe.batch_size, steps, request.seed), start=1):
        losses.append(float(step(batch)))
        if not math.isfinite(losses[-1]):
            raise ConversionError(f"training diverged at step {number} of {steps}; its weights are unusable")
        if number in measured_at:
            loss = float(np.mean(losses))
            history.append(Measurement(step=number, val_accuracy=_accuracy(student, images), loss=loss))
            losses = []
        if number % _STEPS_AN_ANSWER == 0 or number == steps:
            answer({"step": number})
    return history


def _accuracy(student: Model, images: Images) -> float:
    answers = student.predict(images.validation.astype(np.float32), batch_size=_EVALUATION_BATCH, verbose=0)
    return float(np.mean(answers.argmax(axis=1) == images.validation_labels))


def _batches(images: Images, size: int, steps: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """Training images in random order, again and again, mirrored and shifted as the network's training did."""
    generator = np.random.default_rng(seed)
    order = np.empty(0, np.int64)
    for _ in range(steps):
        if len(order) < size:
            order = np.concatenate([order, generator.permutation(len(images.train))])
        taken, order = order[:size], order[size:]
        yield _changed(images.train[taken], images, generator).astype(np.float32)


def _changed(batch: NDArray[np.uint8], images: Images, generator: np.random.Generator) -> NDArray[np.uint8]:
    if images.flip:
        mirrored = generator.random(len(batch)) < 0.5
        batch = np.where(mirrored[:, None, None, None], batch[:, :, ::-1], batch)
    reach = int(images.translation * batch.shape[1])
    if reach:
        height, width = batch.shape[1:3]
        padded = np.pad(batch, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="symmetric")
        shifts = generator.integers(0, 2 * reach + 1, (len(batch), 2))
        batch = np.stack(
            [image[top : top + height, left : left + width] for image, (top, left) in zip(padded, shifts, strict=True)]
        )
    return batch


def _flatbuffer(model: Model, by_channel: bool) -> bytes:
    """The file that the quantization-aware network becomes: bytes in, bytes out."""
    lite = tensorflow.lite
    converter = lite.TFLiteConverter.from_concrete_functions([tf_graph.frozen(model, batch=1)], tensorflow.Module())
    converter.optimizations = [lite.Optimize.DEFAULT]
    converter._experimental_disable_per_channel = not by_channel
    converter.inference_input_type = tensorflow.uint8
    converter.inference_output_type = tensorflow.uint8
    return bytes(converter.convert())


def handle(request: Message, answer: Answer) -> None:
    """Serve the request in the folder that the message names."""
    folder = Path(request["folder"])
    retrain(Request.read(folder), answer).write(folder)
    answer({"finished": True})


if __name__ == "__main__":
    request_loop.serve(handle)
