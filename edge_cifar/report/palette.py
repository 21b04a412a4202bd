"""Colors and symbols shared by the figures and the page.

The colors are those of Okabe and Ito, "Color Universal Design" (2008), which remain distinguishable under the common
forms of color blindness. Formats have symbols, so they never depend on color alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge_cifar import formats

BLUE = "#0072B2"
ORANGE = "#D55E00"
GREY = "#6B7280"

# Without the original yellow, which is illegible on white.
_TEN = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C6D31", "#4B5563", "#B2182B")
# The same colors, darker, as there are more than ten backbones.
_CYCLE = (*_TEN, *("#" + "".join(f"{int(colour[at : at + 2], 16) // 2:02X}" for at in (1, 3, 5)) for colour in _TEN))

# Markers have Plotly's names; these are Matplotlib's.
_MATPLOTLIB = {"circle": "o", "square": "s", "diamond": "D", "x": "X", "star": "*", "hexagon": "h", "triangle-up": "^"}
# For unknown formats.
_OTHER = "triangle-up"


def colours(names: Iterable[str]) -> dict[str, str]:
    """A color for each name, in order of first appearance; colors repeat after twenty names."""
    distinct = dict.fromkeys(names)
    return {name: _CYCLE[index % len(_CYCLE)] for index, name in enumerate(distinct)}


def plotly_symbol(format_: str) -> str:
    """Plotly's name of a format's symbol."""
    found = formats.find(format_)
    return found.marker if found else _OTHER


def matplotlib_marker(format_: str) -> str:
    """Matplotlib's name of a format's symbol."""
    return _MATPLOTLIB[plotly_symbol(format_)]
