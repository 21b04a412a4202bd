"""Training on cached features does what training on images does, and its cache is never trusted blindly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from support.features import Said, residual_network, splits, trained

from edge_cifar.cli.group import cli
from edge_cifar.documents.run import Run
from edge_cifar.errors import BundleError, UsageError
from edge_cifar.recipe import Augmentation, Phase, Recipe
from edge_cifar.steps.train import train

keras = pytest.importorskip("keras", reason="training needs Keras")

from edge_cifar.training import feature_cache, features  # noqa: E402

HEAD = Phase(name="frozen", epochs=4, trainable="head", learning_rate=0.05)
LAST = Phase(name="fine-tune", epochs=3, trainable="block2", learning_rate=0.02)
# Stochastic gradient descent: Adam divides by the gradients' size and makes much of the rounding of tiny ones.
RECIPE = Recipe(phases=(HEAD, LAST), batch_size=32, optimizer="sgd")
AUGMENTED = replace(RECIPE, augmentation=Augmentation(flip=True, translation=0.125), views=3)


def _trunk(model: Any) -> list[Any]:
    frozen = [layer for layer in model.layers if not layer.name.startswith(("block2", "head"))]
    return [weight for layer in frozen for weight in layer.get_weights()]


@pytest.mark.parametrize("phases", [(HEAD,), (HEAD, LAST), (replace(HEAD, epochs=1), LAST)])
def test_the_weights_are_those_of_training_without_the_cache(phases: tuple[Phase, ...], tmp_path: Path) -> None:
    recipe = replace(RECIPE, phases=phases)
    with_cache, without = residual_network(keras), residual_network(keras)
    before = _trunk(with_cache)
    cached = trained(with_cache, recipe, tmp_path / "a")
    plain = trained(without, recipe, tmp_path / "b", cache_bytes=0)
    assert [phase["features"]["cut"] is not None for phase in cached.phases] == [True] * len(phases)
    assert [phase["features"]["cut"] for phase in plain.phases] == [None] * len(phases)
    # Other batches are summed in another order: the last bits of float32, 1e-7, grow over a few dozen steps.
    # An epoch more or another order of the images moves these weights by over 1e-3.
    for one, other in zip(with_cache.get_weights(), without.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
    assert [entry["val_accuracy"] for entry in cached.history] == [entry["val_accuracy"] for entry in plain.history]
    # Moving statistics of frozen batch normalizations are among them.
    for now, then in zip(_trunk(with_cache), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_accuracy_with_dropout_and_several_views_is_that_of_fresh_images(tmp_path: Path) -> None:
    data = splits(train=400, validation=400, noise=30.0)
    phase = replace(LAST, epochs=16, learning_rate=0.005)
    recipe = replace(AUGMENTED, phases=(phase,), optimizer="adam")
    states = [
        trained(residual_network(keras, dropout=0.2), recipe, tmp_path / str(size), data=data, cache_bytes=size)
        for size in (1e9, 0)
    ]
    assert [state.phases[0]["features"]["views"] for state in states] == [3, 1]
    one, other = (state.best_accuracy for state in states)
    assert min(one, other) > 0.7
    # 400 images give either accuracy within 2.5 points (one standard error).
    assert abs(one - other) < 0.1


class Keeping:
    """Remembers a training's caches, which go when it no longer needs them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.caches: list[dict[str, Any]] = []
        self.folders: list[Path] = []
        write = feature_cache.write

        def keep(folder: Path, key: str, shapes: Any, fill: Any) -> Any:
            cache = write(folder, key, shapes, fill)
            self.caches.append({name: np.array(getattr(cache, name)) for name in shapes})
            self.folders.append(folder)
            return cache

        monkeypatch.setattr(feature_cache, "write", keep)


def test_views_differ_and_are_the_same_whenever_they_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Keeping(monkeypatch)
    for folder in ("a", "b"):
        trained(residual_network(keras), replace(AUGMENTED, phases=(HEAD,)), tmp_path / folder)
    first, again = kept.caches
    assert len(first["train"]) == 3
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert not np.allclose(first["train"][one], first["train"][other])
    np.testing.assert_array_equal(first["train"], again["train"])
    np.testing.assert_array_equal(first["targets"][0], first["targets"][2])


def test_mixed_images_bring_their_mixed_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Keeping(monkeypatch)
    recipe = replace(RECIPE, phases=(HEAD,), augmentation=Augmentation(mixup=0.4), views=2)
    trained(residual_network(keras), recipe, tmp_path)
    (cache,) = kept.caches
    np.testing.assert_allclose(cache["targets"].sum(-1), 1, rtol=1e-5)
    assert ((cache["targets"] > 0.01) & (cache["targets"] < 0.99)).any()


def test_the_images_go_through_the_common_layers_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[tuple[int, ...]] = []
    outputs = features.FrozenFeatures._outputs

    def counted(self: Any, part: Any, inputs: Any) -> Any:
        passes.append(inputs.shape[1:])
        return outputs(self, part, inputs)

    monkeypatch.setattr(features.FrozenFeatures, "_outputs", counted)
    state = trained(residual_network(keras), RECIPE, tmp_path)
    # 150 training and 40 validation images in batches of 64.
    assert passes.count((8, 8, 3)) == 4
    assert passes.count((8, 8, 8)) == 4
    assert len(passes) == 8
    # What no later phase reads is gone.
    assert len(list((tmp_path / features.FOLDER).iterdir())) == 1
    assert state.phases[0]["features"]["seconds"] > 0


def test_what_is_too_large_is_said_and_trained_without(tmp_path: Path) -> None:
    said = Said()
    state = trained(residual_network(keras), replace(RECIPE, phases=(HEAD,)), tmp_path, cache_bytes=10, progress=said)
    assert any("more than the limit" in line for line in said.lines)
    assert state.phases[0]["features"]["cut"] is None
    assert len(state.history) == HEAD.epochs


FLOAT, HALF = np.dtype(np.float32), np.dtype(np.float16)
SHAPES = {"train": ((1, 3), FLOAT), "targets": ((1, 3), FLOAT), "validation": ((2,), HALF)}


def _filled(folder: Path) -> feature_cache.FeatureCache:
    def fill(cache: feature_cache.FeatureCache) -> None:
        cache.train[:], cache.targets[:], cache.validation[:] = 1, 2, 3

    return feature_cache.write(folder, "key", SHAPES, fill)


def test_a_cache_reads_back_from_disk_what_was_written(tmp_path: Path) -> None:
    assert feature_cache.read(tmp_path / "cache", "key", SHAPES) is None
    _filled(tmp_path / "cache")
    cache = feature_cache.read(tmp_path / "cache", "key", SHAPES)
    assert cache is not None
    assert isinstance(cache.train, np.memmap)
    assert cache.train.tolist() == [[1, 1, 1]]
    assert (cache.validation.tolist(), cache.validation.dtype) == ([3, 3], np.float16)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "absent", "about", "nonsense", "other key"])
def test_a_damaged_cache_is_not_read(damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    _filled(folder)
    file, about = folder / "train.npy", folder / "about.json"
    whole = file.read_bytes()
    if damage == "flipped":
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif damage == "truncated":
        file.write_bytes(whole[:-4])
    elif damage == "absent":
        file.unlink()
    elif damage == "about":
        about.unlink()
    elif damage == "nonsense":
        about.write_text("[]")
    with pytest.raises(BundleError):
        feature_cache.read(folder, "another" if damage == "other key" else "key", SHAPES)


@pytest.mark.parametrize("other", [((1, 3), np.dtype("float16")), ((1, 6), np.dtype("float32"))])
def test_a_cache_in_another_precision_or_shape_is_not_read(
    other: tuple[tuple[int, ...], np.dtype], tmp_path: Path
) -> None:
    _filled(tmp_path / "cache")
    with pytest.raises(BundleError, match="are of another model or other data"):
        feature_cache.read(tmp_path / "cache", "key", {**SHAPES, "train": other})


def test_a_cache_that_fails_to_be_made_leaves_nothing(tmp_path: Path) -> None:
    def fail(cache: feature_cache.FeatureCache) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        feature_cache.write(tmp_path / "cache", "key", SHAPES, fail)
    assert list(tmp_path.iterdir()) == []


def test_features_are_kept_in_the_precision_of_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Keeping(monkeypatch)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = residual_network(keras)
    finally:
        keras.config.set_dtype_policy("float32")
    state = trained(model, RECIPE, tmp_path)
    assert [cache["train"].dtype.name for cache in kept.caches] == ["bfloat16", "bfloat16"]
    assert all(np.isfinite(entry["val_loss"]) for entry in state.history)


@pytest.mark.parametrize("size", [-1.0, float("nan"), float("inf")])
def test_a_cache_of_nonsensical_size_is_refused(size: float) -> None:
    with pytest.raises(UsageError, match="at least 0"):
        train("resnet8", data="synthetic", feature_cache_gb=size)


@pytest.mark.parametrize(
    ("options", "size"), [([], 8.0), (["--no-feature-cache"], 0.0), (["--feature-cache-gb", "1.5"], 1.5)]
)
def test_the_command_line_sets_the_space_for_features(
    options: list[str], size: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def note(backbone: str, **chosen: Any) -> Any:
        given.update(chosen)
        raise UsageError("enough")

    monkeypatch.setattr("edge_cifar.steps.train.train", note)
    assert CliRunner().invoke(cli, ["train", "vgg16", *options]).exit_code in (1, 2)
    assert given["feature_cache_gb"] == size


def test_the_record_tells_why_nothing_was_cached(tiny_run: Run) -> None:
    record = tiny_run.record().to_json()
    assert record["phases"][0]["features"]["reason"].startswith("no frozen layers")
    assert record["feature_cache_gb"] == 8.0
