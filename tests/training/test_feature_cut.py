"""Where a model is cut so that all that learns lies behind, and which phases gain by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.features import residual_network

from edge_cifar.recipe import Augmentation, Phase, Recipe

keras = pytest.importorskip("keras", reason="training needs Keras")

from edge_cifar.training import feature_plan  # noqa: E402
from edge_cifar.training.feature_cut import between, cost, cuts, last_frozen_cut  # noqa: E402
from edge_cifar.training.feature_plan import DiskBudget  # noqa: E402

layers = keras.layers
BUDGET = DiskBudget(train=100, validation=20, limit_bytes=1e9, free_bytes=1e12)
HEAD = Phase(name="frozen", epochs=10, trainable="head", learning_rate=1e-3)
LAST = Phase(name="fine-tune", epochs=10, trainable="block2", learning_rate=1e-4)


def _freeze(model: Any, *names: str) -> None:
    for layer in model.layers:
        layer.trainable = layer.name not in names


def _cut(model: Any) -> str | None:
    cut = last_frozen_cut(model)
    return cut and cut.name


def _chain() -> Any:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="a")(inputs)
    x = layers.ReLU(name="a_relu")(x)
    x = layers.Conv2D(4, 3, name="b")(x)
    return keras.Model(inputs, layers.Dense(2, name="c")(layers.Flatten(name="flat")(x)))


def _inception() -> Any:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="stem")(inputs)
    one = layers.Conv2D(4, 1, name="one")(x)
    three = layers.Conv2D(4, 3, padding="same", name="three")(layers.Conv2D(2, 1, name="reduce")(x))
    x = layers.Concatenate(name="mixed")([one, three, layers.AveragePooling2D(1, name="pool")(x)])
    return keras.Model(inputs, layers.Dense(2, name="head")(layers.GlobalAveragePooling2D(name="gap")(x)))


@pytest.mark.parametrize(
    ("build", "frozen", "cut"),
    [
        (_chain, ("a",), "a_relu"),
        (_chain, ("a", "b"), "flat"),
        (_chain, ("b",), None),
        (_chain, ("a", "b", "c"), "flat"),
        # While a branch is open, what it will be joined with is needed too.
        (lambda: residual_network(keras), ("stem_conv", "stem_bn", "block1_conv"), "stem_bn"),
        (lambda: residual_network(keras), ("stem_conv", "stem_bn", "block1_conv", "block1_bn"), "block1_add"),
        (_inception, ("stem", "one", "reduce"), "stem"),
        (_inception, ("stem", "one", "three"), "stem"),
        (_inception, ("stem", "one", "reduce", "three"), "gap"),
    ],
)
def test_the_cut_is_the_last_single_tensor_before_what_learns(build: Any, frozen: Any, cut: str | None) -> None:
    model = build()
    _freeze(model, *frozen)
    assert _cut(model) == cut


def test_a_graph_has_no_cut_inside_its_blocks_nor_at_its_output() -> None:
    names = [cut.name for cut in cuts(_inception())]
    assert names[1:] == ["stem", "mixed", "gap"]


def test_what_is_random_or_follows_its_batches_lies_behind_the_cut() -> None:
    inputs = keras.Input((4,))
    x = layers.Dense(4, name="a")(inputs)
    x = layers.BatchNormalization(center=False, scale=False, name="norm")(x)
    x = layers.Dropout(0.5, name="drop")(x)
    model = keras.Model(inputs, layers.Dense(2, name="head")(x))
    _freeze(model, "a", "norm")
    assert _cut(model) == "norm"
    # This one learns nothing by gradient, but its statistics move.
    _freeze(model, "a")
    assert _cut(model) == "a"


def test_the_two_parts_share_their_layers_and_make_the_whole() -> None:
    model = residual_network(keras)
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3)).astype(np.float32)
    whole = model.predict(images, verbose=0)
    count = 0
    for cut in list(cuts(model))[1:]:
        trunk, top = between(model, None, cut), between(model, cut, None)
        np.testing.assert_allclose(top.predict(trunk.predict(images, verbose=0), verbose=0), whole, atol=1e-6)
        assert {id(weight) for weight in [*trunk.weights, *top.weights]} == {id(weight) for weight in model.weights}
        assert cost(model, None, cut) + cost(model, cut, None) == cost(model, None, None)
        count += 1
    assert count == 6


def _plan(*phases: Phase, budget: DiskBudget = BUDGET, **settings: Any) -> Any:
    return feature_plan.plan(residual_network(keras), Recipe(phases=phases, **settings), budget)


def test_a_frozen_phase_computes_its_features_from_those_of_the_next() -> None:
    first, second = _plan(HEAD, LAST)
    assert (first.cut, second.cut) == ("head_pool", "block1_add")
    assert first.source == second.position
    assert second.source == 0
    # 8 numbers for an image, and 8 × 8 × 8; 4 for its targets, which only training images have.
    assert first.size_bytes == 4 * (8 * 120 + 4 * 100)
    assert second.size_bytes == 4 * (512 * 120 + 4 * 100)


def test_a_phase_too_short_for_its_own_cache_reads_the_next_ones() -> None:
    first, second = _plan(replace(HEAD, epochs=1), LAST)
    assert first == second
    assert second.cut == "block1_add"


def test_phases_that_unfreeze_what_the_next_freezes_share_nothing() -> None:
    first, second = _plan(LAST, HEAD)
    assert (first.cut, second.cut) == ("block1_add", "head_pool")
    assert second.source == 0


@pytest.mark.parametrize(
    ("phase", "changes", "reason"),
    [
        (replace(HEAD, trainable="all"), {}, "no frozen layers"),
        (replace(HEAD, epochs=1), {}, "need 1 views of each image, training alone only 1"),
        (replace(HEAD, trainable=-1), {}, "less than 20%"),
        (HEAD, {"limit_bytes": 5000.0}, "more than the limit of 0.00 GB"),
        (HEAD, {"free_bytes": 1e9}, "the disk has 1.00 GB free"),
        (HEAD, {"limit_bytes": 0.0}, "turned off"),
    ],
)
def test_a_phase_trains_on_images_where_a_cache_does_not_pay_or_fit(
    phase: Phase, changes: dict[str, float], reason: str
) -> None:
    (decision,) = _plan(phase, budget=replace(BUDGET, **changes))
    assert decision.cut is None
    assert reason in decision.reason


def test_there_are_several_views_only_of_images_that_are_augmented() -> None:
    flips = Augmentation(flip=True)
    assert [decision.views for decision in _plan(HEAD, views=3)] == [1]
    assert [decision.views for decision in _plan(HEAD, views=3, augmentation=flips)] == [3]
    assert [decision.cut for decision in _plan(HEAD, views=10, augmentation=flips)] == [None]
