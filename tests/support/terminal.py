"""What a command prints on a terminal of some width: a real pseudo-terminal, in this process."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from rich.cells import cell_len


@dataclass(frozen=True)
class Screen:
    """What was written to a terminal.

    Attributes:
        raw: with all escape sequences.
        status: what the command returned.
    """

    raw: str
    status: int

    @property
    def lines(self) -> list[str]:
        """Its lines as they are seen, what a progress bar overwrote among them."""
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw)
        return [line for line in re.split(r"[\r\n]+", text) if line]

    @property
    def widest(self) -> int:
        """Columns that its longest line takes."""
        return max(map(cell_len, self.lines))

    def row(self, first: str) -> str:
        """The one line that begins with a word."""
        (line,) = (line for line in self.lines if line.split()[:1] == [first])
        return line


def on_terminal(width: int, call: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Call something whose standard output and error are a terminal of a width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    read: list[bytes] = []

    def drain() -> None:
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # EIO: the other end was closed
                return
            if not piece:
                return
            read.append(piece)

    drained = threading.Thread(target=drain)
    drained.start()
    with monkeypatch.context() as patched:
        patched.delenv("COLUMNS", raising=False)
        with os.fdopen(theirs, "w", encoding="utf-8") as stream:
            patched.setattr(sys, "stdout", stream)
            patched.setattr(sys, "stderr", stream)
            status = call()
    drained.join()
    os.close(ours)
    return Screen(b"".join(read).decode("utf-8"), status)
