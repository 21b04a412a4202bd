"""Each operation of the Core ML evaluator, one by one, against ONNX Runtime or TensorFlow on random shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from mil_ops import Tensor, close, onnx_run, run, samples_innermost

from edge_cifar.errors import BundleError
from edge_cifar.runtimes._mil import limits

bounded = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
seeds = st.integers(0, 2**32 - 1)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
sides = st.tuples(st.integers(1, 11), st.integers(1, 11))


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def one_batch(x: np.ndarray) -> Tensor:
    """``[N, C, H, W]`` as N samples of a program with a batch of one."""
    return Tensor(samples_innermost(x[:, None]))


def same_pads(case: dict[str, Any], dilations: tuple[int, int] = (1, 1)) -> list[tuple[int, int]]:
    """TensorFlow's SAME, spelled out: before and after, for each axis."""
    totals = [
        max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        for n, k, s, d in zip(case["sides"], case["kernel"], case["strides"], dilations, strict=True)
    ]
    pads = [(total // 2, total - total // 2) for total in totals]
    return pads if case["pad_type"] == "same" else [(after, before) for before, after in pads]


@st.composite
def convolutions(draw: st.DrawFn) -> dict[str, Any]:
    groups = draw(st.integers(1, 4))
    depthwise = draw(st.booleans())
    return {
        "images": draw(st.integers(1, 3)),
        "groups": groups,
        "group_channels": 1 if depthwise else draw(st.integers(1, 4)),
        "group_filters": draw(st.integers(1, 3)),
        "sides": draw(sides),
        "kernel": draw(st.tuples(st.integers(1, 4), st.integers(1, 4))),
        "strides": draw(pairs),
        "dilations": draw(pairs),
        "pad_type": draw(st.sampled_from(["valid", "same", "same_lower", "custom"])),
        "pads": draw(st.tuples(*[st.integers(0, 3)] * 4)),
        "bias": draw(st.booleans()),
        "seed": draw(seeds),
    }


@bounded
@given(convolutions())
def test_conv(case: dict[str, Any]) -> None:
    channels, filters = case["groups"] * case["group_channels"], case["groups"] * case["group_filters"]
    x = normal(case["seed"], case["images"], channels, *case["sides"])
    w = normal(case["seed"] + 1, filters, case["group_channels"], *case["kernel"])
    b = normal(case["seed"] + 2, filters) if case["bias"] else np.zeros(filters, np.float32)
    top, bottom, left, right = case["pads"] if case["pad_type"] == "custom" else (0, 0, 0, 0)
    if case["pad_type"] in ("same", "same_lower"):
        (top, bottom), (left, right) = same_pads(case, case["dilations"])
    fits = zip(case["sides"], case["kernel"], case["dilations"], [(top, bottom), (left, right)], strict=True)
    assume(all(n + sum(p) >= (k - 1) * d + 1 for n, k, d, p in fits))
    theirs = onnx_run(
        "Conv",
        x,
        w,
        b,
        strides=case["strides"],
        dilations=case["dilations"],
        group=case["groups"],
        pads=(top, left, bottom, right),
    )
    ours = run(
        "conv",
        x=one_batch(x),
        weight=w,
        strides=case["strides"],
        dilations=case["dilations"],
        groups=case["groups"],
        pad_type=case["pad_type"],
        pad=case["pads"],
        **({"bias": b} if case["bias"] else {}),
    )
    close(ours[:, 0], theirs, 2e-5)


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize(("side", "kernel", "stride"), [(7, 3, 2), (8, 3, 2), (9, 2, 2), (5, 4, 3), (6, 1, 2)])
def test_same_padding_is_that_of_tensorflow(side: int, kernel: int, stride: int, depthwise: bool) -> None:
    tf = pytest.importorskip("tensorflow")
    x = normal(side, 2, side, side, 4)
    w = normal(kernel, kernel, kernel, 4, 1 if depthwise else 5)
    if depthwise:
        theirs = tf.nn.depthwise_conv2d(x, w, [1, stride, stride, 1], "SAME").numpy()
        ours_w = w.transpose(2, 3, 0, 1)
    else:
        theirs = tf.nn.conv2d(x, w, stride, "SAME").numpy()
        ours_w = w.transpose(3, 2, 0, 1)
    ours = run(
        "conv",
        x=one_batch(x.transpose(0, 3, 1, 2)),
        weight=ours_w,
        strides=(stride, stride),
        pad_type="same",
        groups=4 if depthwise else 1,
    )
    close(ours[:, 0].transpose(0, 2, 3, 1), theirs)


def test_conv_keeps_a_batch_that_the_program_declares_apart_from_the_samples() -> None:
    x, w = normal(0, 3, 4, 2, 6, 5), normal(1, 3, 2, 3, 3)
    ours = run("conv", x=Tensor(x), weight=w, pad_type="same")
    theirs = onnx_run("Conv", x.reshape(12, 2, 6, 5), w, pads=(1, 1, 1, 1))
    close(ours, theirs.reshape(3, 4, 3, 6, 5))


def test_conv_in_blocks_equals_conv_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_cifar.runtimes._mil.ops import convolution

    x = one_batch(normal(0, 3, 8, 9, 9))
    for groups in (1, 8):
        w = normal(1, 8, 8 // groups, 3, 3)
        at_once = run("conv", x=x, weight=w, groups=groups, pad_type="same")
        with monkeypatch.context() as patch:
            patch.setattr(convolution, "_COLUMNS_BYTES", 1)
            patch.setattr(convolution, "_BLOCK_BYTES", 1)
            in_blocks = run("conv", x=x, weight=w, groups=groups, pad_type="same")
        close(in_blocks, at_once)


@st.composite
def poolings(draw: st.DrawFn) -> dict[str, Any]:
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    return {
        "kernel": kernel,
        "sides": draw(sides),
        "strides": draw(pairs),
        "pad_type": draw(st.sampled_from(["valid", "same", "custom"])),
        "pad": draw(st.tuples(st.integers(0, kernel[0] - 1), st.integers(0, kernel[1] - 1))),
        "ceil": draw(st.booleans()),
        "exclude": draw(st.booleans()),
        "average": draw(st.booleans()),
        "seed": draw(seeds),
    }


@bounded
@given(poolings())
def test_pool(case: dict[str, Any]) -> None:
    pads = case["pad"] if case["pad_type"] == "custom" else (0, 0)
    ceil = case["ceil"] and case["pad_type"] != "same"
    assume(all(n + 2 * p >= k for n, k, p in zip(case["sides"], case["kernel"], pads, strict=True)))
    # With no padding, coremltools counts a last window that lies wholly outside; it is refused, not computed.
    outside = [
        not p and (n - k) % s and -(-(n - k) // s) * s >= n
        for n, k, s, p in zip(case["sides"], case["kernel"], case["strides"], pads, strict=True)
    ]
    assume(not (ceil and any(outside)))
    x = normal(case["seed"], 2, 3, *case["sides"])
    spelled = same_pads(case) if case["pad_type"] == "same" else [(pad, pad) for pad in pads]
    attributes: dict[str, Any] = {
        "kernel_shape": case["kernel"],
        "strides": case["strides"],
        "ceil_mode": int(ceil),
        "pads": [before for before, _ in spelled] + [after for _, after in spelled],
    }
    if case["average"]:
        attributes["count_include_pad"] = int(not case["exclude"])
    theirs = onnx_run("AveragePool" if case["average"] else "MaxPool", x, **attributes)
    ours = run(
        "avg_pool" if case["average"] else "max_pool",
        x=one_batch(x),
        kernel_sizes=case["kernel"],
        strides=case["strides"],
        pad_type=case["pad_type"],
        pad=(pads[0], pads[0], pads[1], pads[1]),
        ceil_mode=ceil,
        **({"exclude_padding_from_average": case["exclude"]} if case["average"] else {}),
    )
    close(ours[:, 0], theirs)


UNARY = {
    "abs": ("Abs", {}),
    "exp": ("Exp", {}),
    "relu": ("Relu", {}),
    "sigmoid": ("Sigmoid", {}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "tanh": ("Tanh", {}),
}


@pytest.mark.parametrize("kind", UNARY)
def test_unary(kind: str) -> None:
    x = normal(1, 3, 4, 5) * 3
    name, attributes = UNARY[kind]
    close(run(kind, x=Tensor(x)), onnx_run(name, x, **attributes), 2e-6)


def test_activations_with_parameters() -> None:
    x = normal(2, 3, 4, 5, 2) * 3
    t = Tensor(x)
    close(run("leaky_relu", x=t, alpha=0.2), onnx_run("LeakyRelu", x, alpha=0.2))
    close(run("elu", x=t, alpha=0.7), onnx_run("Elu", x, alpha=0.7))
    close(run("sigmoid_hard", x=t, alpha=0.3, beta=0.4), onnx_run("HardSigmoid", x, alpha=0.3, beta=0.4))
    close(run("clip", x=t, alpha=-1.0, beta=1.5), np.clip(x, -1, 1.5))
    close(run("relu6", x=t), np.clip(x, 0, 6))
    close(run("silu", x=t), x * onnx_run("Sigmoid", x))
    close(run("square", x=t), x**2)
    close(run("sqrt", x=Tensor(abs(x))), np.sqrt(abs(x)))
    close(run("rsqrt", x=Tensor(abs(x)), epsilon=1e-3), 1 / np.sqrt(abs(x) + 1e-3))
    alpha = np.array([0.1, -0.2, 0.3, 0.5, 1.5], np.float32)
    image = Tensor(x[:, None, :, :, :].transpose(0, 1, 3, 2, 4))
    close(run("prelu", x=image, alpha=alpha)[:, 0], np.where(x > 0, x, x * alpha[:, None]).transpose(0, 2, 1, 3))
    tanh = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    close(run("gelu", x=t, mode="TANH_APPROXIMATION"), tanh)
    close(run("gelu", x=t, mode="SIGMOID_APPROXIMATION"), x / (1 + np.exp(-1.702 * x)))


BINARY = {
    "add": "Add",
    "maximum": "Max",
    "minimum": "Min",
    "mul": "Mul",
    "pow": "Pow",
    "real_div": "Div",
    "sub": "Sub",
}


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize(
    ("x_shape", "y_shape"), [((4, 5), (4, 5)), ((1, 4, 5), (4, 1)), ((5,), (2, 3, 5)), ((2, 1), (1, 7)), ((3,), ())]
)
def test_binary_broadcasts_each_sample_by_itself(kind: str, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> None:
    # Six samples: were a sample axis taken for one of the tensor's own, no shape here would fit it.
    x, y = abs(normal(1, 6, *x_shape)) + 0.5, normal(2, 6, *y_shape) + 3
    theirs = np.stack([onnx_run(BINARY[kind], x[i], np.asarray(y[i])) for i in range(6)])
    close(run(kind, x=Tensor(x), y=Tensor(y)), theirs, 1e-5)
    constant = np.stack([onnx_run(BINARY[kind], x[i], np.asarray(y[0])) for i in range(6)])
    close(run(kind, x=Tensor(x), y=y[0]), constant, 1e-5)


@bounded
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.data(),
    st.booleans(),
    st.sampled_from(["reduce_mean", "reduce_sum", "reduce_max", "reduce_min"]),
)
def test_reduction(shape: list[int], data: st.DataObject, keep: bool, kind: str) -> None:
    rank = len(shape)
    axes = data.draw(st.lists(st.integers(-rank, rank - 1), min_size=1, unique_by=lambda axis: axis % rank))
    x = normal(len(axes), 3, *shape)
    function = {"mean": np.mean, "sum": np.sum, "max": np.max, "min": np.min}[kind.removeprefix("reduce_")]
    theirs = function(x.astype(np.float64), axis=tuple(axis % rank + 1 for axis in axes), keepdims=keep)
    close(run(kind, x=Tensor(x), axes=np.array(axes), keep_dims=keep), theirs, 1e-5)


@bounded
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_softmax(shape: list[int], data: st.DataObject) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = normal(axis + 9, 3, *shape) * 20
    close(run("softmax", x=Tensor(x), axis=axis), onnx_run("Softmax", x, axis=axis % len(shape) + 1))


def test_normalizations() -> None:
    x = normal(0, 4, 5, 6, 3)
    gamma, beta, mean = normal(1, 5), normal(2, 5), normal(3, 5)
    variance = abs(normal(4, 5)) + 0.1
    theirs = onnx_run("BatchNormalization", x, gamma, beta, mean, variance, epsilon=1e-3)
    image = one_batch(x)
    ours = run("batch_norm", x=image, gamma=gamma, beta=beta, mean=mean, variance=variance, epsilon=1e-3)
    close(ours[:, 0], theirs)
    theirs = onnx_run("InstanceNormalization", x, gamma, beta, epsilon=1e-3)
    close(run("instance_norm", x=image, gamma=gamma, beta=beta, epsilon=1e-3)[:, 0], theirs)
    gamma, beta = normal(5, 6, 3), normal(6, 6, 3)
    theirs = onnx_run("LayerNormalization", x, gamma, beta, axis=2, epsilon=1e-3)
    close(run("layer_norm", x=image, axes=(-2, -1), gamma=gamma, beta=beta, epsilon=1e-3)[:, 0], theirs)


def test_linear_and_matmul() -> None:
    x, w, b = normal(0, 3, 2, 5), normal(1, 7, 5), normal(2, 7)
    close(run("linear", x=Tensor(x), weight=w, bias=b), x @ w.T + b)
    close(run("linear", x=Tensor(x), weight=w), x @ w.T)
    close(run("matmul", x=Tensor(x), y=w, transpose_y=True), x @ w.T)
    close(run("matmul", x=Tensor(x), y=np.ascontiguousarray(w.T)), x @ w.T)
    y = normal(3, 3, 4, 5, 6)
    theirs = np.stack([onnx_run("MatMul", x[i], np.asarray(y[i])) for i in range(3)])
    close(run("matmul", x=Tensor(x), y=Tensor(y)), theirs)
    close(run("matmul", x=Tensor(x.swapaxes(1, 2)), y=Tensor(y), transpose_x=True), theirs)


@bounded
@given(st.permutations(range(4)), st.tuples(*[st.integers(1, 4)] * 4))
def test_transpose_and_reshape(order: list[int], shape: tuple[int, ...]) -> None:
    x = normal(0, 5, *shape)
    theirs = x.transpose(0, *(axis + 1 for axis in order))
    assert (run("transpose", x=Tensor(samples_innermost(x)), perm=np.array(order)) == theirs).all()
    assert (
        run("reshape", x=Tensor(theirs), shape=(shape[order[0]], -1)) == theirs.reshape(5, shape[order[0]], -1)
    ).all()
    kept = run("reshape", x=Tensor(theirs), shape=(0, 0, -1, 0))
    assert (kept == theirs).all()


def test_axes_of_length_one() -> None:
    x = normal(0, 5, 1, 3, 1, 2)
    assert run("squeeze", x=Tensor(x)).shape == (5, 3, 2)
    assert run("squeeze", x=Tensor(x), axes=(-2,)).shape == (5, 1, 3, 2)
    assert run("expand_dims", x=Tensor(x), axes=(0, -1)).shape == (5, 1, 1, 3, 1, 2, 1)


def test_joining() -> None:
    x, y = normal(0, 5, 2, 3), normal(1, 5, 4, 3)
    assert (run("concat", values=[Tensor(x), Tensor(y)], axis=0) == np.concatenate([x, y], 1)).all()
    assert (run("concat", values=[Tensor(y), Tensor(y)], axis=-1) == np.concatenate([y, y], 2)).all()
    assert (run("stack", values=[Tensor(x), Tensor(x)], axis=-1) == np.stack([x, x], -1)).all()
    assert (run("stack", values=[Tensor(x), Tensor(x)], axis=0) == np.stack([x, x], 1)).all()
    assert (run("reverse", x=Tensor(x), axes=(1,)) == x[:, :, ::-1]).all()


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
        close(ours[:, 0], theirs, 1e-4)


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
        close(ours.ravel(), np.array(expected))


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
        close(ours[:, 0].transpose(0, 2, 3, 1), theirs, 2e-4)
    theirs = tf.raw_ops.ResizeBilinear(images=x, size=(wanted, wanted), align_corners=True).numpy()
    ours = run("upsample_bilinear", x=image, scale_factor_height=scale, scale_factor_width=scale)
    close(ours[:, 0].transpose(0, 2, 3, 1), theirs, 2e-4)
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
    "stride of zero": ("conv", {"x": IMAGE, "weight": KERNEL, "strides": (0, 1)}, "strides is .* nothing below 1"),
    "three strides": ("conv", {"x": IMAGE, "weight": KERNEL, "strides": (1, 1, 1)}, "3 values where 2"),
    "strides with a fraction": ("conv", {"x": IMAGE, "weight": KERNEL, "strides": (1.5, 1)}, "no list of whole"),
    "negative padding": (
        "conv",
        {"x": IMAGE, "weight": KERNEL, "pad_type": "custom", "pad": (-9, 0, 0, 0)},
        "nothing below 0",
    ),
    "unknown padding": ("conv", {"x": IMAGE, "weight": KERNEL, "pad_type": "most"}, "known are valid, same"),
    "channels that do not fit": ("conv", {"x": IMAGE, "weight": KERNEL, "groups": 2}, "does not fit an input of 4"),
    "window larger than the image": (
        "conv",
        {"x": IMAGE, "weight": KERNEL, "dilations": (5, 5)},
        "does not fit into 6",
    ),
    "bias of another length": (
        "conv",
        {"x": IMAGE, "weight": KERNEL, "bias": np.zeros(3, np.float32)},
        "3 values for 2",
    ),
    "missing weight": ("conv", {"x": IMAGE}, "lacks the parameter weight"),
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
        "at once",
    ),
    "axis that is not there": ("softmax", {"x": VECTOR, "axis": 3}, "names axis 3 of a tensor that has 1"),
    "axis twice": ("reduce_mean", {"x": IMAGE, "axes": (1, -3)}, "an axis twice"),
    "shapes that do not fit": ("add", {"x": VECTOR, "y": np.zeros(3, np.float32)}, "do not fit together"),
    "types that do not fit": ("add", {"x": VECTOR, "y": np.zeros(4, np.int32)}, "cannot combine"),
    "shape of another size": ("reshape", {"x": VECTOR, "shape": (3, -1)}, "cannot give"),
    "order that is none": ("transpose", {"x": IMAGE, "perm": (0, 1, 1, 2)}, "an axis twice"),
    "steps of zero": ("slice_by_index", {"x": VECTOR, "begin": (0,), "end": (1,), "stride": (0,)}, "length 0"),
    "slice of nothing": ("slice_by_index", {"x": VECTOR, "begin": (2,), "end": (1,)}, "impossible shape"),
    "scale of zero": ("quantize", {"input": VECTOR, "scale": 0.0, "output_dtype": "int8"}, "scale is zero"),
    "exact gelu": ("gelu", {"x": VECTOR, "mode": "EXACT"}, "known are TANH"),
    "interleaving": ("concat", {"values": [VECTOR, VECTOR], "axis": 0, "interleave": True}, "interleaves"),
    "products that do not fit": ("matmul", {"x": IMAGE, "y": np.zeros((5, 2), np.float32)}, "6 columns meet 5 rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused(case: str) -> None:
    kind, parameters, message = REFUSED[case]
    with pytest.raises(BundleError, match=message):
        run(kind, **parameters)
