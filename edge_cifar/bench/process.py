"""The coordinator's end of a worker: starts it, asks it, and turns its death into a sentence."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from typing import Any

from edge_cifar.errors import MeasurementError
from edge_cifar.processes import exit_status
from edge_cifar.processes.launch import worker_command, worker_environment
from edge_cifar.storage import strict_json

WORKER = worker_command("edge_cifar.bench.worker")


class WorkerError(MeasurementError):
    """A worker crashed, hung or refused a request; the message is the reason of its row.

    Attributes:
        unavailable: whether the request is beyond this machine or this file, and nothing is broken.
    """

    def __init__(self, reason: str, *, unavailable: bool = False) -> None:
        super().__init__(reason)
        self.unavailable = unavailable


class WorkerProcess:
    """A running worker. Use it as a context manager, or close it."""

    def __init__(self) -> None:
        # A file, not a pipe: a runtime that chatters must not block on a pipe that nobody reads.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it
        self._process = subprocess.Popen(
            WORKER,
            env=worker_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            bufsize=0,
            # Ctrl-C reaches the coordinator alone, which then ends its workers in good order.
            start_new_session=True,
        )
        self._unread = b""

    def ask(self, action: str, *, timeout: float, **arguments: Any) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Args:
            action: what to do, see :mod:`edge_cifar.bench.worker`.
            timeout: seconds to wait; a worker that takes longer is ended.
            **arguments: of the action, JSON-safe.

        Raises:
            WorkerError: the worker died, did not answer in time, or answered with an error.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": action, **arguments}).encode() + b"\n")
            answer = strict_json.message(self._line(timeout))
        except ValueError as error:
            self.close()
            raise WorkerError(f"it answered {action!r} with what is no JSON: {error}") from None
        except (BrokenPipeError, EOFError):
            raise WorkerError(self._cause_of_death()) from None
        except TimeoutError:
            self.close()
            raise WorkerError(f"it hung: no answer to {action!r} within {timeout:.0f} s") from None
        if "error" in answer:
            raise WorkerError(str(answer["error"]), unavailable=bool(answer.get("unavailable")))
        assert isinstance(answer, dict)
        return answer

    def close(self) -> None:
        """End the worker, if it is still there."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            if stream is not None:
                stream.close()

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _line(self, timeout: float) -> bytes:
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        end = time.monotonic() + timeout
        while b"\n" not in self._unread:
            ready, _, _ = select.select([output], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError
            piece = os.read(output, 1 << 16)
            if not piece:
                raise EOFError
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _cause_of_death(self) -> str:
        status = self._process.wait()
        self._complaints.seek(0)
        return exit_status.of(status, self._complaints.read().decode("utf-8", errors="replace")).cause
