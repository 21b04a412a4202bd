"""What a model file made elsewhere turns out to take, found by loading it in a worker."""

from __future__ import annotations

from pathlib import Path

from edge_cifar.bench import session
from edge_cifar.bench.subject import timed_runtime
from edge_cifar.errors import EdgeCifarError
from edge_cifar.pixels import Setup
from edge_cifar.processes.worker import Worker

_SECONDS = 120.0


def input_size(path: Path, setup: Setup) -> tuple[int, int] | None:
    """Height and width of the images that a file takes; None for any, or where it cannot be loaded.

    Why it cannot is for its measurement to say.

    Args:
        path: the file.
        setup: how to load it.
    """
    try:
        runtime = timed_runtime(path).NAME
        with Worker(session.WORKER) as worker:
            worker.ask({"do": "start", "runtime": runtime}, seconds=_SECONDS)
            request = {"do": "load", "path": str(path), "threads": 1, "setup": setup.to_json()}
            loaded = worker.ask(request, seconds=_SECONDS)
    except EdgeCifarError:
        return None
    height, width, _ = loaded["input_shape"]
    return None if loaded["any_size"] else (height, width)
