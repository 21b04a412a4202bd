"""Recipes that follow a source's settings, and the phases these need."""

from __future__ import annotations

import pytest
from support import backbones as support

from edge_cifar import backbones
from edge_cifar.errors import UsageError
from edge_cifar.recipe import Phase

keras = pytest.importorskip("keras", reason="training needs Keras")

from edge_cifar.training import phases  # noqa: E402
from edge_cifar.training.assembly import trunk_layers  # noqa: E402

_STEPS = 7


def _rates(phase: Phase) -> list[float]:
    """The rate at the first step of every epoch, and at the last of all."""
    schedule = phases.schedule(phase, _STEPS)
    return [float(schedule(epoch * _STEPS)) for epoch in range(phase.epochs)] + [
        float(schedule(phase.epochs * _STEPS - 1))
    ]


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        # (rate, epochs), as the reports and the paper give them.
        ("custom-cnn", [(1e-3, 20), (1e-4, 20), (1e-5, 20), (1e-6, 20), (1e-7, 20)]),
        ("resnet18", [(1e-3, 28), (2e-4, 22)]),
        ("mobilenet", [(1e-3, 17), (2e-4, 17), (4e-5, 16)]),
        ("resnet20", [(0.1, 91), (0.01, 46), (0.001, 45)]),
    ],
)
def test_report_recipe_lowers_the_rate_as_its_source_does(name: str, rates: list[tuple[float, int]]) -> None:
    (phase,) = backbones.get(name).recipes["report"].phases
    expected = [rate for rate, epochs in rates for _ in range(epochs)]
    assert _rates(phase) == pytest.approx([*expected, expected[-1]], rel=1e-5)


def test_rate_falls_between_two_epochs_not_within_one() -> None:
    phase = Phase(name="x", epochs=4, learning_rate=1.0, schedule="step", decay=0.5, step_epochs=(1, 3))
    schedule = phases.schedule(phase, _STEPS)
    rates = [float(schedule(step)) for step in range(4 * _STEPS)]
    assert rates == [1.0] * _STEPS + [0.5] * 2 * _STEPS + [0.25] * _STEPS


@pytest.mark.parametrize(
    ("name", "optimizer", "batch_size", "epochs", "validation_split"),
    [
        ("simple-cnn", "adam", 32, 10, 0.2),
        ("custom-cnn", "adam", 64, 100, 0.1),
        ("baseline-cnn", "adam", 64, 10, 0.2),
        ("vgg16", "adam", 128, 20, 0.2),
        ("resnet18", "adam", 128, 50, 0.2),
        ("mobilenet", "adam", 32, 50, 0.2),
        ("inceptionv3", "adam", 32, 10, 0.2),
    ],
)
def test_report_recipe_has_its_sources_settings(
    name: str, optimizer: str, batch_size: int, epochs: int, validation_split: float
) -> None:
    recipe = backbones.get(name).recipes["report"]
    assert (recipe.optimizer, recipe.batch_size, recipe.epochs) == (optimizer, batch_size, epochs)
    assert recipe.validation_split == validation_split


@pytest.mark.parametrize("name", ["simple-cnn", "custom-cnn"])
def test_our_recipe_takes_no_more_epochs_than_the_reports(name: str) -> None:
    recipes = backbones.get(name).recipes
    assert recipes["default"].epochs <= recipes["report"].epochs


def test_vgg16_report_trains_the_head_and_then_the_last_four_layers() -> None:
    frozen, tuned = backbones.get("vgg16").recipes["report"].phases
    assert (frozen.trainable, tuned.trainable) == ("head", 4)
    assert tuned.learning_rate < frozen.learning_rate == 1e-4


@pytest.mark.parametrize("recipe", ["default", "report"])
def test_mobilenetv2_keeps_its_first_ten_layers_frozen_in_fine_tuning(recipe: str) -> None:
    frozen, tuned = backbones.get("mobilenetv2").recipes[recipe].phases
    assert (frozen.trainable, tuned.trainable) == ("head", -10)
    assert backbones.get("mobilenetv2").recipes[recipe].image_size >= 96
    model = support.build(keras, "mobilenetv2")
    phases.set_trainable(model, tuned.trainable)
    assert [layer.trainable for layer in trunk_layers(model)] == [False] * 10 + [True] * (len(trunk_layers(model)) - 10)


def test_phase_unfreezes_from_a_named_block_on() -> None:
    model = support.build(keras, "vgg16")
    phases.set_trainable(model, "block4")
    frozen = {layer.name.partition("_")[0] for layer in trunk_layers(model) if not layer.trainable}
    trained = {layer.name.partition("_")[0] for layer in trunk_layers(model) if layer.trainable}
    assert frozen == {"block1", "block2", "block3"}
    assert trained == {"block4", "block5"}
    assert model.get_layer("head_dense").trainable


def test_unknown_block_is_an_error_that_leaves_the_model_as_it_was() -> None:
    model = support.build(keras, "resnet20")
    phases.set_trainable(model, "head")
    trained = phases.trainable_parameters(model)
    with pytest.raises(UsageError, match="resnet20 has no layer before its head whose name starts with 'block9'"):
        phases.set_trainable(model, "block9")
    assert phases.trainable_parameters(model) == trained
