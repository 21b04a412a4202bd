"""What other programs of the machine tell."""

from __future__ import annotations

import subprocess


def output(program: str, *arguments: str, seconds: float = 2.0, partial: bool = False) -> str:
    """What a program prints; empty where it is not installed, fails or hangs.

    Args:
        program: its name, looked for on the path.
        arguments: of its command line.
        seconds: it may take.
        partial: whether what it printed counts although it failed.
    """
    try:
        done = subprocess.run(
            [program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 or partial else ""
