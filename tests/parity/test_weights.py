"""What each precision may do to a constant, and what it may not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_cifar.parity.inspection import sibling_of
from edge_cifar.parity.pairing import Pair
from edge_cifar.parity.weights import wrong_constant
from edge_cifar.pixels import Quantization
from edge_cifar.readers import Operation, Weight
from edge_cifar.variant import Variant

FP32 = Variant("tflite", "fp32")
RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(4, 3, 9)).astype(np.float32)
BIAS = RNG.normal(size=4).astype(np.float32)
EXACT = {"kernel": Weight(values=KERNEL), "bias": Weight(values=BIAS)}
SOURCE = Quantization(dtype=np.dtype(np.int8), scale=6 / 255, zero_point=-128)


def judged(source: Quantization | None = None, **given: Weight) -> str | None:
    exact, other = (Operation(kind="CONV", name="c", weights=weights) for weights in (EXACT, {**EXACT, **given}))
    return wrong_constant(FP32, Pair(exact=exact, given=other, source=source))


def rounded(values: np.ndarray, levels: int = 127) -> Weight:
    step = np.abs(values).max(axis=(1, 2), keepdims=True) / levels
    return Weight(values=np.rint(values / step).astype(np.float64) * step, step=step.astype(np.float32))


def quantized(bias: np.ndarray) -> dict[str, Weight]:
    kernel = rounded(KERNEL)
    assert kernel.step is not None
    step = kernel.step.reshape(4) * np.float32(SOURCE.scale)
    values = np.rint(bias / step).astype(np.float64) * step
    return {"kernel": kernel, "bias": Weight(values=values, step=step)}


def test_equal_constants_are_proven():
    assert judged() is None


def test_half_precision_is_held_to_the_bit():
    half = KERNEL.astype(np.float16)
    assert judged(kernel=Weight(values=half)) is None
    half.flat[7] = np.nextafter(half.flat[7], np.float16(100))
    assert "1 of 108 values of the kernel of CONV 'c' are not tflite-fp32's, rounded" in str(
        judged(kernel=Weight(values=half))
    )


def test_float_constants_are_held_to_the_bit():
    other = KERNEL.copy()
    other.flat[7] = np.nextafter(other.flat[7], np.float32(100))
    assert "1 of 108 values" in str(judged(kernel=Weight(values=other)))


@given(st.integers(7, 127), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_whatever_is_rounded_to_its_own_steps_passes_and_two_steps_off_does_not(levels: int, seed: int) -> None:
    weight = rounded(KERNEL, levels)
    assert weight.step is not None
    assert judged(kernel=weight) is None
    place = np.unravel_index(np.random.default_rng(seed).integers(KERNEL.size), KERNEL.shape)
    values = weight.values.copy()
    values[place] += 2 * np.broadcast_to(weight.step, values.shape)[place]
    assert "1 of 108 values" in str(judged(kernel=replace(weight, values=values)))


@pytest.mark.parametrize("factor", [0.3, 0.9, 1.1, 8.0])
def test_a_wrong_scale_is_found_with_the_numbers_that_it_makes(factor):
    weight = rounded(KERNEL)
    scaled = Weight(values=weight.values * factor, step=weight.step * factor)
    assert "are not tflite-fp32's, rounded" in str(judged(kernel=scaled))


def test_a_scale_of_half_precision_may_be_rounded_itself():
    weight = rounded(KERNEL)
    step = weight.step.astype(np.float16)
    values = (np.rint(KERNEL / weight.step).astype(np.float16) * step).astype(np.float16)
    assert judged(kernel=Weight(values=values, step=step)) is None


def test_palettes_hold_the_nearest_entry():
    table = np.linspace(KERNEL.min(), KERNEL.max(), 16).astype(np.float16)
    indices = np.abs(KERNEL[..., None] - table.astype(np.float32)).argmin(axis=-1)
    assert judged(kernel=Weight(values=table[indices], palette=table)) is None
    indices[0, 0, 0] = (indices[0, 0, 0] + 5) % 16
    assert "1 of 108" in str(judged(kernel=Weight(values=table[indices], palette=table)))
    one = np.full(1, KERNEL.mean(), np.float16)
    assert judged(kernel=Weight(values=np.broadcast_to(one, KERNEL.shape), palette=one)) is None


def test_a_bias_may_be_corrected_by_what_rounding_its_kernel_took_and_no_more():
    assert judged(SOURCE, **quantized(BIAS)) is None
    lost = (KERNEL - rounded(KERNEL).values).sum(axis=2)
    # Each input channel's mean lies in 0 to 6, as the input's quantization says.
    for means in (np.full(3, 6.0), np.array([0.0, 3.0, 6.0])):
        assert judged(SOURCE, **quantized(BIAS + lost @ means)) is None
    most = np.abs(6 * lost).sum(axis=1)
    assert "4 of 4 values of the bias of CONV 'c'" in str(judged(SOURCE, **quantized(BIAS + 1.5 * most + 0.1)))
    assert "bias of CONV 'c'" in str(judged(SOURCE, **quantized(np.zeros(4))))


def test_the_mean_of_an_input_may_lie_at_the_end_of_its_range():
    """As that of a ReLU6 that always gives 6, which a file's scale rounds to a little less."""
    kernel = rounded(KERNEL)
    # In 16 bits the steps of a bias are too small to hide anything.
    source = Quantization(dtype=np.dtype(np.int16), scale=6 * (1 - 5e-5) / 32767)
    step = kernel.step.reshape(4) * np.float32(source.scale)
    most = 6 * np.abs((KERNEL - kernel.values).sum(axis=2)).sum(axis=1)
    for factor, sound in ((1.0, True), (1.01, False)):
        bias = Weight(values=BIAS + factor * most, step=step)
        assert (judged(source, kernel=kernel, bias=bias) is None) == sound


def test_a_bias_beside_float_activations_may_not_be_corrected():
    kernel = rounded(KERNEL)
    shifted = Weight(values=BIAS + np.float32(1e-3))
    assert "4 of 4 values of the bias of CONV 'c'" in str(judged(kernel=kernel, bias=shifted))


def test_a_bias_is_added_in_the_unit_of_its_products():
    given = quantized(BIAS)
    bias = given["bias"]
    wrong = replace(bias, step=bias.step * np.float32(1.5), values=bias.values * 1.5)
    reason = judged(SOURCE, kernel=given["kernel"], bias=wrong)
    assert "the scale of the bias of CONV 'c' is not the product" in str(reason)


@pytest.mark.parametrize(
    ("kernel", "says"),
    [
        (KERNEL[:2], "has shape [2, 3, 9], in tflite-fp32 [4, 3, 9]"),
        (np.full_like(KERNEL, np.nan), "108 of 108 values"),
        (np.full_like(KERNEL, np.inf), "108 of 108 values"),
    ],
)
def test_another_shape_and_what_is_no_number_are_said(kernel: np.ndarray, says: str) -> None:
    assert says in str(judged(kernel=Weight(values=kernel)))


def test_a_bias_where_there_was_none_may_only_correct_for_rounding():
    given = quantized(np.zeros(4))
    bare = Operation(kind="CONV", name="c", weights={"kernel": Weight(values=KERNEL)})
    for bias, sound in ((given["bias"], True), (quantized(BIAS + 9)["bias"], False)):
        other = Operation(kind="CONV", name="c", weights={"kernel": given["kernel"], "bias": bias})
        assert (wrong_constant(FP32, Pair(exact=bare, given=other, source=SOURCE)) is None) == sound


@pytest.mark.parametrize(
    ("precision", "sibling"),
    [
        ("fp16", "tflite-fp32"),
        ("int8", "tflite-fp32"),
        ("int8-pruned50", "tflite-fp32-pruned50"),
        ("fp32", None),
        ("fp32-pruned50", None),
    ],
)
def test_constants_are_held_against_the_artifact_that_has_them_in_full(precision, sibling):
    found = sibling_of(Variant("tflite", precision))
    assert (None if found is None else str(found)) == sibling


def paletted(lowest: float, highest: float, mean: np.ndarray) -> dict[str, Weight]:
    """A kernel from a palette in half precision, and its bias corrected by means of its inputs."""
    palette = np.linspace(KERNEL.min(), KERNEL.max(), 16).astype(np.float16)
    kernel = palette[np.abs(KERNEL[..., None] - palette).argmin(axis=-1)]
    bias = BIAS + (KERNEL - kernel).sum(axis=2) @ mean
    return {
        "kernel": Weight(values=kernel, palette=palette),
        "bias": Weight(values=bias.astype(np.float16), mean_range=(lowest, highest)),
    }


def test_a_bias_in_half_precision_may_be_corrected_within_the_means_that_the_file_tells():
    mean = np.array([0.5, 2.0, -1.0])
    assert judged(**paletted(-1.0, 2.0, mean)) is None
    assert "bias of CONV 'c'" in str(judged(**paletted(-0.1, 0.1, mean)))
    moved = paletted(-1.0, 2.0, mean)
    moved["bias"].values[2] += 10
    assert "1 of 4 values of the bias of CONV 'c'" in str(judged(**moved))


def test_a_bias_in_half_precision_is_exact_where_no_means_are_told():
    given = paletted(-1.0, 2.0, np.array([0.5, 2.0, -1.0]))
    given["bias"] = replace(given["bias"], mean_range=None)
    assert "bias of CONV 'c'" in str(judged(**given))
    # Its input is quantized, which alone is no reason to correct it.
    assert "bias of CONV 'c'" in str(judged(Quantization(dtype=np.dtype(np.uint8), scale=0.1, zero_point=128), **given))
    assert judged(kernel=given["kernel"], bias=replace(given["bias"], values=BIAS.astype(np.float16))) is None
