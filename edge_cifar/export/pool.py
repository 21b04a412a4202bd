"""Parallel conversions in worker processes, with results in the order in which they finish."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator, Sequence
from dataclasses import replace

import psutil

from edge_cifar import machine
from edge_cifar.errors import EdgeCifarError
from edge_cifar.export.worker import Conversion, Task
from edge_cifar.processes import allocator
from edge_cifar.processes.launch import ONE_THREAD, worker_command
from edge_cifar.processes.worker import RefusedError, WorkerError
from edge_cifar.processes.worker_pool import WorkerPool
from edge_cifar.storage import scratch
from edge_cifar.variant import Variant

WORKER = worker_command("edge_cifar.export.worker")
# A little above the measured memory of a worker for MobileNetV2 (TensorFlow alone takes 0.6 GB).
_BYTES_PER_WORKER = 2_000_000_000
_ADVICE = "; try --jobs 1"


def default_jobs(tasks: int) -> int:
    """Number of parallel worker processes: limited by tasks, processors and memory."""
    room = psutil.virtual_memory().available // _BYTES_PER_WORKER
    return max(1, min(tasks, machine.usable_cores(), room))


@contextlib.contextmanager
def converting(tasks: Sequence[Task], jobs: int) -> Iterator[Iterator[Conversion]]:
    """Convert tasks in at most ``jobs`` processes at a time.

    Yields:
        the results, in the order in which they come; it raises EdgeCifarError when a worker finds that
        nothing can be converted. Processes that still run when the block is left are killed.
    """
    results: queue.SimpleQueue[Conversion | Exception] = queue.SimpleQueue()
    with WorkerPool(jobs) as pool:
        for task in tasks:
            pool.submit(_attend, task, pool, results)
        yield _taken(results, sum(len(task.precisions) for task in tasks))


def _taken(results: queue.SimpleQueue[Conversion | Exception], count: int) -> Iterator[Conversion]:
    for _ in range(count):
        result = results.get()
        if isinstance(result, Exception):
            raise result
        yield result


def _attend(task: Task, pool: WorkerPool, results: queue.SimpleQueue[Conversion | Exception]) -> None:
    """Work on a task until all its variants are written or have failed."""
    try:
        left = list(task.precisions)
        while left and not pool.closed:
            for result in _one_process(replace(task, precisions=tuple(left)), pool):
                results.put(result)
                left.remove(result.variant.precision)
    except Exception as error:  # passed on to the thread that waits for the results
        results.put(error)


def _one_process(task: Task, pool: WorkerPool) -> Iterator[Conversion]:
    """The results of a task in one process; if it fails, that is the last result, of the variant it failed at."""
    # Converters leave tens of megabytes of temporary files per export.
    with scratch.folder("convert") as temporary:
        environment = {**allocator.settings(), **ONE_THREAD, "TMPDIR": str(temporary)}
        with pool.worker(WORKER, environment) as worker:
            worker.send(task.to_json())
            for precision in task.precisions:
                variant = Variant(task.format, precision)
                try:
                    answer = worker.receive()
                except RefusedError as refusal:
                    raise EdgeCifarError(str(refusal)) from refusal
                except WorkerError as error:
                    yield Conversion(variant=variant, reason=f"{error}{_ADVICE if error.out_of_memory else ''}")
                    return
                yield Conversion.from_json(answer)
