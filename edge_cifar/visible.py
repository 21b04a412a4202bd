"""Text from files, such as labels and names, made fit to be shown: what would steer a terminal is spelt out."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

# Control, format (the bidirectional ones among them), surrogate, line and paragraph separators.
_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# The joiners of Persian and Indic words and of emoji steer nothing but the letters beside them.
_JOINERS = "\u200c\u200d"


def visible(text: str, *, keep: str = "") -> str:
    r"""The text with every character that steers a display, rather than being shown, as a visible escape.

    An escape sequence could rewrite what stands on a terminal already; a bidirectional override shows text
    in another order than it is stored in; a lone surrogate cannot be written at all.

    Args:
        text: from anywhere.
        keep: characters to leave as they are, such as a line break.

    Returns:
        for example ``cat\u202egnp`` for a right-to-left override between ``cat`` and ``gnp``.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if one in keep or not _steers(one) else _escape(one) for one in text)


def all_visible(value: Any) -> Any:
    """JSON with every text in it made visible, keys too."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {all_visible(key): all_visible(one) for key, one in value.items()}
    return [all_visible(one) for one in value] if isinstance(value, list | tuple) else value


def _steers(character: str) -> bool:
    return unicodedata.category(character) in _STEERING and character not in _JOINERS


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
