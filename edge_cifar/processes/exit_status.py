"""What a worker's exit status means, in words: one classification and one wording for every kind of worker."""

from __future__ import annotations

import signal
from dataclasses import dataclass

# How C++, Python and NumPy report it in their last line of output.
_OUT_OF_MEMORY = ("bad_alloc", "MemoryError")


@dataclass(frozen=True, kw_only=True)
class ExitStatus:
    """Why a worker process ended.

    Attributes:
        cause: what happened; begins with "its process", and ends with the last line that it wrote.
        out_of_memory: whether memory ran out, for certain or most likely.
    """

    cause: str
    out_of_memory: bool


def of(status: int, stderr: str) -> ExitStatus:
    """The meaning of the exit status of a process that should still be running.

    Args:
        status: as :class:`subprocess.Popen` has it: -N where signal N ended the process.
        stderr: what it wrote to standard error, of any length.
    """
    lines = stderr.strip().splitlines()
    last = f": {lines[-1].strip()}" if lines else ""
    if status == 0:
        return ExitStatus(cause="its process exited before answering", out_of_memory=False)
    if names_lack_of_memory(last):
        return ExitStatus(cause=f"its process ran out of memory{last}", out_of_memory=True)
    if status == -signal.SIGKILL:
        # Killed without warning: its last line of output is unrelated to why it ended.
        return ExitStatus(cause="its process was killed, most likely because memory ran out", out_of_memory=True)
    if status < 0:
        return ExitStatus(cause=f"its process crashed with {_name(-status)}{last}", out_of_memory=False)
    return ExitStatus(cause=f"its process exited with status {status}{last}", out_of_memory=False)


def names_lack_of_memory(message: str) -> bool:
    """Whether an error message, or a process's last line of output, says that memory ran out."""
    return any(name in message for name in _OUT_OF_MEMORY)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names of their own
        return f"signal {number}"
