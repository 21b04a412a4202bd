"""Phases: which layers learn, at which rate; batch-norm statistics; augmentation."""

from __future__ import annotations

import numpy as np
import pytest

from edge_cifar.errors import UsageError
from edge_cifar.recipe import Augmentation, Phase, Recipe

keras = pytest.importorskip("keras", reason="training needs Keras")

from edge_cifar import backbones  # noqa: E402
from edge_cifar.training import batch_norm, phases  # noqa: E402
from edge_cifar.training.assembly import build_model, trunk_layers  # noqa: E402
from edge_cifar.training.augmentation import augmentation_layers  # noqa: E402


@pytest.fixture(scope="module")
def model():  # type: ignore[no-untyped-def]
    return build_model(keras, backbones.get("resnet8"), input_shape=(32, 32, 3), classes=10, image_size=32)


def _frozen(model):  # type: ignore[no-untyped-def]
    return [layer.name for layer in trunk_layers(model) if not layer.trainable]


def test_the_head_alone_learns_where_a_phase_says_so(model) -> None:  # type: ignore[no-untyped-def]
    phases.set_trainable(model, "head")
    assert {weight.path.split("/")[0] for weight in model.trainable_weights} == {"head_probabilities"}
    assert phases.trainable_parameters(model) == 64 * 10 + 10


def test_a_number_unfreezes_that_many_last_layers(model) -> None:  # type: ignore[no-untyped-def]
    phases.set_trainable(model, 4)
    assert len(_frozen(model)) == len(trunk_layers(model)) - 4


def test_a_negative_number_freezes_that_many_first_layers(model) -> None:  # type: ignore[no-untyped-def]
    phases.set_trainable(model, -3)
    assert _frozen(model) == ["stem_conv", "stem_bn", "stem_bn_relu"]


def test_all_unfreezes_everything_again(model) -> None:  # type: ignore[no-untyped-def]
    phases.set_trainable(model, "head")
    phases.set_trainable(model, "all")
    assert _frozen(model) == []


def test_more_layers_than_there_are_is_an_error(model) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match="layers before its head"):
        phases.set_trainable(model, 1000)


def test_a_name_unfreezes_from_the_first_layer_that_begins_so(model) -> None:  # type: ignore[no-untyped-def]
    phases.set_trainable(model, "stack2")
    names = [layer.name for layer in trunk_layers(model)]
    assert _frozen(model) == names[: names.index("stack2_conv1")]


@pytest.mark.parametrize(
    ("name", "way_out"),
    [("stak2", "did you mean 'stack2'"), ("stack2_cnv1", "did you mean 'stack2_conv1'"), ("zzz", "edge-cifar models")],
)
def test_an_unknown_name_gets_a_suggestion(model, name: str, way_out: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match=way_out):
        phases.set_trainable(model, name)


def _rate(schedule: object, step: int) -> float:
    return float(schedule(step)) if callable(schedule) else float(schedule)  # type: ignore[arg-type]


def test_cosine_warms_up_peaks_and_ends_at_zero() -> None:
    phase = Phase(name="x", epochs=10, learning_rate=0.1, schedule="cosine", warmup_epochs=1)
    schedule = phases.schedule(phase, steps_per_epoch=100)
    assert _rate(schedule, 50) == pytest.approx(0.05)
    assert _rate(schedule, 100) == pytest.approx(0.1)
    assert _rate(schedule, 1000) == pytest.approx(0.0, abs=1e-6)


def test_a_phase_cut_short_warms_up_in_half_of_its_epochs_and_still_ends_at_zero() -> None:
    phase = Phase(name="x", epochs=2, learning_rate=0.1, schedule="cosine", warmup_epochs=2)
    schedule = phases.schedule(phase, steps_per_epoch=100)
    assert _rate(schedule, 100) == pytest.approx(0.1)
    assert _rate(schedule, 200) == pytest.approx(0.0, abs=1e-6)


def test_exponential_multiplies_the_rate_after_every_epoch() -> None:
    phase = Phase(name="x", epochs=100, learning_rate=1e-3, schedule="exponential", decay=0.5)
    schedule = phases.schedule(phase, steps_per_epoch=10)
    assert [_rate(schedule, step) for step in (0, 9, 10, 20)] == pytest.approx([1e-3, 1e-3, 5e-4, 2.5e-4])


def test_step_divides_the_rate_every_so_many_epochs() -> None:
    phase = Phase(name="x", epochs=100, learning_rate=1e-3, schedule="step", decay=0.1, decay_epochs=20)
    schedule = phases.schedule(phase, steps_per_epoch=10)
    assert [_rate(schedule, step) for step in (0, 199, 200, 400)] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5])


def test_plateau_waits_and_then_divides_and_depends_only_on_the_losses() -> None:
    phase = Phase(name="x", epochs=9, learning_rate=1.0, schedule="plateau", decay=0.5, decay_epochs=2)
    losses = [3.0, 2.0, 2.5, 2.5, 1.0, 1.5]
    rates = [phases.plateau_rate(phase, losses[:count]) for count in range(len(losses) + 1)]
    assert rates == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5]


def test_weight_decay_spares_biases_and_normalization(model) -> None:  # type: ignore[no-untyped-def]
    phases.set_trainable(model, "all")
    recipe = Recipe(phases=(Phase(name="x", epochs=1, learning_rate=1.0),), optimizer="sgd", weight_decay=0.1)
    optimizer = phases.optimizer(recipe, recipe.phases[0], steps_per_epoch=1)
    optimizer.build(model.trainable_variables)
    decayed = {v.name for v in model.trainable_variables if optimizer._use_weight_decay(v)}
    assert decayed == {"kernel"}


def _with_wrong_statistics(momentum: float = 0.99):  # type: ignore[no-untyped-def]
    inputs = keras.Input((4, 4, 3))
    normalized = keras.layers.BatchNormalization(momentum=momentum, center=False, scale=False)(inputs)
    return keras.Model(inputs, normalized)


def test_reestimated_statistics_are_those_of_the_training_images() -> None:
    model = _with_wrong_statistics()
    images = np.random.default_rng(0).integers(0, 256, (1000, 4, 4, 3), np.uint8)
    assert batch_norm.reestimate(model, images, score=lambda: 1.0) is True
    mean, variance = model.layers[-1].get_weights()
    np.testing.assert_allclose(mean, images.mean((0, 1, 2)), rtol=1e-4)
    # The mean of the variances within batches of 100 lies just below the variance over all.
    np.testing.assert_allclose(variance, images.astype(float).var((0, 1, 2)), rtol=1e-2)
    assert model.layers[-1].momentum == 0.99


def test_statistics_that_lower_the_score_are_put_back() -> None:
    model = _with_wrong_statistics()
    before = model.layers[-1].get_weights()
    scores = iter([0.9, 0.8])
    assert batch_norm.reestimate(model, np.full((200, 4, 4, 3), 9, np.uint8), score=lambda: next(scores)) is False
    for now, then in zip(model.layers[-1].get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_frozen_batch_norm_keeps_its_statistics() -> None:
    model = _with_wrong_statistics()
    model.layers[-1].trainable = False
    assert batch_norm.reestimate(model, np.zeros((200, 4, 4, 3), np.uint8), score=lambda: 1.0) is None


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(flip=True),
        Augmentation(translation=0.125),
        Augmentation(rotation=15),
        Augmentation(zoom=0.1),
        Augmentation(cutout=0.5),
    ],
    ids=lambda augmentation: str(augmentation),
)
def test_augmentation_changes_training_images_and_no_others(augmentation: Augmentation) -> None:
    images = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3)).astype(np.float32)
    (layer,) = augmentation_layers(augmentation, seed=1)
    changed = np.asarray(layer(images, training=True))
    assert changed.shape == images.shape
    assert not np.array_equal(changed, images)
    assert changed.min() >= -1e-3
    assert changed.max() <= 255 + 1e-3
    np.testing.assert_array_equal(np.asarray(layer(images, training=False)), images)
