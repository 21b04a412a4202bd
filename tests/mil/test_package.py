"""Reading Core ML packages: the wire format, the weight file, packed elements, compressed weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.mil_packages import (
    argument,
    classifier,
    literal,
    model,
    named,
    number,
    operation,
    pack,
    write,
)

from edge_cifar.errors import BundleError
from edge_cifar.mil import constexpr, dtypes, limits
from edge_cifar.mil.constexpr import Constant
from edge_cifar.mil.half import round_to_half
from edge_cifar.mil.program import TensorType
from edge_cifar.protobuf import Budget, Message
from edge_cifar.runtimes import coreml_reference

IMAGES = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
PACKED = [dtypes.UINT1, dtypes.UINT2, dtypes.UINT3, dtypes.UINT4, dtypes.UINT6, dtypes.UINT8, dtypes.INT4, dtypes.INT8]


def test_the_reader_imports_no_toolkit() -> None:
    script = (
        "import sys, edge_cifar.runtimes.coreml_reference as r\nassert r.unavailable() is None\n"
        "heavy = {'coremltools', 'tensorflow', 'google.protobuf', 'keras', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_sound_package_is_computed(tmp_path: Path) -> None:
    runtime = coreml_reference.load(classifier(tmp_path / "m.mlpackage"))
    assert (runtime.name, runtime.input_shape, runtime.classes) == ("coreml-reference", (8, 8, 3), 3)
    assert runtime.labels == ("cat", "dog", "ship")
    assert runtime.metadata == {"author": "an author", "key": "value"}
    probabilities = runtime.predict(IMAGES)
    assert probabilities.shape == (5, 3)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(runtime.single(IMAGES[2])(), probabilities[2:3], atol=1e-6)
    assert runtime.predict(IMAGES[:0]).shape == (0, 3)


def test_threads_and_chunks_do_not_change_the_answer(tmp_path: Path) -> None:
    path = classifier(tmp_path / "m.mlpackage")
    many = np.random.default_rng(2).integers(0, 256, (3 * limits.CHUNK_IMAGES + 5, 8, 8, 3), dtype=np.uint8)
    one, two = coreml_reference.load(path), coreml_reference.load(path, threads=2)
    alone = np.concatenate([one.single(image)() for image in many[:7]])
    np.testing.assert_allclose(one.predict(many)[:7], alone, atol=1e-6)
    assert (one.predict(many) == two.predict(many)).all()


def test_every_value_on_the_way_can_be_observed(tmp_path: Path) -> None:
    runtime = coreml_reference.load(classifier(tmp_path / "m.mlpackage"))
    seen: dict[str, tuple[int, ...]] = {}
    runtime.observe(IMAGES, lambda name, value: seen.update({name: value.shape}))
    assert list(seen) == ["image", "conv", "relu", "mixed", "pool", "mean", "logits", "p"]
    assert seen["conv"] == (5, 1, 4, 4, 4)


def test_images_of_another_shape_or_type_are_refused(tmp_path: Path) -> None:
    runtime = coreml_reference.load(classifier(tmp_path / "m.mlpackage"))
    for wrong in (IMAGES[:, :4], IMAGES.astype(np.float32), IMAGES[0]):
        with pytest.raises(BundleError, match="takes uint8 images of shape"):
            runtime.predict(wrong)


def identity_program(path: Path, *, shape: tuple[int, ...], image: bool, color: int = 20) -> Path:
    """A program that averages each channel of its input and says so."""
    axes = (2, 3) if shape[1] == 3 else (1, 2)
    mean = operation(
        "reduce_mean",
        {
            "x": argument("image"),
            "axes": argument(literal(np.array(axes, np.int32))),
            "keep_dims": argument(literal(np.array(False))),
        },
        [named("p", dtypes.FP32, (1, 3))],
    )
    return write(path, model([mean], ["p"], input_shape=shape, image=image, color=color))


@pytest.mark.parametrize(
    ("shape", "image", "color", "order"),
    [
        ((1, 3, 8, 6), True, 20, (0, 1, 2)),
        ((1, 3, 8, 6), True, 30, (2, 1, 0)),
        ((1, 3, 8, 6), False, 20, (0, 1, 2)),
        ((1, 8, 6, 3), False, 20, (0, 1, 2)),
    ],
    ids=["RGB picture", "BGR picture", "channels first", "channels last"],
)
def test_pixels_arrive_raw_and_in_the_order_of_the_input(
    tmp_path: Path, shape: tuple[int, ...], image: bool, color: int, order: tuple[int, ...]
) -> None:
    runtime = coreml_reference.load(identity_program(tmp_path / "m.mlpackage", shape=shape, image=image, color=color))
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 6, 3), dtype=np.uint8)
    assert runtime.input_shape == (8, 6, 3)
    assert runtime.labels is None
    np.testing.assert_allclose(runtime.predict(images), images.mean((1, 2))[:, order], rtol=1e-6)


# The formats


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.integers(-(2**63), 2**63 - 1), st.integers(1, 2**28))
def test_integers_survive_the_wire(value: int, field: int) -> None:
    (read,) = Message(memoryview(number(field, value)), Budget())
    assert (read.number, read.signed()) == (field, value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80", "ends within a number"),
        (b"\x80" * 11, "more than 10 bytes"),
        (b"\x0a\x05ab", "runs past its end"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "runs past its end"),
        (b"\x0b", "wire type 3"),
        (b"\x00\x00", "number 0"),
        (b"\x09abc", "runs past its end"),
    ],
)
def test_a_broken_wire_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        list(Message(memoryview(content), Budget()))


def test_more_fields_than_any_real_file_has_are_refused() -> None:
    with pytest.raises(BundleError, match="more than"):
        list(Message(memoryview(number(1, 0) * 100), Budget(99)))


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.sampled_from(PACKED), st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_elements_below_a_byte_are_unpacked(element: dtypes.ElementType, count: int, seed: int) -> None:
    low = -(1 << element.bits - 1) if element.signed else 0
    values = np.random.default_rng(seed).integers(low, low + (1 << element.bits), count).astype(element.storage)
    assert (element.decode(pack(values, element), (count,)) == values).all()


def test_unpacking_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 64, 1001, dtype=np.uint8)
    monkeypatch.setattr(dtypes, "_BLOCK", 16)
    assert (dtypes.UINT6.decode(pack(values, dtypes.UINT6), (1001,)) == values).all()


def test_rounding_to_half_equals_numpy() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    halves = halves[np.isfinite(halves)]
    between = np.sort(halves)
    middles = (between[:-1] + between[1:]) / 2
    rng = np.random.default_rng(0)
    anything = rng.integers(0, 1 << 32, 200_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    edges = np.array(
        [65504, 65519.99, 65520, 65536, 1e30, np.inf, -np.inf, np.nan, 2.0**-25, 2.0**-24, 0, -0.0], np.float32
    )
    near = np.concatenate([np.nextafter(middles, np.float32(np.inf)), np.nextafter(middles, np.float32(-np.inf))])
    for values in (halves, middles, near, anything, edges, -edges):
        rounded = values.copy()
        round_to_half(rounded)
        with np.errstate(over="ignore", invalid="ignore"):
            np.testing.assert_array_equal(rounded, values.astype(np.float16).astype(np.float32))
    grid = rng.normal(size=(3, 4, 5)).astype(np.float32)
    turned = np.moveaxis(grid.copy(), 0, -1)
    round_to_half(turned)
    assert (turned == np.moveaxis(grid, 0, -1).astype(np.float16)).all()


# Compressed weights, against the definitions that coremltools documents and computes.


def tensor(array: Any, element: dtypes.ElementType) -> Constant:
    array = np.asarray(array, element.storage)
    return Constant(TensorType(element, array.shape), array)


def test_affine_dequantize() -> None:
    data = np.random.default_rng(0).integers(-128, 128, (3, 4, 2)).astype(np.int8)
    scale = np.array([0.1, 0.2, 0.3, 0.4], np.float16)
    given = {
        "quantized_data": tensor(data, dtypes.INT8),
        "scale": tensor(scale, dtypes.FP16),
        "zero_point": tensor([1, 2, 3, 4], dtypes.INT8),
        "axis": tensor(1, dtypes.INT32),
    }
    dense = constexpr.dense("constexpr_affine_dequantize", given, TensorType(dtypes.FP16, (3, 4, 2)))
    levels = data.astype(np.float32) - np.array([1, 2, 3, 4], np.float32)[:, None]
    assert (dense.array == (levels * scale.astype(np.float32)[:, None]).astype(np.float16)).all()


def test_blockwise_shift_scale() -> None:
    data = np.random.default_rng(0).integers(-8, 8, (4, 6)).astype(np.int8)
    scale, offset = np.random.default_rng(1).normal(size=(2, 3)), np.arange(6).reshape(2, 3) - 3
    given = {
        "data": tensor(data, dtypes.INT4),
        "scale": tensor(scale, dtypes.FP32),
        "offset": tensor(offset, dtypes.INT4),
    }
    dense = constexpr.dense("constexpr_blockwise_shift_scale", given, TensorType(dtypes.FP32, (4, 6)))
    spread = [np.repeat(np.repeat(values, 2, 0), 2, 1).astype(np.float32) for values in (offset, scale)]
    assert (dense.array == (data - spread[0]) * spread[1]).all()


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_vector_palettes(axis: int) -> None:
    rng = np.random.default_rng(0)
    indices, lut = rng.integers(0, 4, (2, 3, 2)), rng.normal(size=(1, 3, 1, 4, 5))
    shape = [2, 3, 2]
    shape[axis] *= 5
    given = {
        "indices": tensor(indices, dtypes.UINT2),
        "lut": tensor(lut, dtypes.FP32),
        "vector_axis": tensor(axis, dtypes.INT32),
    }
    dense = constexpr.dense("constexpr_lut_to_dense", given, TensorType(dtypes.FP32, tuple(shape))).array
    for i, j, k in np.ndindex(2, 3, 2):
        place: list[Any] = [i, j, k]
        place[axis] = slice(place[axis] * 5, place[axis] * 5 + 5)
        assert (dense[tuple(place)] == lut[0, j, 0, indices[i, j, k]].astype(np.float32)).all()


def test_sparse_to_dense_in_both_forms() -> None:
    mask = np.random.default_rng(0).random((3, 7)) < 0.4
    values = np.arange(1, mask.sum() + 1, dtype=np.float32)
    expected = np.zeros((3, 7), np.float32)
    expected[mask] = values
    declared = TensorType(dtypes.FP32, (3, 7))
    bits = {"nonzero_data": tensor(values, dtypes.FP32), "mask": tensor(mask, dtypes.UINT1)}
    packed = {
        "nonzero_data": tensor(values, dtypes.FP32),
        "mask": tensor(np.packbits(mask.ravel(), bitorder="little"), dtypes.UINT8),
        "shape": tensor([3, 7], dtypes.UINT32),
    }
    for form in (bits, packed):
        assert (constexpr.dense("constexpr_sparse_to_dense", form, declared).array == expected).all()
    short = {**bits, "nonzero_data": tensor(values[:-1], dtypes.FP32)}
    with pytest.raises(BundleError, match="bits set"):
        constexpr.dense("constexpr_sparse_to_dense", short, declared)


def test_half_constants_are_widened() -> None:
    given: dict[str, Constant | str] = {"source_val": tensor([1.5, 2.5], dtypes.FP16), "output_dtype": "fp32"}
    assert constexpr.dense("constexpr_cast", given, TensorType(dtypes.FP32, (2,))).array.dtype == np.float32


def test_unknown_compression_is_refused() -> None:
    with pytest.raises(BundleError, match="does not support this kind"):
        constexpr.dense("constexpr_magic", {}, TensorType(dtypes.FP32, (1,)))
