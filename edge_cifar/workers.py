"""How worker processes are started: by this interpreter, and by nothing that lies about in the working directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def worker_command(module: str) -> tuple[str, ...]:
    """The command line that runs a module as a program.

    Without ``-P`` Python would look for modules in the working directory first, which may be the folder of a
    bundle that somebody sent: a ``numpy.py`` in it would run.
    """
    return (sys.executable, "-P", "-m", module)


def worker_environment() -> dict[str, str]:
    """The environment that such a program is started in: this one's, with places for modules by name alone.

    An empty entry of ``PYTHONPATH`` would stand for the working directory; and a checkout that is used without
    being installed has to be found by its workers.
    """
    places = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    home = Path(__file__).resolve().parent.parent
    if home.name not in ("site-packages", "dist-packages"):
        places.append(str(home))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
