"""Which benchmarks come from the same machine, and the label of each machine on the page.

Two machines may have processors of the same name. Figures of different machines are never compared, so machines are
distinguished by everything that the benchmark recorded about the hardware.
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

# The permanent ones among edge_cifar.machine's facts: not the load, nor kernel or Python versions. Machines with the
# same name are distinguished by the first of these that differ.
_LASTING = (
    *("logical_cores", "physical_cores", "usable_cores", "memory_bytes", "os"),
    *("cpu_features", "cpu_model", "board", "architecture", "virtual"),
)


def machine_label(machine: Mapping[str, Any]) -> str:
    """A short name for a machine: its board, or its processor without trademark signs."""
    name = str(machine.get("board") or machine.get("cpu_model") or machine.get("architecture") or "unnamed machine")
    return " ".join(re.sub(r"\((R|TM|tm)\)|\b(CPU|Processor)\b", " ", name).split())


def identity(machine: Mapping[str, Any]) -> str:
    """A key of the machine; equal for equal machines."""
    return json.dumps([_canonical(name, machine.get(name)) for name in _LASTING])


def told_apart(benchmarks: Sequence[Benchmark]) -> list[Benchmark]:
    """The benchmarks, relabeled such that equal labels mean the same machine.

    Labels of machines with the same name include what differs. Benchmarks of one machine that measured the same
    artifact twice have their file's name in the label; those that measured different artifacts share a label, as
    their rows belong together.
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
        # Kernels reserve amounts that differ by some megabytes.
        return quantities.size(value)
    return None if value is None else str(value)


def _named(benchmark: Benchmark, benchmarks: Sequence[Benchmark]) -> Benchmark:
    alike = [other.machine for other in benchmarks if other.label == benchmark.label]
    if len({identity(machine) for machine in alike}) == 1:
        # If nothing is known about a machine, it may or may not be that of another file.
        alone = any(name in benchmark.machine for name in _LASTING) or len(alike) == 1
        return benchmark if alone else _relabelled(benchmark, f"{benchmark.label} ({benchmark.file})")
    words = "; ".join(_difference(name, benchmark.machine, alike) for name in _telling(alike))
    return _relabelled(benchmark, f"{benchmark.label} ({words})")


def _telling(machines: Sequence[Mapping[str, Any]]) -> list[str]:
    """The first facts that distinguish as many machines as all facts do."""
    telling: list[str] = []
    apart = 1
    for name in _LASTING:
        told = {json.dumps([_canonical(key, machine.get(key)) for key in (*telling, name)]) for machine in machines}
        if len(told) > apart:
            telling.append(name)
            apart = len(told)
    return telling


def _difference(name: str, machine: Mapping[str, Any], alike: Sequence[Mapping[str, Any]]) -> str:
    """One machine's value of a fact in which machines of its name differ."""
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
    rows = {(row.model, row.variant, row.result.threads): row for row in one.measurements}
    return any(rows.get((row.model, row.variant, row.result.threads), row) != row for row in other.measurements)


def _relabelled(benchmark: Benchmark, label: str) -> Benchmark:
    rows = tuple(dataclasses.replace(row, machine=label) for row in benchmark.measurements)
    return dataclasses.replace(benchmark, label=label, measurements=rows)
