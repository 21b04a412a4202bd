"""Conversions in worker processes, a few side by side, their results as they come."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import psutil

from edge_cifar import machine
from edge_cifar.errors import EdgeCifarError
from edge_cifar.export.worker import Task
from edge_cifar.processes import allocator, exit_status
from edge_cifar.processes.launch import ONE_THREAD, worker_command, worker_environment
from edge_cifar.storage import scratch, strict_json
from edge_cifar.variant import Variant

WORKER = worker_command("edge_cifar.export.worker")
# A little above what a worker was seen to hold at MobileNetV2's size (TensorFlow alone takes 0.6 GB).
_BYTES_PER_WORKER = 2_000_000_000


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What became of one variant in its worker.

    Attributes:
        variant: which.
        facts: for its manifest entry; None when it was not written.
        reason: why it was not written; None when it was.
        seconds: that the conversion took.
        peak_bytes: the largest memory its process had held by then; 0 when that is not known.
    """

    variant: Variant
    facts: Mapping[str, Any] | None = None
    reason: str | None = None
    seconds: float = 0.0
    peak_bytes: int = 0


def default_jobs(tasks: int) -> int:
    """Worker processes to run side by side: as many as there are tasks, processors, and memory for."""
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
    workers = _Workers()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for task in tasks:
                pool.submit(_attend, task, workers, results)
            yield _taken(results, sum(len(task.precisions) for task in tasks))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            workers.end()


def _taken(results: queue.SimpleQueue[Conversion | Exception], count: int) -> Iterator[Conversion]:
    for _ in range(count):
        result = results.get()
        if isinstance(result, Exception):
            raise result
        yield result


class _Workers:
    """The processes that run now; once they were ended no other is started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self.ended = False

    @contextlib.contextmanager
    def working_on(self, task: Task, complaints: Any) -> Iterator[subprocess.Popen[bytes]]:
        # Converters leave packages and programs among temporary files, tens of megabytes an export.
        with scratch.folder("convert") as temporary:
            with self._lock:
                process = subprocess.Popen(
                    WORKER,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=complaints,
                    env={**worker_environment(), **allocator.settings(), **ONE_THREAD, "TMPDIR": str(temporary)},
                    # Ctrl-C reaches the command alone, which then ends its workers in good order.
                    start_new_session=True,
                )
                self._running.add(process)
                if self.ended:
                    process.kill()
            with process:
                assert process.stdin is not None
                try:
                    with contextlib.suppress(BrokenPipeError):
                        # Left open: its end tells the worker that nobody waits for it any more.
                        process.stdin.write(task.request().encode() + b"\n")
                        process.stdin.flush()
                    yield process
                finally:
                    process.kill()
                    with self._lock:
                        self._running.discard(process)

    def end(self) -> None:
        """Kill them all."""
        with self._lock:
            self.ended = True
            for process in self._running:
                process.kill()


def _attend(task: Task, workers: _Workers, results: queue.SimpleQueue[Conversion | Exception]) -> None:
    """Have a task worked on until all its variants are written or given up."""
    try:
        left = list(task.precisions)
        while left and not workers.ended:
            for result in _one_process(replace(task, precisions=tuple(left)), workers):
                results.put(result)
                left.remove(result.variant.precision)
    except Exception as error:  # handed to the thread that waits for the results
        results.put(error)


def _one_process(task: Task, workers: _Workers) -> Iterator[Conversion]:
    """What one process makes of a task; if it dies, that is the result of the variant it died of, and the last."""
    waiting = [Variant(task.format, precision) for precision in task.precisions]
    with tempfile.TemporaryFile() as complaints, workers.working_on(task, complaints) as process:
        assert process.stdout is not None
        for line in process.stdout:
            answer = strict_json.message(line)
            if "refused" in answer:
                raise EdgeCifarError(answer["refused"])
            yield Conversion(
                variant=waiting.pop(0),
                facts=answer.get("facts"),
                reason=answer.get("error"),
                seconds=answer["seconds"],
                peak_bytes=answer["peak_bytes"],
            )
        if waiting and not workers.ended:
            complaints.seek(0)
            death = exit_status.of(process.wait(), complaints.read().decode("utf-8", errors="replace"))
            advice = "; try --jobs 1" if death.starved else ""
            yield Conversion(variant=waiting[0], reason=death.cause + advice)
