"""Keeps the output of converters and runtimes off the user's terminal.

TensorFlow's converter, LiteRT and coremltools print from C++ too, past ``sys.stdout``, so the file
descriptors themselves are redirected; and the Python streams as well, since in a notebook those do
not lead to the descriptors.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

_STDOUT, _STDERR = 1, 2


@dataclass
class Chatter:
    """What was printed while it was captured; empty until the capture has ended."""

    text: str = ""


@contextlib.contextmanager
def captured() -> Iterator[Chatter]:
    """Redirect standard output and standard error of the whole process.

    Yields:
        what was printed, filled in when the block ends, an exception included, so that a caller can
        show it when the work fails. Warnings are dropped: they are the called package's own.
    """
    chatter = Chatter()
    with tempfile.TemporaryFile() as sink:
        _flush()
        kept = {descriptor: os.dup(descriptor) for descriptor in (_STDOUT, _STDERR)}
        try:
            for descriptor in kept:
                os.dup2(sink.fileno(), descriptor)
            with _streams_to_descriptors(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield chatter
        finally:
            _flush()
            for descriptor, copy in kept.items():
                os.dup2(copy, descriptor)
                os.close(copy)
            sink.seek(0)
            chatter.text = sink.read().decode("utf-8", errors="replace")


class _Diverted(io.TextIOBase):
    """A stream that writes to a file descriptor until it is handed back.

    A logging handler made meanwhile may hold on to it for ever, so it then leads where it would have.
    """

    def __init__(self, descriptor: int, original: TextIO) -> None:
        self._descriptor: int | None = descriptor
        self._original = original

    def write(self, text: str) -> int:
        if self._descriptor is None:
            return self._original.write(text)
        os.write(self._descriptor, text.encode("utf-8", errors="replace"))
        return len(text)

    def flush(self) -> None:
        # Python flushes it once more when it goes, which may be after the original.
        if self._descriptor is None and not self._original.closed:
            self._original.flush()

    def hand_back(self) -> None:
        self._descriptor = None


@contextlib.contextmanager
def _streams_to_descriptors() -> Iterator[None]:
    stdout, stderr = sys.stdout, sys.stderr
    diverted = _Diverted(_STDOUT, stdout), _Diverted(_STDERR, stderr)
    try:
        with contextlib.redirect_stdout(diverted[0]), contextlib.redirect_stderr(diverted[1]):
            yield
    finally:
        for stream in diverted:
            stream.hand_back()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
