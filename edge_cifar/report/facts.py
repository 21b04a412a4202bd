"""Nested JSON as pairs of name and value, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_cifar.documents.fields import LARGEST
from edge_cifar.report import quantities


def facts(mapping: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested mapping as pairs for people: names as words, bytes and milliseconds with units."""
    pairs = []
    for key, value in mapping.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            pairs += facts(value, f"{name}: ")
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            for number, one in enumerate(value, 1):
                pairs += facts(one, f"{name} {number}: ")
        elif value is not None and value != []:
            pairs.append(_fact(name, value))
    return pairs


def _fact(name: str, value: Any) -> tuple[str, str]:
    words = name.replace("_", " ")
    if isinstance(value, bool):
        return words, "yes" if value else "no"
    if isinstance(value, int | float) and -LARGEST < value < LARGEST:
        for suffix, unit in ((" bytes", quantities.size), (" ms", quantities.milliseconds)):
            if words.endswith(suffix):
                return words.removesuffix(suffix), unit(value)
        return words, f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else f"{value:g}"
    if isinstance(value, list):
        return words, ", ".join(str(one) for one in value)
    return words, str(value)
