"""Mixed images carry mixed targets; averaged weights are what is validated, and training goes on without them."""

from __future__ import annotations

import numpy as np
import pytest

from edge_cifar.recipe import Augmentation, Phase, Recipe

keras = pytest.importorskip("keras", reason="training needs Keras")

from edge_cifar.training import phases  # noqa: E402
from edge_cifar.training.augmentation import mixing_layers  # noqa: E402
from edge_cifar.training.averaging import TrainedWeights  # noqa: E402
from edge_cifar.training.learner import Learner, examples  # noqa: E402

PHASE = Phase(name="x", epochs=1, learning_rate=0.1)


def _batch() -> tuple[np.ndarray, np.ndarray]:
    """Sixteen images of one value each, which tells the image and its class: 0, 10, 20 ..."""
    values = 10.0 * np.arange(16, dtype=np.float32)
    return np.broadcast_to(values[:, None, None, None], (16, 8, 8, 3)).copy(), np.eye(16, dtype=np.float32)


@pytest.mark.parametrize("augmentation", [Augmentation(mixup=0.4), Augmentation(cutmix=True)], ids=str)
def test_targets_are_mixed_as_their_images_are(augmentation: Augmentation) -> None:
    images, targets = _batch()
    (layer,) = mixing_layers(augmentation, seed=1)
    mixed = layer({"images": images, "labels": targets}, training=True)
    pixels, labels = np.asarray(mixed["images"]), np.asarray(mixed["labels"])
    assert not np.array_equal(pixels, images)
    np.testing.assert_allclose(labels.sum(1), 1, rtol=1e-5)
    # What the targets say of the values' mean. Cutmix reckons with a rectangle's area before it is rounded to
    # pixels: each side is off by less than one of eight, in values that differ by 150 at most.
    tolerance = 1e-2 if augmentation.mixup else 150 * (2 / 8 + 1 / 64)
    np.testing.assert_allclose(pixels.mean((1, 2, 3)), labels @ (10.0 * np.arange(16)), atol=tolerance)


@pytest.mark.parametrize("augmentation", [Augmentation(mixup=0.4), Augmentation(cutmix=True)], ids=str)
def test_nothing_is_mixed_outside_training(augmentation: Augmentation) -> None:
    images, targets = _batch()
    (layer,) = mixing_layers(augmentation, seed=1)
    same = layer({"images": images, "labels": targets}, training=False)
    np.testing.assert_array_equal(np.asarray(same["images"]), images)
    np.testing.assert_array_equal(np.asarray(same["labels"]), targets)


def _network():  # type: ignore[no-untyped-def]
    keras.utils.set_random_seed(0)
    layers = [keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(16, activation="softmax")])


def _fit(network, recipe: Recipe, callbacks: list[object]):  # type: ignore[no-untyped-def]
    learner = Learner(network, recipe.augmentation, seed=0)
    learner.compile(optimizer=phases.optimizer(recipe, PHASE, 1), loss="categorical_crossentropy", metrics=["accuracy"])
    fitted = learner.fit(examples(*_batch()), batch_size=4, shuffle=False, verbose=0, callbacks=callbacks)
    return learner, fitted.history


def test_the_loss_is_that_of_the_mixed_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    class Halves(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs, training=None):  # type: ignore[no-untyped-def]
            return {"images": inputs["images"] * 0, "labels": inputs["labels"] * 0 + 1 / 16}

    monkeypatch.setattr("edge_cifar.training.learner.mixing_layers", lambda *_: [Halves()])
    recipe = Recipe(phases=(PHASE,), optimizer="sgd")
    # Black images and a bias of zero give equal probabilities, which is what the replaced targets say too.
    _, history = _fit(_network(), recipe, [])
    assert history["loss"][0] == pytest.approx(np.log(16), rel=1e-5)


class Steps(keras.callbacks.Callback):  # type: ignore[misc]
    """The bias after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[np.ndarray] = []

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.seen.append(self.model.network.layers[-1].bias.numpy().copy())


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX shows no weights between steps")
def test_averages_are_validated_and_training_goes_on_from_the_weights() -> None:
    network, trained, steps = _network(), TrainedWeights(), Steps()
    _fit(network, Recipe(phases=(PHASE,), optimizer="sgd", weight_averaging=0.75), [steps, trained])
    # The first step sets the average; each later one moves it by a quarter.
    average = steps.seen[0]
    for bias in steps.seen[1:]:
        average = 0.75 * average + 0.25 * bias
    np.testing.assert_allclose(network.layers[-1].bias.numpy(), average, rtol=1e-5, atol=1e-8)
    trained.put_back()
    np.testing.assert_array_equal(network.layers[-1].bias.numpy(), steps.seen[-1])


def test_float16_scales_its_loss_and_still_averages() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = _network()
    finally:
        keras.config.set_dtype_policy("float32")
    recipe = Recipe(phases=(PHASE,), optimizer="sgd", weight_averaging=0.5, augmentation=Augmentation(mixup=0.2))
    learner, history = _fit(network, recipe, [])
    assert type(learner.optimizer).__name__ == "LossScaleOptimizer"
    assert np.isfinite(history["loss"][0])
