"""This machine's peak compute in MACs per second, measured in a worker, which is this module."""

from __future__ import annotations

import time
from collections.abc import Collection

import numpy as np
import threadpoolctl

from edge_cifar.errors import MeasurementError
from edge_cifar.processes import request_loop
from edge_cifar.processes.launch import worker_command
from edge_cifar.processes.worker import Worker, WorkerError

WORKER = worker_command("edge_cifar.bench.peak")

# Three matrices of a megabyte each: small enough for the cache, large enough to outweigh the start-up cost.
_SIDE = 512
_SECONDS = 0.3
_PATIENCE_SECONDS = 60.0


def multiply_adds_per_s(threads: int, features: Collection[str]) -> float:
    """The fastest of repeated products of two square float32 matrices by NumPy's BLAS, in its own process.

    Networks in float32 stay below it; int8 networks may exceed it, since an instruction then holds four times as
    many numbers.

    Args:
        threads: how many may compute it.
        features: of the processor, as :func:`edge_cifar.machine.identity` names them. OpenBLAS takes processors
            that it does not know for older ones (an AMD EPYC of 2024 reached half its speed), and reads only
            when it is loaded that it should not.

    Raises:
        MeasurementError: the product failed.
    """
    kernels = {"OPENBLAS_CORETYPE": "SkylakeX"} if "avx512" in features else {}
    try:
        with Worker(WORKER, kernels) as worker:
            return float(worker.ask({"threads": threads}, seconds=_PATIENCE_SECONDS)["multiply_adds_per_s"])
    except WorkerError as error:
        raise MeasurementError(f"cannot measure the machine's peak speed: {error}") from error


def _best(threads: int) -> float:
    random = np.random.default_rng(0)
    left, right = (random.random((_SIDE, _SIDE), dtype=np.float32) for _ in range(2))
    product = np.empty_like(left)
    best = float("inf")
    with threadpoolctl.threadpool_limits(threads, user_api="blas"):
        end = time.perf_counter() + _SECONDS
        while time.perf_counter() < end or best == float("inf"):
            start = time.perf_counter()
            np.matmul(left, right, out=product)
            best = min(best, time.perf_counter() - start)
    return float(_SIDE**3 / best)


if __name__ == "__main__":
    request_loop.serve(lambda request, answer: answer({"multiply_adds_per_s": _best(request["threads"])}))
