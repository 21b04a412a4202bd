"""Parallel workers: threads that each wait for one, and a shutdown that leaves neither thread nor worker behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, Self, TypeVar

from edge_cifar.processes.worker import Worker, WorkerError

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")


class WorkerPool:
    """Threads that run workers; all end with the block in which the pool is opened.

    Args:
        size: how many threads, and so workers, run at once.

    Attributes:
        closed: whether it has ended; no worker is started any more.
    """

    def __init__(self, size: int) -> None:
        self.closed = False
        self._threads = ThreadPoolExecutor(size)
        self._lock = threading.Lock()
        self._running: set[Worker] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self.closed = True
            for worker in self._running:
                worker.kill()
        self._threads.shutdown(cancel_futures=True)

    def submit(
        self, work: Callable[Parameters, Result], *arguments: Parameters.args, **named: Parameters.kwargs
    ) -> Future[Result]:
        """Run a function that waits for a worker in one of the threads."""
        return self._threads.submit(work, *arguments, **named)

    @contextmanager
    def worker(self, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Worker]:
        """A worker of this pool, for the length of a block.

        Args:
            command: as :class:`edge_cifar.processes.worker.Worker` takes it.
            environment: likewise.

        Raises:
            WorkerError: the pool has ended.
        """
        with self._lock:
            if self.closed:
                raise WorkerError("its process was not started again")
            worker = Worker(command, environment)
            self._running.add(worker)
        try:
            yield worker
        finally:
            with self._lock:
                self._running.discard(worker)
            worker.close()
