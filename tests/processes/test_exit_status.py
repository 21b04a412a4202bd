"""What exit statuses mean, in words."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from edge_cifar.processes import exit_status

# The number of a signal that no name is known for.
NAMELESS = signal.SIGRTMIN + 3


@pytest.mark.parametrize(
    ("status", "said", "cause", "out_of_memory"),
    [
        (0, "done", "its process exited before answering", False),
        (3, "", "its process exited with status 3", False),
        (1, "Traceback …\nValueError: Bessel\n", "its process exited with status 1: ValueError: Bessel", False),
        (-signal.SIGABRT, "", "its process crashed with SIGABRT", False),
        (-signal.SIGSEGV, "one\n  two \n", "its process crashed with SIGSEGV: two", False),
        (-NAMELESS, "", f"its process crashed with signal {NAMELESS}", False),
        (
            -signal.SIGKILL,
            "loading",
            "its process was killed, most likely because memory ran out",
            True,
        ),
        (
            -signal.SIGABRT,
            "terminate called\n  what():  std::bad_alloc",
            "its process ran out of memory: what():  std::bad_alloc",
            True,
        ),
        (1, "MemoryError", "its process ran out of memory: MemoryError", True),
        # Only the last line tells of the end.
        (1, "MemoryError\nmended\nKeyError: 'x'", "its process exited with status 1: KeyError: 'x'", False),
    ],
)
def test_an_exit_status_has_a_cause_in_one_line(status: int, said: str, cause: str, out_of_memory: bool) -> None:
    assert exit_status.of(status, said) == exit_status.ExitStatus(cause=cause, out_of_memory=out_of_memory)


def test_a_real_process_ends_as_worded() -> None:
    script = "import os, signal, sys; print('last words', file=sys.stderr, flush=True); os.kill(os.getpid(), {})"
    for number, words in ((signal.SIGTERM, "SIGTERM"), (NAMELESS, f"signal {NAMELESS}")):
        done = subprocess.run([sys.executable, "-c", script.format(int(number))], capture_output=True, text=True)
        assert exit_status.of(done.returncode, done.stderr).cause == f"its process crashed with {words}: last words"
