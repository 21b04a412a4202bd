"""Trains a model's weights again, in a process of its own: the caller's end of it.

The other end, and why there is one: :mod:`edge_cifar.compression.worker`.
"""

from __future__ import annotations

from collections.abc import Callable

from edge_cifar import packages
from edge_cifar.compression.exchange import Outcome, Request
from edge_cifar.errors import ConversionError, MissingPackage
from edge_cifar.processes import allocator
from edge_cifar.processes.launch import worker_command
from edge_cifar.processes.worker import RefusedError, Worker, WorkerError
from edge_cifar.storage import scratch

PACKAGES = ("tensorflow", "tf_keras", "tensorflow_model_optimization")
WORKER = worker_command("edge_cifar.compression.worker")
# It answers every few steps; before the first it imports TensorFlow and measures, behind the last it converts.
_SILENCE_SECONDS = 1800.0


def retrain(
    request: Request,
    *,
    started: Callable[[int], None] = lambda steps: None,
    advanced: Callable[[int], None] = lambda steps: None,
) -> Outcome:
    """Train a network's weights again, in a process of its own, which does not outlive this call.

    Args:
        request: what to train, how, and on what.
        started: told the number of steps.
        advanced: told of steps that were made.

    Raises:
        ConversionError: the process refused the network, crashed, or fell silent.
        MissingPackage: tensorflow-model-optimization or tf_keras is not installed.
    """
    if absent := missing():
        raise absent
    with scratch.folder("retrain") as folder, Worker(WORKER, _environment()) as worker:
        request.write(folder)
        try:
            steps = worker.ask({"folder": str(folder)}, seconds=_SILENCE_SECONDS)["steps"]
            started(steps)
            done = 0
            while "finished" not in (answer := worker.receive(seconds=_SILENCE_SECONDS)):
                advanced(answer["step"] - done)
                done = answer["step"]
        except RefusedError as refusal:
            raise ConversionError(str(refusal)) from refusal
        except WorkerError as error:
            raise ConversionError(f"its weights cannot be retrained: {error}") from error
        return Outcome.read(folder)


def missing() -> MissingPackage | None:
    """What training again lacks on this machine."""
    absent = [package for package in PACKAGES if not packages.installed(package)]
    return MissingPackage(absent[0], "convert") if absent else None


def _environment() -> dict[str, str]:
    # Set for the worker alone: this process and its other workers stay with Keras 3.
    return {**allocator.settings(), "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
