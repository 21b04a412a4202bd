"""Packages broken at random end in one sentence or in an answer, within bounded time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import SUPPORT
from support.mil_packages import (
    Weights,
    argument,
    blob_literal,
    chunk,
    classifier,
    const,
    literal,
    model,
    named,
    operation,
    write,
)

from edge_cifar.mil import dtypes, limits

MEMORY_BYTES = limits.IMAGE_BYTES
"""What evaluating two small images of a small broken package may take beyond what the sound one takes."""


def half_precision(path: Path) -> Path:
    """A program in half precision with the weight compressions of iOS 18."""
    rng = np.random.default_rng(0)
    fp16, weights = dtypes.FP16, Weights()
    blobs = {
        "data": (rng.integers(-8, 8, (8, 3, 3, 3)), dtypes.INT4),
        "scale": (rng.uniform(0.001, 0.01, (8, 1, 1, 1)), fp16),
        "indices": (rng.integers(0, 8, (8, 1, 3, 3)), dtypes.UINT3),
        "lut": (rng.normal(size=(1, 1, 1, 1, 8, 1)), fp16),
        "mask": (rng.random((3, 8)) < 0.5, dtypes.UINT1),
    }
    blobs["nonzero_data"] = rng.normal(size=int(np.count_nonzero(blobs["mask"][0]))), fp16
    consts = [
        const(name, element, array.shape, blob_literal(element, array.shape, weights.add(array, element)))
        for name, (array, element) in blobs.items()
    ]
    integers = lambda *values: argument(literal(np.array(values, np.int32)))  # noqa: E731

    def dense(kind: str, shape: tuple[int, ...], *names: str) -> bytes:
        inputs = {name: argument(name) for name in names}
        return operation(f"constexpr_{kind}", inputs, [named(f"w{len(shape)}{shape[1]}", fp16, shape)])

    program = [
        *consts,
        dense("blockwise_shift_scale", (8, 3, 3, 3), "data", "scale"),
        dense("lut_to_dense", (8, 1, 3, 3), "indices", "lut"),
        dense("sparse_to_dense", (3, 8), "nonzero_data", "mask"),
        operation(
            "cast", {"x": argument("image"), "dtype": argument(literal("fp16"))}, [named("h", fp16, (1, 3, 8, 8))]
        ),
        operation(
            "upsample_bilinear",
            {
                "x": argument("h"),
                "scale_factor_height": argument(literal(np.float32(1.5))),
                "scale_factor_width": argument(literal(np.float32(1.5))),
                "align_corners": argument(literal(np.array(False))),
            },
            [named("large", fp16, (1, 3, 12, 12))],
        ),
        operation("conv", {"x": argument("large"), "weight": argument("w43")}, [named("c", fp16, (1, 8, 10, 10))]),
        operation(
            "conv",
            {"x": argument("c"), "weight": argument("w41"), "groups": integers(8), "strides": integers(2, 2)},
            [named("d", fp16, (1, 8, 4, 4))],
        ),
        operation("transpose", {"x": argument("d"), "perm": integers(0, 2, 3, 1)}, [named("t", fp16, (1, 4, 4, 8))]),
        operation("reduce_max", {"x": argument("t"), "axes": integers(1, 2)}, [named("m", fp16, (1, 8))]),
        operation("linear", {"x": argument("m"), "weight": argument("w28")}, [named("l", fp16, (1, 3))]),
        operation("softmax", {"x": argument("l"), "axis": integers(-1)}, [named("s", fp16, (1, 3))]),
        operation("cast", {"x": argument("s"), "dtype": argument(literal("fp32"))}, [named("p", dtypes.FP32, (1, 3))]),
        operation(
            "classify",
            {"probabilities": argument("p"), "classes": argument(literal(["a", "b", "c"]))},
            [chunk(1, "label"), chunk(1, "probabilities")],
        ),
    ]
    return write(path, model(program, ["label", "probabilities"]), weights.content)


@pytest.mark.parametrize("count", [150, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_broken_package_does_harm(tmp_path: Path, count: int) -> None:
    sources = [classifier(tmp_path / "one.mlpackage"), half_precision(tmp_path / "two.mlpackage")]
    script = SUPPORT / "mil_fuzz.py"
    command = [sys.executable, str(script), str(tmp_path), str(count), "0", *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert set(report["outcomes"]) == {"refused", "computed"}, report["outcomes"]
    assert sum(report["outcomes"].values()) == count
    assert report["outcomes"]["refused"] > count / 4
    assert report["memory_bytes"] < MEMORY_BYTES
    # As long as adding up 300 million squares in Python: half a minute at most, where a sound package takes a blink.
    assert report["slowest_times_a_sum"] < 300
