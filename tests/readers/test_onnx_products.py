"""Which 8-bit products of a foreign ``.onnx`` file can exceed 16 bits, read from graphs made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_cifar.int8_saturation import largest_pair
from edge_cifar.readers._onnx_products import overflowing

onnx = pytest.importorskip("onnx", reason="the graphs are made with onnx")


def test_a_pair_is_of_one_sign() -> None:
    filters = np.array([[100, -100, 20, -30], [-128, -128, 0, 0], [7, 0, 0, 0], [-1, -2, -3, -4]], np.int8)
    np.testing.assert_array_equal(largest_pair(filters), [130, 256, 7, 7])
    np.testing.assert_array_equal(largest_pair(np.array([[-128]], np.int8)), [128])


def saved(path: Path, *nodes: Any, **constants: np.ndarray) -> Path:
    """A file of a graph that reads ``x`` and gives ``y``."""
    helper, proto = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node("QuantizeLinear", ["x", "s", "zu"], ["q"]), *nodes],
        "graph",
        [helper.make_tensor_value_info("x", proto.FLOAT, None)],
        [helper.make_tensor_value_info("y", proto.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in {**SCALARS, **constants}.items()],
    )
    onnx.save(helper.make_model(graph), path)
    return path


SCALARS = {"s": np.float32(0.1), "zu": np.uint8(0), "zi": np.int8(0)}
# Down its columns two large weights meet, along its rows none do.
COLUMNS = np.array([[100, 1, 1], [90, 1, 1]], np.int8)


def node(kind: str, *inputs: str, output: str = "y", **attributes: Any) -> Any:
    return onnx.helper.make_node(kind, list(inputs), [output], name=f"the {kind}", **attributes)


def dequantized(name: str, zero: str) -> Any:
    return node("DequantizeLinear", name, "s", zero, output=f"{name}-real")


PAIRED = (dequantized("q", "zu"), dequantized("w", "zi"))


@pytest.mark.parametrize(
    ("nodes", "weights", "expected"),
    [
        ([*PAIRED, node("MatMul", "q-real", "w-real")], COLUMNS, {"the MatMul": 190}),
        ([*PAIRED, node("MatMul", "q-real", "w-real")], COLUMNS.T, {}),
        ([*PAIRED, node("Gemm", "q-real", "w-real", transB=1)], COLUMNS.T, {"the Gemm": 190}),
        ([*PAIRED, node("Gemm", "q-real", "w-real", transB=1)], COLUMNS, {}),
        ([*PAIRED, node("Conv", "q-real", "w-real")], COLUMNS.T[:, :, None, None], {"the Conv": 190}),
        ([*PAIRED, node("Conv", "q-real", "w-real")], COLUMNS[:, :, None, None], {}),
        ([node("MatMulInteger", "q", "w", "zu", "zi")], COLUMNS, {"the MatMulInteger": 190}),
        ([node("ConvInteger", "q", "w", "zu")], COLUMNS.T[:, :, None, None], {"the ConvInteger": 190}),
        ([node("QLinearMatMul", "q", "s", "zu", "w", "s", "zi", "s", "zu")], COLUMNS, {"the QLinearMatMul": 190}),
        ([node("QGemm", "q", "s", "zu", "w", "s", "zi", transB=1)], COLUMNS.T, {"the QGemm": 190}),
        # Both signed, both unsigned, weights alone: not multiplied by that instruction.
        ([dequantized("q", "zi"), PAIRED[1], node("MatMul", "q-real", "w-real")], COLUMNS, {}),
        ([PAIRED[0], dequantized("w", "zu"), node("MatMul", "q-real", "w-real")], COLUMNS.astype(np.uint8), {}),
        ([PAIRED[1], node("Transpose", "w-real")], COLUMNS, {}),
    ],
)
def test_products_are_read_however_they_are_written(
    nodes: list[Any], weights: np.ndarray, expected: dict[str, int], tmp_path: Path
) -> None:
    assert overflowing(saved(tmp_path / "x.onnx", *nodes, w=weights)) == expected


def test_weights_that_the_file_quantizes_itself_are_read_as_the_runtime_folds_them(tmp_path: Path) -> None:
    nodes = [node("QuantizeLinear", "f", "s", "zi", output="w"), *PAIRED, node("MatMul", "q-real", "w-real")]
    path = saved(tmp_path / "x.onnx", *nodes, f=COLUMNS * np.float32(0.1))
    assert overflowing(path) == {"the MatMul": 190}
