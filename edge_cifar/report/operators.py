"""Where an inference spends its time: the operators of a profile, summed by type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_cifar.documents.operators import Operator
from edge_cifar.report import canvas, palette, quantities

View = dict[str, Any]

# Further types are summed as others.
_MOST_TYPES = 6
_REST = "others"


@dataclass(frozen=True, kw_only=True)
class TypeCost:
    """All operators of one type.

    Attributes:
        type: such as ``Conv``.
        count: number of operators.
        devices: that compute them, sorted; empty if unknown.
        milliseconds: per inference; None if the runtime only estimates costs.
        share: of the cost of all operators, in 0..1; None if unknown.
    """

    type: str
    count: int
    devices: tuple[str, ...]
    milliseconds: float | None
    share: float | None


def by_type(operators: Iterable[Operator]) -> tuple[TypeCost, ...]:
    """Operators summed by type, the costliest first."""
    groups: dict[str, list[Operator]] = {}
    for operator in operators:
        groups.setdefault(operator.type, []).append(operator)
    costs = [_sum(kind, group) for kind, group in groups.items()]
    return tuple(sorted(costs, key=lambda cost: cost.share or 0.0, reverse=True))


def _sum(kind: str, operators: Sequence[Operator]) -> TypeCost:
    times = [one.milliseconds for one in operators if one.milliseconds is not None]
    shares = [one.share for one in operators if one.share is not None]
    return TypeCost(
        type=kind,
        count=len(operators),
        devices=tuple(sorted({one.device for one in operators if one.device})),
        milliseconds=sum(times) if times else None,
        share=sum(shares) if shares else None,
    )


def view(name: str, costs: Sequence[TypeCost], colours: dict[str, str]) -> View:
    """One artifact's bar, with its texts.

    Args:
        name: the artifact's.
        costs: its operators by type, the costliest first.
        colours: of the types, see :func:`type_colours`.
    """
    shown = [cost for cost in costs if cost.type in colours]
    total = sum(cost.share or 0.0 for cost in shown)
    parts = [
        {
            "share": round(cost.share or 0.0, 4),
            "colour": colours[cost.type],
            "text": _words(cost),
        }
        for cost in shown
    ]
    if total < 0.995 and len(shown) < len(costs):
        left = f"{_REST}: {quantities.percent(1 - total, 1)}"
        parts.append({"share": round(1 - total, 4), "colour": palette.GREY, "text": left})
    devices: dict[str, int] = {}
    for cost in costs:
        for device in cost.devices:
            devices[device] = devices.get(device, 0) + cost.count
    times = [cost.milliseconds for cost in costs if cost.milliseconds is not None]
    return {
        "name": name,
        "parts": parts,
        "time": quantities.milliseconds(sum(times)) if times else None,
        "devices": ", ".join(f"{count} on {device}" for device, count in sorted(devices.items())),
    }


def type_colours(profiles: Sequence[Sequence[TypeCost]]) -> dict[str, str]:
    """A color for each of the costliest types over all profiles."""
    totals: dict[str, float] = {}
    for costs in profiles:
        for cost in costs:
            totals[cost.type] = totals.get(cost.type, 0.0) + (cost.share or 0.0)
    ranked = sorted(totals, key=lambda kind: -totals[kind])
    return palette.colours(ranked[:_MOST_TYPES])


def draw(profiles: Sequence[tuple[str, Sequence[TypeCost]]], path: Path) -> None:
    """Draw the profiles as bars of shares by type, one per artifact.

    Args:
        profiles: name and operators by type.
        path: the ``.png`` or ``.svg`` to write.

    Raises:
        MissingPackage: Matplotlib is not installed.
    """
    colours = type_colours([costs for _, costs in profiles])
    figure = canvas.new_figure(9.0, 1.2 + 0.35 * len(profiles))
    axes = figure.subplots()
    canvas.plain(axes)
    axes.grid(visible=False)
    for line, (name, costs) in enumerate(profiles):
        shown = view(name, costs, colours)
        start = 0.0
        for part in shown["parts"]:
            axes.barh(line, 100 * part["share"], left=100 * start, color=part["colour"], height=0.7)
            start += part["share"]
        if shown["time"]:
            axes.text(101, line, shown["time"], va="center", fontsize=8, parse_math=False)
    axes.set_yticks(range(len(profiles)), [name for name, _ in profiles], fontsize=8, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0, 112)
    axes.set_xlabel("share of operator time, %", fontsize=9)
    for kind, colour in {**colours, _REST: palette.GREY}.items():
        axes.barh(0, 0, color=colour, label=kind)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    canvas.save(figure, path)


def _words(cost: TypeCost) -> str:
    time = f", {quantities.milliseconds(cost.milliseconds)}" if cost.milliseconds is not None else ""
    return f"{cost.type} ({cost.count}): {quantities.percent(cost.share, 1)}{time}"
