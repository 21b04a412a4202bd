"""Other programs of the machine, such as git and ssh: run to completion, with their output."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A program that has ended.

    Attributes:
        status: its exit status; -N where signal N ended it.
        output: what it wrote to standard output.
        errors: what it wrote to standard error; empty where that was shown to the user.
    """

    status: int
    output: str
    errors: str


def run(
    command: Sequence[str], *, content: bytes = b"", show_errors: bool = False, seconds: float | None = None
) -> Finished:
    """Run a program and wait for its end.

    Args:
        command: its name, looked for on the path, and its arguments.
        content: what it reads from standard input.
        show_errors: let its standard error, and what it asks the user there, through to the terminal.
        seconds: it may take; then it is killed. None for as long as it takes.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it took too long.
    """
    done = subprocess.run(
        command,
        input=content,
        stdout=subprocess.PIPE,
        stderr=None if show_errors else subprocess.PIPE,
        check=False,
        timeout=seconds,
    )
    output, errors = (text.decode("utf-8", errors="replace") for text in (done.stdout, done.stderr or b""))
    return Finished(status=done.returncode, output=output, errors=errors)


def output(program: str, *arguments: str, seconds: float = 2.0, partial: bool = False) -> str:
    """The output of a program; empty if it is not installed, fails or hangs.

    Args:
        program: its name, looked for on the path.
        arguments: of its command line.
        seconds: it may take.
        partial: whether what it printed counts although it failed.
    """
    try:
        done = run([program, *arguments], seconds=seconds)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.output if done.status == 0 or partial else ""
