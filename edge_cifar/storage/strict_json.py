"""Untrusted JSON: values that Python's parser accepts but that cause errors later are refused at once."""

from __future__ import annotations

import json
import re
from typing import Any

# What 64 bits hold, signed or not. Larger ones overflow in NumPy and when they are divided.
_SMALLEST, _LARGEST = -(1 << 63), (1 << 64) - 1
_MOST_DIGITS = 20
# Every escape in a text of JSON, so that a doubled backslash is not taken for the beginning of another one.
_ESCAPE = re.compile(
    r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|(?P<lone>\\ud[89a-f][0-9a-f]{2})|\\.", re.IGNORECASE | re.DOTALL
)
_SURROGATE = re.compile(r"\\ud[89a-f]", re.IGNORECASE)


def parse(content: str | bytes) -> Any:
    """The value that a text of JSON stands for.

    Raises:
        ValueError: it is no JSON in UTF-8, is nested too deeply, or holds an integer beyond 64 bits or half
            of a surrogate pair, which is no character and can be neither printed nor written.
    """
    text = content if isinstance(content, str) else content.decode("utf-8")
    if _SURROGATE.search(text):
        for escape in _ESCAPE.finditer(text):
            if escape["lone"]:
                raise ValueError(f"{escape[0]} is a lone surrogate")
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def dump(document: Any, *, indent: int | None = None, default: Any = None) -> str:
    r"""A document as JSON that :func:`parse` and every other parser takes back.

    A file name that is no text, which Python holds as lone surrogates, is spelt out: ``\\udcff``.

    Raises:
        ValueError: it holds NaN or infinity.
    """
    text = json.dumps(document, indent=indent, allow_nan=False, default=default)
    if not _SURROGATE.search(text):
        return text
    return _ESCAPE.sub(lambda escape: "\\" + escape[0] if escape["lone"] else escape[0], text)


def message(content: str | bytes) -> Any:
    """The value of a text of JSON that another process of this package wrote, the names of its files as they are.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(content)


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > _MOST_DIGITS:
        raise ValueError(f"it has an integer of {len(digits.lstrip('-'))} digits")
    value = int(digits)
    if not _SMALLEST <= value <= _LARGEST:
        raise ValueError(f"it has the integer {value}, which does not fit into 64 bits")
    return value
