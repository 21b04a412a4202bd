"""Runs one operation of the reference evaluator, and one node of ONNX Runtime to hold it against."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_cifar.mil import dtypes
from edge_cifar.mil.dtypes import FP16, FP32
from edge_cifar.mil.ops import OPS
from edge_cifar.mil.ops.kernel import Given, Inputs, Operand
from edge_cifar.mil.program import TensorType

Array = NDArray[Any]
_ELEMENTS = {np.dtype(e.storage): e for e in (dtypes.BOOL, FP16, FP32, dtypes.INT32, dtypes.INT8, dtypes.UINT8)}


bounded = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
seeds = st.integers(0, 2**32 - 1)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
sides = st.tuples(st.integers(1, 11), st.integers(1, 11))


class Tensor:
    """A computed tensor: its values have a leading axis of samples."""

    def __init__(self, values: Array) -> None:
        self.values = values


def run(kind: str, **parameters: Any) -> Array:
    """The output of one operation, samples first.

    Args:
        kind: the operation.
        **parameters: a :class:`Tensor` or a list of them is computed with; anything else is a constant.
    """
    arrays: dict[str, Array] = {}

    def given(name: str, value: Any) -> Given:
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value and isinstance(value[0], Tensor):
            return [given(f"{name}{index}", item) for index, item in enumerate(value)]  # type: ignore[misc]
        if isinstance(value, Tensor):
            arrays[name] = value.values
            return Operand(TensorType(_ELEMENTS[value.values.dtype], value.values.shape[1:]), name=name)
        array = np.asarray(value)
        if array.dtype.kind in "if" and array.dtype.itemsize == 8:
            array = array.astype(np.int32 if array.dtype.kind == "i" else np.float32)
        return Operand(TensorType(_ELEMENTS[array.dtype], array.shape), constant=array)

    inputs = Inputs({name: given(name, value) for name, value in parameters.items()})
    kernel = OPS[kind](inputs)
    assert inputs.unknown() == []
    output = kernel.run(*(arrays[o.name] if o.constant is None else o.constant[None] for o in inputs.operands))
    assert output.shape[1:] == kernel.type.shape
    assert output.dtype == (np.float32 if kernel.type.element in (FP16, FP32) else kernel.type.element.storage)
    return output


def onnx_run(kind: str, *inputs: Array | None, **attributes: Any) -> Array:
    """The output of one node in ONNX Runtime; None leaves an input out."""
    given = {f"input{index}": array for index, array in enumerate(inputs) if array is not None}
    names = [f"input{index}" if array is not None else "" for index, array in enumerate(inputs)]
    node = onnx.helper.make_node(kind, names, ["output"], **attributes)
    infos = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in given.items()
    ]
    graph = onnx.helper.make_graph([node], "one", infos, [onnx.helper.make_empty_tensor_value_info("output")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 19)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, given)
    return np.asarray(output)


def samples_innermost(array: Array) -> Array:
    """The same values, laid out as the evaluator lays them out."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 0, -1)), -1, 0)


def assert_close(ours: Array, theirs: Array, tolerance: float = 1e-5) -> None:
    """Equal but for the order in which float32 sums are taken."""
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


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
