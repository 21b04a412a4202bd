"""How worker processes are started: by this interpreter, and by nothing that lies about."""

from __future__ import annotations

import sys


def worker_command(module: str) -> tuple[str, ...]:
    """The command line that runs a module as a program.

    Without ``-P`` Python would look for modules in the working directory first, which may be the folder of a
    bundle that somebody sent: a ``numpy.py`` in it would run.
    """
    return (sys.executable, "-P", "-m", module)
