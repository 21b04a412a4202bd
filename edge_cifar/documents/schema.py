"""Which document a file holds, by its ``kind`` and the number of its schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from edge_cifar.documents.fields import Fields
from edge_cifar.errors import BundleError

# Since schema 2 every document tells its kind, and all write an accuracy and a paired drop in the same way.
SCHEMA = 2

Kind = Literal["bench", "verify", "run", "bundle"]

_NAMES = {"bench": "bench report", "verify": "verify report", "run": "run record", "bundle": "manifest"}
_AGAIN = {
    "bench": "create one with: edge-cifar bench --json",
    "verify": "create one with: edge-cifar verify --json",
    "run": "train again",
    "bundle": "export again",
}


def kind_of(document: Any) -> str:
    """What the JSON of a result says it is; of one of schema 1, what it looks like."""
    if not isinstance(document, dict):
        return "nothing of ours"
    # Verify reports of schema 1 had no number.
    return str(document.get("kind") or ("bench" if "schema" in document or "results" not in document else "verify"))


def opened(document: Any, file: str, kind: Kind, upgrade: Callable[[dict[str, Any]], dict[str, Any]]) -> Fields:
    """A document of one kind in the present schema.

    Args:
        document: the parsed JSON.
        file: what to call the file in an error.
        kind: what it has to be.
        upgrade: makes a document of schema 1 one of schema 2; leaves its argument as it is.

    Raises:
        BundleError: it is of another kind, of a schema that is not known, or an upgrade finds it broken.
    """
    refusal = BundleError(f"{file} is not a {_NAMES[kind]} of schema 1 or {SCHEMA}; {_AGAIN[kind]}")
    if not isinstance(document, dict) or document.get("kind", kind) != kind:
        raise refusal
    # A verify report of schema 1 has none.
    number = document.get("schema", 1 if kind == "verify" else None)
    if isinstance(number, int) and number > SCHEMA:
        raise BundleError(
            f"{file} has schema {number}, which this version of edge-cifar does not support; upgrade edge-cifar"
        )
    if number == SCHEMA and "kind" in document:
        return _beside_kind(document, file)
    if isinstance(number, bool) or number != 1:
        raise refusal
    try:
        return _beside_kind(upgrade(document), file)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BundleError(f"{file} is damaged ({error!r}); {_AGAIN[kind]}") from error


def _beside_kind(document: dict[str, Any], file: str) -> Fields:
    return Fields({key: value for key, value in document.items() if key not in ("kind", "schema")}, file)
