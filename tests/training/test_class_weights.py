"""Class weights: in the loss as Keras defines sample weights, through a whole training, and in what it reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.listener import Listener

from edge_cifar.errors import UsageError
from edge_cifar.recipe import Augmentation, Phase, Recipe, customized
from edge_cifar.steps.train import train

keras = pytest.importorskip("keras", reason="training needs Keras")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_an_image_is_weighed_by_its_class(smoothing: float) -> None:
    from edge_cifar.training.learner import Learner, examples

    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
    network.add(keras.layers.Softmax())
    generator = np.random.default_rng(0)
    images = generator.integers(0, 2, (6, 4, 4, 3)).astype(np.float32)
    labels = np.array([0, 0, 0, 0, 1, 2])
    targets = np.eye(3, dtype=np.float32)[labels]
    weights = np.array([0.5, 2.0, 4.0], np.float32)
    learner = Learner(network, Augmentation(), 0, weights)
    learner.compile(loss=keras.losses.CategoricalCrossentropy(label_smoothing=smoothing), optimizer="sgd")
    smooth = targets * (1 - smoothing) + smoothing / 3
    expected = -(smooth * np.log(network.predict(images, verbose=0))).sum(1) * weights[labels]
    assert learner.evaluate(examples(images, targets), verbose=0) == pytest.approx(expected.mean(), rel=1e-5)


def test_a_name_that_is_unknown_is_refused() -> None:
    recipe = Recipe(phases=(Phase(name="one", epochs=1, learning_rate=0.1),))
    assert customized(recipe, class_weights="balanced").class_weights == "balanced"
    with pytest.raises(UsageError, match="did you mean 'balanced'"):
        customized(recipe, class_weights="ballanced")


def test_an_imbalanced_folder_is_trained_with_equal_classes(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name, shade, count in (("common", 60, 72), ("rare", 200, 8)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(shade - 40, shade + 40, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    listener = Listener()
    run = train(
        "resnet8",
        data=str(tmp_path / "photos"),
        epochs=1,
        batch_size=16,
        class_weights="balanced",
        out=tmp_path / "run",
        progress=listener,
    )
    record = run.record()
    assert record.recipe["class_weights"] == "balanced"
    assert record.test.balanced_accuracy is not None
    assert record.test.balanced_accuracy == pytest.approx(record.test.recall)
    assert any("the classes are imbalanced: 58 training images of common, 6 of rare" in said for said in listener.said)
