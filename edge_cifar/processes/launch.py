"""Command lines and environments of workers: this interpreter, and no module from the working directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# One thread each: as many workers as processors run side by side, and no sum depends on the number of threads.
ONE_THREAD = dict.fromkeys(
    (
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
        *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    ),
    "1",
)


def worker_command(module: str) -> tuple[str, ...]:
    """The command line that runs a module as a program.

    Without ``-P`` Python would look for modules in the working directory first, which may be the folder of a
    bundle that somebody sent: a ``numpy.py`` in it would run.
    """
    return (sys.executable, "-P", "-m", module)


def worker_environment() -> dict[str, str]:
    """The environment of a worker: this process's, with a ``PYTHONPATH`` that leaves out the working directory.

    An empty entry of ``PYTHONPATH`` would stand for the working directory; and a checkout that is used without
    being installed has to be found by its workers.
    """
    places = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    home = Path(__file__).resolve().parent.parent.parent
    if home.name not in ("site-packages", "dist-packages"):
        places.append(str(home))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
