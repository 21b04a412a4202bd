"""ONNX Runtime's profile of a session, read: what each node costs in one inference."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_cifar.documents.operators import Operator
from edge_cifar.errors import BundleError
from edge_cifar.storage import strict_json

_FEWEST = 5
# A profile keeps every event of every inference: about 300 bytes a node.
_MOST = 500
_DEVICES = {"CPUExecutionProvider": "cpu", "XnnpackExecutionProvider": "cpu (xnnpack)", "CUDAExecutionProvider": "gpu"}
_SUFFIX = "_kernel_time"
_MICROSECONDS_PER_MILLISECOND = 1e3


def run_for(infer: Callable[[], object], seconds: float) -> int:
    """Run inferences for about that long; how many there were, between 5 and 500."""
    end = time.perf_counter() + seconds
    inferences = 0
    while inferences < _FEWEST or (time.perf_counter() < end and inferences < _MOST):
        infer()
        inferences += 1
    return inferences


def operators(path: Path, inferences: int) -> tuple[Operator, ...]:
    """The nodes of a profile, in the order they are run.

    Args:
        path: the JSON file that ONNX Runtime wrote.
        inferences: how many of the last inferences count; those before them only warmed up.

    Raises:
        BundleError: the profile holds no node, or names of nodes that broke it.
    """
    runs: list[list[dict[str, Any]]] = [[]]
    try:
        events = strict_json.message(path.read_bytes())
    except ValueError as error:
        raise BundleError(f"ONNX Runtime's profile {path.name} is not JSON: {error}") from error
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(_SUFFIX):
            runs[-1].append(event)
        elif event.get("name") == "model_run":
            runs.append([])
    durations: dict[str, list[float]] = {}
    nodes: dict[str, dict[str, Any]] = {}
    for event in (event for run in runs[:-1][-inferences:] for event in run):
        name = event["name"].removesuffix(_SUFFIX)
        durations.setdefault(name, []).append(event["dur"] / _MICROSECONDS_PER_MILLISECOND)
        nodes[name] = event["args"]
    # Medians: a process that takes the core for a time slice would otherwise be charged to a node.
    milliseconds = {name: statistics.median(values) for name, values in durations.items()}
    total = sum(milliseconds.values())
    if not total:
        raise BundleError(f"ONNX Runtime's profile {path.name} lists no nodes")
    return tuple(
        Operator(
            name=name,
            type=arguments["op_name"],
            device=_DEVICES.get(arguments.get("provider", ""), str(arguments.get("provider", ""))),
            milliseconds=milliseconds[name],
            share=milliseconds[name] / total,
        )
        for name, arguments in nodes.items()
    )
