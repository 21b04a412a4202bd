"""What conversions of one model share, and for how long."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from edge_cifar import conversion_cache


class Model:
    """Equal to every other, as nothing but the very object counts."""

    def __init__(self) -> None:
        self.made = 0

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]

    def convert(self, what: str = "x") -> int:
        def make() -> int:
            self.made += 1
            return self.made

        return conversion_cache.once(self, what, make)


def test_what_was_not_promised_is_made_each_time() -> None:
    model = Model()
    assert [model.convert(), model.convert()] == [1, 2]


def test_what_is_promised_is_made_once_until_the_outermost_promise_ends() -> None:
    model = Model()
    with conversion_cache.unchanged(model):
        with conversion_cache.unchanged(model):
            assert [model.convert(), model.convert(), model.convert("y")] == [1, 1, 2]
        assert model.convert() == 1
    assert model.convert() == 3


def test_a_promise_is_kept_for_no_other_model_and_in_no_other_thread() -> None:
    model, other = Model(), Model()
    with conversion_cache.unchanged(model), ThreadPoolExecutor(1) as pool:
        assert model.convert() == 1
        assert [other.convert(), other.convert()] == [1, 2]
        assert pool.submit(model.convert).result() == 2
        assert model.convert() == 1


def test_a_promise_ends_with_an_error() -> None:
    model = Model()

    def fail() -> None:
        with conversion_cache.unchanged(model):
            model.convert()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert model.convert() == 2
