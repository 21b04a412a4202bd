"""Several devices of one machine train one model: each takes its share of every batch, all keep the same weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import TrainingError


def devices() -> Sequence[str]:
    """Where there are GPUs, those that training can be spread over; Keras on PyTorch trains on one alone."""
    names: list[str] = keras.distribution.list_devices() if keras.backend.backend() in _OVER else []
    return names


@contextmanager
def over(names: Sequence[str], batch_size: int) -> Iterator[None]:
    """Within this context models are made on all of several devices, and fitted on all of them.

    Args:
        names: the devices, as Keras names them, such as ``gpu:0``; of fewer than two nothing is made.
        batch_size: of training, over all devices.

    Raises:
        TrainingError: the devices cannot share such a batch.
    """
    with _OVER[keras.backend.backend()](names, batch_size) if len(names) > 1 else nullcontext():
        yield


def _over_tensorflow(names: Sequence[str], batch_size: int) -> Any:
    return _strategy(tuple(names)).scope()


@cache
def _strategy(names: tuple[str, ...]) -> Any:
    """One for a process: sums of two strategies meet under the same keys (TensorFlow 2.21)."""
    import tensorflow

    return tensorflow.distribute.MirroredStrategy(list(names))


@contextmanager
def _over_jax(names: Sequence[str], batch_size: int) -> Iterator[None]:
    if batch_size % len(names):
        raise TrainingError(
            f"JAX splits each batch evenly among {len(names)} devices; --batch-size must be a multiple of "
            f"{len(names)}, got {batch_size}"
        )
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=list(names)))
    try:
        yield
    finally:
        keras.distribution.set_distribution(None)


_OVER = {"tensorflow": _over_tensorflow, "jax": _over_jax}


def even(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """An epoch's images, ``[N]``, so many that JAX's devices have equal shares of the last batch too.

    Fewer are left out than there are devices, and others in each epoch.
    """
    distribution = keras.distribution.distribution()
    return order if distribution is None else order[: len(order) - len(order) % distribution.num_model_replicas]


@contextmanager
def undivided() -> Iterator[None]:
    """Within this context batches of any size may be predicted: JAX gives each device the whole of them."""
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)
