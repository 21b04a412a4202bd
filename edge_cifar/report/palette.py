"""Colours and symbols, shared by the pictures and the page, so that one thing looks the same everywhere.

The colours are those of Okabe and Ito, "Color Universal Design" (2008), which stay apart under the
common forms of colour blindness. A format is told by its symbol as well, never by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge_cifar import formats

BLUE = "#0072B2"
ORANGE = "#D55E00"
GREY = "#6B7280"

# The yellow of the original is left out: it cannot be read on white.
_TEN = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C6D31", "#4B5563", "#B2182B")
# The same, dark: there are more backbones than ten.
_CYCLE = (*_TEN, *("#" + "".join(f"{int(colour[at : at + 2], 16) // 2:02X}" for at in (1, 3, 5)) for colour in _TEN))

# A format's marker is named in Plotly's terms; this is how Matplotlib calls it.
_MATPLOTLIB = {"circle": "o", "square": "s", "diamond": "D", "x": "X", "star": "*", "hexagon": "h", "triangle-up": "^"}
# Of a format that nothing is known of here.
_OTHER = "triangle-up"


def colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name, in order of first appearance; colours repeat after twenty names."""
    distinct = dict.fromkeys(names)
    return {name: _CYCLE[index % len(_CYCLE)] for index, name in enumerate(distinct)}


def plotly_symbol(format_: str) -> str:
    """The symbol of a format in Plotly's terms."""
    found = formats.find(format_)
    return found.marker if found else _OTHER


def matplotlib_marker(format_: str) -> str:
    """The symbol of a format in Matplotlib's terms."""
    return _MATPLOTLIB[plotly_symbol(format_)]
