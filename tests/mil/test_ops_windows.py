"""Convolution and pooling of the Core ML evaluator, against ONNX Runtime and TensorFlow on random shapes."""

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
    pairs,
    run,
    same_pads,
    seeds,
    sides,
)


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
    assert_close(ours[:, 0], theirs, 2e-5)


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
    assert_close(ours[:, 0].transpose(0, 2, 3, 1), theirs)


def test_conv_keeps_a_batch_that_the_program_declares_apart_from_the_samples() -> None:
    x, w = normal(0, 3, 4, 2, 6, 5), normal(1, 3, 2, 3, 3)
    ours = run("conv", x=Tensor(x), weight=w, pad_type="same")
    theirs = onnx_run("Conv", x.reshape(12, 2, 6, 5), w, pads=(1, 1, 1, 1))
    assert_close(ours, theirs.reshape(3, 4, 3, 6, 5))


def test_conv_in_blocks_equals_conv_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_cifar.mil.ops import convolution

    x = one_batch(normal(0, 3, 8, 9, 9))
    for groups in (1, 8):
        w = normal(1, 8, 8 // groups, 3, 3)
        at_once = run("conv", x=x, weight=w, groups=groups, pad_type="same")
        with monkeypatch.context() as patch:
            patch.setattr(convolution, "_COLUMNS_BYTES", 1)
            patch.setattr(convolution, "_BLOCK_BYTES", 1)
            in_blocks = run("conv", x=x, weight=w, groups=groups, pad_type="same")
        assert_close(in_blocks, at_once)


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
    assert_close(ours[:, 0], theirs)
