"""What the user sets takes the place of what a recipe says, and nonsense is refused."""

from __future__ import annotations

import pytest

from edge_cifar.errors import UsageError
from edge_cifar.recipe import Phase, Recipe, customized

RECIPE = Recipe(
    phases=(
        Phase(name="frozen", epochs=2, trainable="head", learning_rate=1e-3),
        Phase(name="fine-tune", epochs=5, trainable=-10, learning_rate=1e-4),
    )
)


def test_nothing_set_changes_nothing() -> None:
    assert customized(RECIPE) == RECIPE


@pytest.mark.parametrize(("epochs", "expected"), [((3,), (3, 3)), ((1, 4), (1, 4)), ((0, 4), (4,))])
def test_epochs_go_to_each_phase_and_a_phase_of_none_is_left_out(
    epochs: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    assert tuple(phase.epochs for phase in customized(RECIPE, epochs=epochs).phases) == expected


def test_learning_rate_sets_the_last_phase_and_keeps_the_ratio() -> None:
    rates = [phase.learning_rate for phase in customized(RECIPE, learning_rate=1e-3).phases]
    assert rates == pytest.approx([1e-2, 1e-3])


@pytest.mark.parametrize(("unfreeze", "expected"), [(4, 4), ("all", "all"), (0, "head"), ("block5", "block5")])
def test_unfreeze_sets_what_the_last_phase_trains(unfreeze: int | str, expected: int | str) -> None:
    changed = customized(RECIPE, unfreeze=unfreeze)
    assert changed.phases[-1].trainable == expected
    assert changed.phases[0] == RECIPE.phases[0]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("epochs", (1, 2, 3), "one number per phase"),
        ("epochs", (0,), "at least 1 in total"),
        ("epochs", (-1, 2), "must be at least 0"),
        ("learning_rate", 0.0, "above 0"),
        ("learning_rate", float("nan"), "above 0"),
        ("learning_rate", 5000.0, "below 1000"),
        ("unfreeze", -1, "non-negative integer"),
        ("unfreeze", "", "a layer name"),
        ("batch_size", 0, "at least 1"),
        ("image_size", 0, "at least 1"),
        ("validation_split", 1.0, "between 0 and 1"),
    ],
)
def test_numbers_out_of_range_are_refused_with_their_range(option: str, value: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        customized(RECIPE, **{option: value})  # type: ignore[arg-type]
