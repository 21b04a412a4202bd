"""What several precisions of one model start from, made once.

Tracing a model, translating it and folding its batch norms takes as long as what comes after. Whoever
converts one model several times says that it stays as it is; without that every conversion starts
from the model anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

Made = TypeVar("Made")

_PROMISED = "promised"

_kept: dict[tuple[int, Hashable], Any] = {}


@contextlib.contextmanager
def unchanged(model: Any) -> Iterator[None]:
    """Promise that a model's weights are the same whenever it is converted within the block."""
    if (id(model), _PROMISED) in _kept:
        # Promised further out already, and what was made stays until that ends.
        yield
        return
    _kept[id(model), _PROMISED] = model
    try:
        yield
    finally:
        for key in [key for key in _kept if key[0] == id(model)]:
            del _kept[key]


def once(model: Any, what: Hashable, make: Callable[[], Made]) -> Made:
    """What ``make`` makes of the model; from the second time on what it made, if the model was promised to stay.

    Args:
        model: that it is made of.
        what: tells things made of one model apart: all that they depend on beside the model.
        make: makes it; its result must not be changed.
    """
    if (id(model), _PROMISED) not in _kept:
        return make()
    key = (id(model), what)
    if key not in _kept:
        _kept[key] = make()
    made: Made = _kept[key]
    return made
