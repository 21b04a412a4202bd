"""Figures for people: three significant digits, decimal units, a dash for missing values."""

from __future__ import annotations

import math
import re

from edge_cifar.errors import UsageError

MISSING = "—"
# A non-breaking space between a figure and its unit.
SPACE = "\u00a0"
_UNITS = {"": 1, "b": 1, "k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9, "kib": 2**10, "mib": 2**20}


def significant(value: float | None, digits: int = 3) -> str:
    """A number with that many significant digits and no exponent: 0.0423, 1.80, 43.8, 1,240."""
    if value is None:
        return MISSING
    if value == 0.0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{round(value, decimals):,.{decimals}f}"


def size(count: float | None) -> str:
    """Bytes in decimal units: 98.5 kB, 2.74 MB."""
    return _scaled(count, ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")), f"{SPACE}B")


def amount(count: float | None) -> str:
    """A count in thousands, millions or billions: 78.7 k, 2.26 M, 1.3 G."""
    return _scaled(count, ((1e9, "G"), (1e6, "M"), (1e3, "k")), "")


def milliseconds(value: float | None) -> str:
    """A latency: 0.0423 ms, 12.5 ms."""
    return MISSING if value is None else f"{significant(value)}{SPACE}ms"


def percent(fraction: float | None, decimals: int = 2) -> str:
    """A share in 0..1 as a percentage: 93.15 %."""
    return MISSING if fraction is None else f"{100.0 * fraction:.{decimals}f}{SPACE}%"


def with_interval(fraction: float | None, low: float | None, high: float | None) -> str:
    """A share in 0..1 with its interval, if it has one: 93.15 % (92.6 to 93.6)."""
    words = percent(fraction)
    return words if low is None or high is None else f"{words} ({100 * low:.1f} to {100 * high:.1f})"


def duration(seconds: float | None) -> str:
    """A duration: 42 s, 13 min, 2 h 05 min."""
    if seconds is None:
        return MISSING
    if seconds < 90:
        return f"{seconds:.0f}{SPACE}s"
    minutes = round(seconds / 60)
    return f"{minutes}{SPACE}min" if minutes < 90 else f"{minutes // 60}{SPACE}h {minutes % 60:02d}{SPACE}min"


def parse_size(text: str) -> float:
    """Parse a number of bytes such as ``500k``, ``2.5 MB`` or ``98496``.

    Raises:
        UsageError: it is not a size, or not above zero.
    """
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([a-z]*)\s*", text.lower())
    if not match or match[2] not in _UNITS or float(match[1]) == 0.0:
        raise UsageError(f"a size must be a number above 0 with an optional unit, such as 500kB or 2.5MB; got {text!r}")
    return float(match[1]) * _UNITS[match[2]]


def _scaled(count: float | None, units: tuple[tuple[float, str], ...], bare: str) -> str:
    if count is None:
        return MISSING
    for factor, unit in units:
        if abs(count) >= factor:
            return f"{significant(count / factor)}{SPACE}{unit}"
    return f"{count:,.0f}{bare}"
