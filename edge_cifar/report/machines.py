"""Which benchmarks were made on one machine, and what the page calls each machine.

Two machines may have a processor of the same name. Figures of different machines are never ranked
against each other, so they are told apart by all that the benchmark recorded of the hardware.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edge_cifar.documents.fields import LARGEST
from edge_cifar.report import quantities
from edge_cifar.report.facts import facts

if TYPE_CHECKING:
    from edge_cifar.report.measurements import Benchmark

# Of edge_cifar.machine's facts those that stay: not its load, nor releases of kernel and Python. Machines of one
# name are told apart by the first that do it.
_LASTING = (
    *("logical_cores", "physical_cores", "usable_cores", "memory_bytes", "os"),
    *("cpu_features", "cpu_model", "board", "architecture", "virtual"),
)


def machine_label(machine: Mapping[str, Any]) -> str:
    """A short name for a machine: its board, or its processor without the marks of its maker."""
    name = str(machine.get("board") or machine.get("cpu_model") or machine.get("architecture") or "unnamed machine")
    return " ".join(re.sub(r"\((R|TM|tm)\)|\b(CPU|Processor)\b", " ", name).split())


def identity(machine: Mapping[str, Any]) -> str:
    """What two benchmarks of one machine share; equal for equal machines."""
    return json.dumps([_canonical(name, machine.get(name)) for name in _LASTING])


def told_apart(benchmarks: Sequence[Benchmark]) -> list[Benchmark]:
    """The benchmarks, their labels such that equal labels mean one machine.

    Machines of the same name get what they differ in into their labels. Benchmarks of one machine that
    measured the same artifact twice get their file's name; those that measured different artifacts keep
    one label: their rows belong together.
    """
    named = [_named(one, benchmarks) for one in benchmarks]
    return [
        _relabelled(one, f"{one.label} ({one.file})")
        if any(_contradict(one, other) for other in named if other is not one)
        else one
        for one in named
    ]


def _canonical(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return sorted(map(str, value))
    if name == "memory_bytes" and isinstance(value, int | float) and abs(value) < LARGEST:
        # Kernels differ by some megabytes in what they keep for themselves.
        return quantities.size(value)
    return None if value is None else str(value)


def _named(benchmark: Benchmark, benchmarks: Sequence[Benchmark]) -> Benchmark:
    alike = [other.machine for other in benchmarks if other.label == benchmark.label]
    if len({identity(machine) for machine in alike}) == 1:
        # Of a machine that tells nothing at all nobody knows whether it is that of another file.
        alone = any(name in benchmark.machine for name in _LASTING) or len(alike) == 1
        return benchmark if alone else _relabelled(benchmark, f"{benchmark.label} ({benchmark.file})")
    words = "; ".join(_difference(name, benchmark.machine, alike) for name in _telling(alike))
    return _relabelled(benchmark, f"{benchmark.label} ({words})")


def _telling(machines: Sequence[Mapping[str, Any]]) -> list[str]:
    """The first facts that tell as many machines apart as all facts do."""
    telling: list[str] = []
    apart = 1
    for name in _LASTING:
        told = {json.dumps([_canonical(key, machine.get(key)) for key in (*telling, name)]) for machine in machines}
        if len(told) > apart:
            telling.append(name)
            apart = len(told)
    return telling


def _difference(name: str, machine: Mapping[str, Any], alike: Sequence[Mapping[str, Any]]) -> str:
    """What one machine has of a fact in which those of its name differ."""
    value = machine.get(name)
    if name == "cpu_features":
        every = [set(_canonical(name, one.get(name)) or ()) for one in alike]
        own = set(_canonical(name, value) or ())
        more, less = sorted(own - set.intersection(*every)), sorted(set.union(*every) - own)
        return f"with {', '.join(more)}" if more else f"without {', '.join(less)}"
    return "; ".join(f"{key} {words}" for key, words in facts({name: value})) or f"{name.replace('_', ' ')} unknown"


def _contradict(one: Benchmark, other: Benchmark) -> bool:
    if one.label != other.label:
        return False
    rows = {(row.model, row.variant, row.threads): row for row in one.measurements}
    return any(rows.get((row.model, row.variant, row.threads), row) != row for row in other.measurements)


def _relabelled(benchmark: Benchmark, label: str) -> Benchmark:
    rows = tuple(dataclasses.replace(row, machine=label) for row in benchmark.measurements)
    return dataclasses.replace(benchmark, label=label, measurements=rows)
