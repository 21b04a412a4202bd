"""Worker processes: how every part of this toolkit that runs native code starts, asks and ends them.

Runtimes and converters are native code that a damaged file can crash, hang or drive out of memory. In a worker, that
fails one request, with the reason in words, and never the command. A worker

- runs in a session of its own, so that Ctrl-C only reaches the command, which then shuts its workers down in order;
- ends with its client, even when that is killed (:mod:`.request_loop`);
- takes no module from the working directory (:mod:`.launch`).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from edge_cifar.errors import EdgeCifarError
from edge_cifar.processes import exit_status
from edge_cifar.processes.launch import worker_environment
from edge_cifar.processes.request_loop import Message
from edge_cifar.storage import strict_json

# How much of a worker's standard error is kept to explain its exit.
_STDERR_TAIL_BYTES = 1 << 16
_NOTHING_MORE: Mapping[str, str] = MappingProxyType({})


class WorkerError(EdgeCifarError):
    """A worker did not do what it was asked; the message says why, as the rest of a sentence about what it ran.

    Attributes:
        unavailable: whether this machine or file does not support it, rather than failing.
        out_of_memory: whether memory ran out, for certain or most likely.
    """

    def __init__(self, reason: str, *, unavailable: bool = False, out_of_memory: bool = False) -> None:
        super().__init__(reason)
        self.unavailable = unavailable
        self.out_of_memory = out_of_memory


class RefusedError(WorkerError):
    """A worker refused a request with an error of this toolkit, whose message this is."""


class Worker:
    """A running worker. Use it as a context manager, or close it.

    Args:
        command: its command line, such as :func:`edge_cifar.processes.launch.worker_command` gives it.
        environment: variables to set beside those of :func:`edge_cifar.processes.launch.worker_environment`.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] = _NOTHING_MORE) -> None:
        # A file, not a pipe: a runtime that prints a lot must not block on a pipe that nobody reads.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it
        self._process = subprocess.Popen(
            command,
            env={**worker_environment(), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
        )
        self._unread = b""

    def ask(self, request: Message, *, seconds: float | None = None) -> Message:
        """Send a request and wait for its first answer; see :meth:`receive`."""
        self.send(request)
        return self.receive(seconds=seconds)

    def send(self, request: Message) -> None:
        """Send a request; a failure to deliver it is reported by :meth:`receive`."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()

    def receive(self, *, seconds: float | None = None) -> Message:
        """Wait for the next answer.

        Args:
            seconds: the longest to wait; a worker that takes longer is ended. None waits as long as it takes.

        Raises:
            RefusedError: the worker refused the request.
            WorkerError: it failed at the request, ended, sent an invalid message, or took too long.
        """
        line = self._line(seconds)
        try:
            answer = strict_json.message(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            self.close()
            raise WorkerError(f"its process sent an invalid message: {line[:100]!r}")
        if "refused" in answer:
            raise RefusedError(answer["refused"], unavailable=answer["unavailable"])
        if "failed" in answer:
            raise self._with_stderr(WorkerError(answer["failed"], out_of_memory=answer["out_of_memory"]))
        return answer

    def kill(self) -> None:
        """End the process, from any thread; a thread that waits for its answer gets an error."""
        self._process.kill()

    def close(self) -> None:
        """End the process, if it is still there."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            # Closing flushes what could not be written before.
            with contextlib.suppress(BrokenPipeError):
                if stream is not None:
                    stream.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _line(self, seconds: float | None) -> bytes:
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        end = None if seconds is None else time.monotonic() + seconds
        while b"\n" not in self._unread:
            ready, _, _ = select.select([output], [], [], None if end is None else max(0.0, end - time.monotonic()))
            if not ready:
                self.close()
                raise WorkerError(f"it did not answer within {seconds:.0f} s")
            piece = os.read(output, 1 << 16)
            if not piece:
                raise self._ended()
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _ended(self) -> WorkerError:
        meaning = exit_status.of(self._process.wait(), self._stderr_tail())
        return self._with_stderr(WorkerError(meaning.cause, out_of_memory=meaning.out_of_memory))

    def _with_stderr(self, error: WorkerError) -> WorkerError:
        """The error, with what the process wrote as a note for ``--debug``."""
        if said := self._stderr_tail().strip():
            error.add_note("The process wrote:\n" + said)
        return error

    def _stderr_tail(self) -> str:
        size = os.fstat(self._stderr.fileno()).st_size
        tail = os.pread(self._stderr.fileno(), _STDERR_TAIL_BYTES, max(0, size - _STDERR_TAIL_BYTES))
        return tail.decode("utf-8", errors="replace")
