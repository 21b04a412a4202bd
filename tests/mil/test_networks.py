"""Whole networks converted by coremltools, computed by the reference evaluator and held against Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import threadpoolctl
from numpy.typing import NDArray
from support.pace import times_longer

from edge_cifar import packages
from edge_cifar.runtimes import coreml_reference

keras: Any = pytest.importorskip("keras")
tf: Any = pytest.importorskip("tensorflow")
ct: Any = pytest.importorskip("coremltools")

LABELS = tuple(f"class {index}" for index in range(10))
RNG = np.random.default_rng(0)
# Each of a colour of its own, so that they do not all look alike to an untrained network.
IMAGES: NDArray[np.uint8] = (
    RNG.uniform(0, 200, (40, 1, 1, 3)) * RNG.uniform(0.5, 1, (40, 4, 4, 1)).repeat(8, 1).repeat(8, 2)
    + RNG.uniform(0, 55, (40, 32, 32, 3))
).astype(np.uint8)


def network(size: int) -> Any:
    """A small network with the layers of the backbones, resized in the graph, with answers that are not all alike."""
    keras.utils.set_random_seed(size)
    layers = keras.layers
    image = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, -1)(image)
    x = layers.Resizing(size, size, interpolation="bilinear")(x)
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(moving_variance_initializer=keras.initializers.Constant(0.1))(x)
    x = layers.ReLU(6.0)(x)
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.DepthwiseConv2D(3, strides=2)(x)
    x = layers.Activation("swish")(x)
    side = layers.Conv2D(16, 1, activation="sigmoid")(x)
    x = layers.Add()([x, side])
    # On an odd size, coremltools writes a dilated convolution as one over a batch of shifted images.
    x = layers.Conv2D(24, 3, dilation_rate=2, activation="relu")(x)
    pooled = [layers.MaxPooling2D(3, 2, padding="same")(x), layers.AveragePooling2D(2, padding="same")(x)]
    x = layers.Concatenate()(pooled)
    features = layers.GlobalAveragePooling2D()(x)
    answer = layers.Dense(10, activation="softmax")
    model = keras.Model(image, answer(features))
    seen = keras.Model(image, features).predict(IMAGES.astype(np.float32), verbose=0)
    kernel = np.random.default_rng(size).normal(size=(48, 10))
    kernel *= 2 / (seen @ kernel).std(0)
    answer.set_weights([kernel, -(seen @ kernel).mean(0)])
    return model


def converted(model: Any, path: Path, *, half: bool = False, picture: bool = True, target: str = "iOS16") -> Any:
    """Convert with coremltools and save; returns its model."""
    shape = (1, *model.input_shape[1:])
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(tf.TensorSpec(shape, tf.float32))
    name = function.inputs[0].name.partition(":")[0]
    result = ct.convert(
        [function],
        source="tensorflow",
        convert_to="mlprogram",
        inputs=[ct.ImageType(name=name, shape=shape) if picture else ct.TensorType(name=name, shape=shape)],
        classifier_config=ct.ClassifierConfig(list(LABELS)) if picture else None,
        compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
        minimum_deployment_target=getattr(ct.target, target),
    )
    result.save(str(path))
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    packages.require_tensorflow()
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="module")
def model() -> Any:
    return network(75)


@pytest.fixture(scope="module")
def truth(model: Any) -> NDArray[np.float32]:
    probabilities = model.predict(IMAGES.astype(np.float32), verbose=0)
    assert len(set(probabilities.argmax(1))) > 3
    return np.asarray(probabilities)


@pytest.fixture(scope="module")
def single(model: Any, folder: Path) -> Any:
    return converted(model, folder / "fp32.mlpackage")


@pytest.fixture(scope="module")
def half(model: Any, folder: Path) -> Any:
    return converted(model, folder / "fp16.mlpackage", half=True)


@pytest.fixture(scope="module")
def newest(model: Any, folder: Path) -> Any:
    return converted(model, folder / "fp16-iOS18.mlpackage", half=True, target="iOS18")


def test_fp32_equals_keras(single: Any, folder: Path, truth: NDArray[np.float32]) -> None:
    runtime = coreml_reference.load(folder / "fp32.mlpackage", threads=2)
    assert runtime.labels == LABELS
    assert runtime.input_shape == (32, 32, 3)
    probabilities = runtime.predict(IMAGES)
    assert abs(probabilities - truth).max() < 1e-4
    assert "space_to_batch" in coreml_reference.operations(folder / "fp32.mlpackage")


def test_a_tensor_for_input_and_another_size(folder: Path) -> None:
    model = network(96)
    converted(model, folder / "tensor.mlpackage", picture=False, target="iOS15")
    runtime = coreml_reference.load(folder / "tensor.mlpackage")
    assert runtime.labels is None
    assert abs(runtime.predict(IMAGES) - model.predict(IMAGES.astype(np.float32), verbose=0)).max() < 1e-4


def test_fp16_is_rounded_and_near(half: Any, single: Any, folder: Path, truth: NDArray[np.float32]) -> None:
    runtime = coreml_reference.load(folder / "fp16.mlpackage")
    difference = abs(runtime.predict(IMAGES) - truth).max()
    assert 1e-6 < difference < 2e-2

    def all_half(name: str, value: NDArray[Any]) -> None:
        assert (value == value.astype(np.float16)).all() or name == "Identity_cast_to_fp32", name

    runtime.observe(IMAGES[:2], all_half)


def test_fp16_constants_are_the_fp32_ones_rounded(half: Any, single: Any, folder: Path) -> None:
    # Names hold running numbers that differ between conversions; the order does not.
    # A single number may be a parameter, which stays as it is.
    theirs, ours = (
        [value for value in found if value.dtype == dtype and value.size > 1]
        for found, dtype in (
            (coreml_reference.constants(folder / "fp32.mlpackage").values(), np.float32),
            (coreml_reference.constants(folder / "fp16.mlpackage").values(), np.float16),
        )
    )
    assert sum(value.size > 8 for value in theirs) >= 5
    for rounded, value in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(rounded, value.astype(np.float16))
    kinds = [coreml_reference.operations(folder / f"{name}.mlpackage") for name in ("fp16", "fp32")]
    assert [kind for kind in kinds[0] if kind != "cast"] == [kind for kind in kinds[1] if kind != "cast"]


def compress(model: Any, how: str) -> Any:
    """One of coremltools' weight compressions, applied to every weight."""
    cto = ct.optimize.coreml
    small = {"weight_threshold": 8}
    palettes = {"w8-palette": 8, "w6": 6, "w4": 4, "w2": 2, "w1": 1}
    if how in palettes:
        config = cto.OpPalettizerConfig(mode="uniform", nbits=palettes[how], **small)
        return cto.palettize_weights(model, cto.OptimizationConfig(global_config=config))
    if how == "w4-groups":
        config = cto.OpPalettizerConfig(
            mode="uniform", nbits=4, granularity="per_grouped_channel", group_size=8, **small
        )
        return cto.palettize_weights(model, cto.OptimizationConfig(global_config=config))
    if how.startswith("pruned"):
        config = cto.OpMagnitudePrunerConfig(target_sparsity=0.5, **small)
        return cto.prune_weights(model, cto.OptimizationConfig(global_config=config))
    options = {
        "w8": {"mode": "linear_symmetric"},
        "w8-affine": {"mode": "linear", "dtype": "uint8"},
        "w4-blocks": {"mode": "linear_symmetric", "dtype": "int4", "granularity": "per_block", "block_size": 8},
        "w4-blocks-affine": {"mode": "linear", "dtype": "uint4", "granularity": "per_block", "block_size": 8},
    }[how]
    config = cto.OpLinearQuantizerConfig(**options, **small)
    return cto.linear_quantize_weights(model, cto.OptimizationConfig(global_config=config))


USUAL = [("single", "w8"), ("single", "w6"), ("half", "w4"), ("half", "pruned50"), ("newest", "w4-blocks")]
OTHERS = [
    ("single", "w8-affine"), ("single", "w4"), ("single", "pruned50"), ("half", "w8"), ("half", "w1"),
    ("half", "w8-palette"), ("newest", "w8"), ("newest", "w4-blocks-affine"), ("newest", "w6"), ("newest", "w2"),
    ("newest", "w4-groups"), ("newest", "pruned50"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "how"),
    [
        *(pytest.param(*case, id="-".join(case)) for case in USUAL),
        *(pytest.param(*case, id="-".join(case), marks=pytest.mark.slow) for case in OTHERS),
    ],
)
def test_compressed_weights_are_unpacked_as_coremltools_does(
    source: str, how: str, folder: Path, truth: NDArray[np.float32], request: pytest.FixtureRequest
) -> None:
    compressed = compress(request.getfixturevalue(source), how)
    path = folder / f"{source}-{how}.mlpackage"
    compressed.save(str(path))
    ct.optimize.coreml.decompress_weights(compressed).save(str(folder / "dense.mlpackage"))
    ours, theirs = coreml_reference.constants(path), coreml_reference.constants(folder / "dense.mlpackage")
    dense = [name for name in theirs if name in ours and theirs[name].size > 8 and theirs[name].dtype.kind == "f"]
    assert len(dense) >= 5
    for name in dense:
        assert ours[name].dtype == theirs[name].dtype
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    probabilities = coreml_reference.load(path).predict(IMAGES)
    assert (probabilities == coreml_reference.load(folder / "dense.mlpackage").predict(IMAGES)).all()
    if how.startswith("w8"):
        assert abs(probabilities - truth).max() < 0.1


@pytest.mark.slow
def test_mobilenetv2_at_96_pixels_takes_little_longer_than_its_products_on_one_thread(folder: Path) -> None:
    image = keras.Input((32, 32, 3))
    x = keras.layers.Resizing(96, 96)(keras.layers.Rescaling(1 / 127.5, -1)(image))
    trunk = keras.applications.MobileNetV2(input_shape=(96, 96, 3), include_top=False, weights=None, pooling="avg")
    model = keras.Model(image, keras.layers.Dense(10, activation="softmax")(trunk(x, training=False)))
    converted(model, folder / "mobilenetv2.mlpackage")
    runtime = coreml_reference.load(folder / "mobilenetv2.mlpackage", threads=1)
    images = np.tile(IMAGES, (2, 1, 1, 1))[:64]
    expected = model.predict(images.astype(np.float32), verbose=0)
    assert abs(runtime.predict(images) - expected).max() < 1e-4
    # 55 million products an image, as those of two matrices by the machine's best routine.
    matrix = np.ones((1521, 1521), np.float32)
    with threadpoolctl.threadpool_limits(1):
        ratio = times_longer(lambda: runtime.predict(images), lambda: matrix @ matrix)
    # Measured: 12.6 times.
    assert ratio < 30
