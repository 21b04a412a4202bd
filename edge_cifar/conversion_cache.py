"""What several precisions of one model start from, made once.

Tracing a model, translating it and folding its batch norms takes as long as what comes after. Whoever
converts one model several times says that it stays as it is; without that every conversion starts
from the model anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

Made = TypeVar("Made")


@dataclass(frozen=True)
class _Kept:
    """What was made of a model."""

    model: Any
    made: dict[Hashable, Any] = field(default_factory=dict)


# Of the innermost block that this thread is in: nothing outlives it, and no other thread sees it.
_kept: ContextVar[_Kept | None] = ContextVar("kept", default=None)


@contextlib.contextmanager
def unchanged(model: Any) -> Iterator[None]:
    """Promise that a model's weights are the same whenever it is converted within the block."""
    if _of(model):
        # Promised further out already, and what was made stays until that ends.
        yield
        return
    token = _kept.set(_Kept(model))
    try:
        yield
    finally:
        _kept.reset(token)


def once(model: Any, what: Hashable, make: Callable[[], Made]) -> Made:
    """What ``make`` makes of the model; from the second time on what it made, if the model was promised to stay.

    Args:
        model: that it is made of.
        what: tells things made of one model apart: all that they depend on beside the model.
        make: makes it; its result must not be changed.
    """
    kept = _of(model)
    if kept is None:
        return make()
    if what not in kept.made:
        kept.made[what] = make()
    made: Made = kept.made[what]
    return made


def _of(model: Any) -> _Kept | None:
    kept = _kept.get()
    return kept if kept is not None and kept.model is model else None
