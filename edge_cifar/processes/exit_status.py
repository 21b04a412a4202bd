"""How a worker process died, in words: one classification and one wording for every kind of worker."""

from __future__ import annotations

import signal
from dataclasses import dataclass

# As C++, Python and NumPy name it in the last line of what they print.
_OUT_OF_MEMORY = ("bad_alloc", "MemoryError")


@dataclass(frozen=True, kw_only=True)
class Death:
    """Why a worker process is no more.

    Attributes:
        cause: what became of it; begins with "its process", and holds the last line that it said.
        starved: whether memory ran out, for certain or most likely.
    """

    cause: str
    starved: bool


def of(status: int, said: str) -> Death:
    """The death of a process that should have lived on.

    Args:
        status: as :class:`subprocess.Popen` has it: -N where signal N ended the process.
        said: its standard error, of any length.
    """
    lines = said.strip().splitlines()
    last = f": {lines[-1].strip()}" if lines else ""
    if any(name in last for name in _OUT_OF_MEMORY):
        return Death(cause=f"its process ran out of memory{last}", starved=True)
    if status == -signal.SIGKILL:
        # The last line of a process that was given no time to speak has nothing to do with its end.
        return Death(cause="its process was killed from outside, most likely for want of memory", starved=True)
    if status < 0:
        return Death(cause=f"its process crashed with {_name(-status)}{last}", starved=False)
    return Death(cause=f"its process ended with status {status}{last}", starved=False)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names of their own
        return f"signal {number}"
