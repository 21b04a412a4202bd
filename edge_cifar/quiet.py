"""Keeps the chatter of converters and runtimes off the user's terminal.

TensorFlow's converter, LiteRT and coremltools print from C++ and at import, past ``sys.stdout``, so
the file descriptors themselves are turned aside.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

_STDOUT, _STDERR = 1, 2


@dataclass
class Chatter:
    """What was printed while it was captured; empty until the capture has ended."""

    text: str = ""


@contextlib.contextmanager
def captured() -> Iterator[Chatter]:
    """Turn standard output and standard error of the whole process aside.

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
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield chatter
        finally:
            _flush()
            for descriptor, copy in kept.items():
                os.dup2(copy, descriptor)
                os.close(copy)
            sink.seek(0)
            chatter.text = sink.read().decode("utf-8", errors="replace")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
