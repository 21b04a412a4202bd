"""Operations of the Core ML evaluator that move, resize or quantize values; what makes no sense is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.mil_ops import (
    Tensor,
    assert_close,
    bounded,
    normal,
    one_batch,
    onnx_run,
    run,
    samples_innermost,
    seeds,
    sides,
)

from edge_cifar.errors import BundleError
from edge_cifar.mil import limits


@bounded
@given(st.data())
def test_slice_by_index(data: st.DataObject) -> None:
    x = normal(0, 3, 6, 5)
    begin, end = (data.draw(st.tuples(st.integers(-7, 7), st.integers(-7, 7))) for _ in range(2))
    stride = data.draw(st.tuples(*[st.sampled_from([-2, -1, 1, 2, 3])] * 2))
    begin_mask, end_mask = (data.draw(st.tuples(st.booleans(), st.booleans())) for _ in range(2))
    pieces = [
        slice(None if bm else b, None if em else e, s)
        for b, e, s, bm, em in zip(begin, end, stride, begin_mask, end_mask, strict=True)
    ]
    theirs = x[:, pieces[0], pieces[1]]
    assume(theirs.size)
    ours = run(
        "slice_by_index",
        x=Tensor(x),
        begin=begin,
        end=end,
        stride=stride,
        begin_mask=np.array(begin_mask),
        end_mask=np.array(end_mask),
    )
    assert (ours == theirs).all()
    dropped = run(
        "slice_by_index",
        x=Tensor(x),
        begin=(-1, 0),
        end=(0, 0),
        squeeze_mask=np.array([True, False]),
        end_mask=np.array([False, True]),
    )
    assert (dropped == x[:, -1]).all()


@bounded
@given(st.tuples(*[st.integers(0, 3)] * 4), st.sampled_from(["constant", "reflect", "replicate"]))
def test_pad(amounts: tuple[int, ...], mode: str) -> None:
    x = normal(0, 2, 3, 4, 5)
    numpy_mode = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}[mode]
    fill: dict[str, Any] = {"constant_values": 1.5} if mode == "constant" else {}
    theirs = np.pad(x, [(0, 0), (0, 0), amounts[:2], amounts[2:]], mode=numpy_mode, **fill)
    assert (run("pad", x=Tensor(samples_innermost(x)), pad=amounts, mode=mode, constant_val=1.5) == theirs).all()


@pytest.mark.parametrize("block", [(2, 2), (1, 3), (3, 2)])
def test_space_and_batch_as_in_tensorflow(block: tuple[int, int]) -> None:
    tf = pytest.importorskip("tensorflow")
    paddings = [[1, 2], [0, 3]]
    x = normal(0, 4, 2, 3, 9, 9)
    theirs = np.stack(
        [tf.space_to_batch(sample.transpose(0, 2, 3, 1), block, paddings).numpy().transpose(0, 3, 1, 2) for sample in x]
    )
    batched = run("space_to_batch", x=Tensor(samples_innermost(x)), block_shape=block, paddings=np.array(paddings))
    assert (batched == theirs).all()
    assert (run("batch_to_space", x=Tensor(batched), block_shape=block, crops=np.array(paddings)) == x).all()


@bounded
@given(sides, sides)
def test_bilinear_resizing(sizes: tuple[int, int], wanted: tuple[int, int]) -> None:
    modes = {"DEFAULT": "asymmetric", "STRICT_ALIGN_CORNERS": "align_corners", "UNALIGN_CORNERS": "half_pixel"}
    x = normal(0, 2, 1, 3, *sizes)
    for mode, coordinates in modes.items():
        theirs = onnx_run(
            "Resize",
            x[:, 0],
            None,
            None,
            np.array([2, 3, *wanted], np.int64),
            mode="linear",
            coordinate_transformation_mode=coordinates,
        )
        ours = run(
            "resize_bilinear",
            x=Tensor(samples_innermost(x)),
            target_size_height=wanted[0],
            target_size_width=wanted[1],
            sampling_mode=mode,
        )
        assert_close(ours[:, 0], theirs, 1e-4)


def test_bilinear_sampling_modes_as_mil_documents_them() -> None:
    # The grid points in the documentation of resize_bilinear, for an input of [0, 1].
    documented = {
        ("UNALIGN_CORNERS", 5): [0.0, 0.1, 0.5, 0.9, 1.0],
        ("STRICT_ALIGN_CORNERS", 5): [0.0, 0.25, 0.5, 0.75, 1.0],
        ("ALIGN_CORNERS", 1): [0.5],
        ("DEFAULT", 5): [0.0, 0.4, 0.8, 1.0, 1.0],
        ("OFFSET_CORNERS", 5): [0.1, 0.3, 0.5, 0.7, 0.9],
        ("UNALIGN_CORNERS", 6): [0.0, 0.0, 1 / 3, 2 / 3, 1.0, 1.0],
    }
    x = Tensor(np.array([[[[0.0, 1.0]]]], np.float32))
    for (mode, size), expected in documented.items():
        ours = run("resize_bilinear", x=x, target_size_width=size, target_size_height=1, sampling_mode=mode)
        assert_close(ours.ravel(), np.array(expected))


@pytest.mark.parametrize("wanted", [96, 75, 33])
def test_upsampling_is_that_of_tensorflow(wanted: int) -> None:
    tf = pytest.importorskip("tensorflow")
    x = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    # The scale that coremltools writes: a little more than the ratio where that is no whole number.
    scale = np.float32(wanted / 32 if wanted % 32 == 0 else (wanted + 1e-4) / 32)
    theirs = tf.raw_ops.ResizeBilinear(images=x, size=(wanted, wanted), half_pixel_centers=True).numpy()
    image = one_batch(x.transpose(0, 3, 1, 2))
    for extra in ({}, {"half_pixel_centers": True}):
        ours = run(
            "upsample_bilinear",
            x=image,
            scale_factor_height=scale,
            scale_factor_width=scale,
            align_corners=False,
            **extra,
        )
        assert_close(ours[:, 0].transpose(0, 2, 3, 1), theirs, 2e-4)
    theirs = tf.raw_ops.ResizeBilinear(images=x, size=(wanted, wanted), align_corners=True).numpy()
    ours = run("upsample_bilinear", x=image, scale_factor_height=scale, scale_factor_width=scale)
    assert_close(ours[:, 0].transpose(0, 2, 3, 1), theirs, 2e-4)
    theirs = tf.raw_ops.ResizeNearestNeighbor(images=x, size=(wanted, wanted)).numpy()
    ours = run("upsample_nearest_neighbor", x=image, scale_factor_height=scale, scale_factor_width=scale)
    assert (ours[:, 0].transpose(0, 2, 3, 1) == theirs).all()
    ours = run("resize_nearest_neighbor", x=image, target_size_height=wanted, target_size_width=wanted)
    assert (ours[:, 0].transpose(0, 2, 3, 1) == theirs).all()


@bounded
@given(seeds, st.booleans(), st.booleans())
def test_quantize_and_dequantize(seed: int, signed: bool, per_channel: bool) -> None:
    rng = np.random.default_rng(seed)
    storage = np.int8 if signed else np.uint8
    x = normal(seed, 3, 4, 5) * 2
    shape = (4,) if per_channel else ()
    scale = rng.uniform(0.005, 0.05, shape).astype(np.float32)
    zero_point = rng.integers(np.iinfo(storage).min, np.iinfo(storage).max + 1, shape).astype(storage)
    axis = {"axis": 0} if per_channel else {}
    quantized = run(
        "quantize", input=Tensor(x), scale=scale, zero_point=zero_point, output_dtype=np.dtype(storage).name, **axis
    )
    assert (quantized == onnx_run("QuantizeLinear", x, scale, zero_point, axis=1)).all()
    ours = run("dequantize", input=Tensor(quantized), scale=scale, zero_point=zero_point, **axis)
    assert (ours == onnx_run("DequantizeLinear", quantized, scale, zero_point, axis=1)).all()


def test_cast() -> None:
    x = np.array([[-1.7, 0.0, 2.5]], np.float32)
    assert run("cast", x=Tensor(x), dtype="int32").tolist() == [[-1, 0, 2]]
    assert run("cast", x=Tensor(x), dtype="bool").tolist() == [[True, False, True]]
    assert run("identity", x=Tensor(x)).tolist() == x.tolist()


IMAGE = Tensor(np.zeros((1, 1, 4, 6, 6), np.float32))
KERNEL = np.zeros((2, 4, 3, 3), np.float32)
VECTOR = Tensor(np.zeros((1, 4), np.float32))

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "stride of zero": ("conv", {"x": IMAGE, "weight": KERNEL, "strides": (0, 1)}, "strides is .* must be at least 1"),
    "three strides": ("conv", {"x": IMAGE, "weight": KERNEL, "strides": (1, 1, 1)}, "3 values; expected 2"),
    "strides with a fraction": ("conv", {"x": IMAGE, "weight": KERNEL, "strides": (1.5, 1)}, "not a list of integers"),
    "negative padding": (
        "conv",
        {"x": IMAGE, "weight": KERNEL, "pad_type": "custom", "pad": (-9, 0, 0, 0)},
        "must be at least 0",
    ),
    "unknown padding": ("conv", {"x": IMAGE, "weight": KERNEL, "pad_type": "most"}, "supported are valid, same"),
    "channels that do not fit": ("conv", {"x": IMAGE, "weight": KERNEL, "groups": 2}, "does not match an input of 4"),
    "window larger than the image": (
        "conv",
        {"x": IMAGE, "weight": KERNEL, "dilations": (5, 5)},
        "is larger than 6",
    ),
    "bias of another length": (
        "conv",
        {"x": IMAGE, "weight": KERNEL, "bias": np.zeros(3, np.float32)},
        "3 values for 2",
    ),
    "missing weight": ("conv", {"x": IMAGE}, "the parameter weight is missing"),
    "computed weight": ("conv", {"x": IMAGE, "weight": Tensor(KERNEL[None])}, "computed by the program"),
    "output too large": (
        "conv",
        {"x": IMAGE, "weight": KERNEL, "pad_type": "custom", "pad": (2**30, 2**30, 2**30, 2**30)},
        f"more than {limits.IMAGE_BYTES >> 20} MiB",
    ),
    "pooling into nothing but padding": (
        "avg_pool",
        {"x": IMAGE, "kernel_sizes": (2, 2), "pad_type": "custom", "pad": (2**30, 0, 0, 0)},
        "leaves windows of",
    ),
    "resize to a huge size": (
        "resize_bilinear",
        {"x": IMAGE, "target_size_height": 2**30, "target_size_width": 2**30},
        "takes more than",
    ),
    "scale that is not finite": ("upsample_bilinear", {"x": IMAGE, "scale_factor_height": np.inf}, "finite"),
    "scale to nothing": ("upsample_bilinear", {"x": IMAGE, "scale_factor_height": 0.01}, "it scales"),
    "corners and centres": (
        "upsample_bilinear",
        {"x": IMAGE, "align_corners": True, "half_pixel_centers": True},
        "cannot both be set",
    ),
    "axis that is not there": ("softmax", {"x": VECTOR, "axis": 3}, "axis 3 is out of range for a tensor with 1"),
    "axis twice": ("reduce_mean", {"x": IMAGE, "axes": (1, -3)}, "duplicate axes"),
    "shapes that do not fit": ("add", {"x": VECTOR, "y": np.zeros(3, np.float32)}, "are incompatible"),
    "types that do not fit": ("add", {"x": VECTOR, "y": np.zeros(4, np.int32)}, "cannot combine"),
    "shape of another size": ("reshape", {"x": VECTOR, "shape": (3, -1)}, "cannot reshape"),
    "order that is none": ("transpose", {"x": IMAGE, "perm": (0, 1, 1, 2)}, "duplicate axes"),
    "steps of zero": ("slice_by_index", {"x": VECTOR, "begin": (0,), "end": (1,), "stride": (0,)}, "stride is 0"),
    "slice of nothing": ("slice_by_index", {"x": VECTOR, "begin": (2,), "end": (1,)}, "invalid shape"),
    "scale of zero": ("quantize", {"input": VECTOR, "scale": 0.0, "output_dtype": "int8"}, "scale is zero"),
    "exact gelu": ("gelu", {"x": VECTOR, "mode": "EXACT"}, "supported are TANH"),
    "interleaving": ("concat", {"values": [VECTOR, VECTOR], "axis": 0, "interleave": True}, "interleaving"),
    "products that do not fit": ("matmul", {"x": IMAGE, "y": np.zeros((5, 2), np.float32)}, "6 columns, 5 rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused(case: str) -> None:
    kind, parameters, message = REFUSED[case]
    with pytest.raises(BundleError, match=message):
        run(kind, **parameters)
