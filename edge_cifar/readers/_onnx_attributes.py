"""The attributes of ONNX's operators, without those that have their default value.

Default values are those of ONNX's operators (https://onnx.ai/onnx/operators/) up to operator set 17.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WINDOW = {"auto_pad": "NOTSET", "ceil_mode": 0, "storage_order": 0, "count_include_pad": 0, "group": 1}
_DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "Conv": _WINDOW,
    "ConvInteger": _WINDOW,
    "MaxPool": _WINDOW,
    "AveragePool": _WINDOW,
    "Gemm": {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0},
    "Softmax": {"axis": -1},
    "LeakyRelu": {"alpha": 0.01},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "Elu": {"alpha": 1.0},
    "Flatten": {"axis": 1},
    "Reshape": {"allowzero": 0},
    "ReduceMean": {"keepdims": 1, "noop_with_empty_axes": 0},
    "ReduceSum": {"keepdims": 1, "noop_with_empty_axes": 0},
    "ReduceMax": {"keepdims": 1, "noop_with_empty_axes": 0},
    "Pad": {"mode": "constant"},
    "BatchNormalization": {"epsilon": 1e-5, "momentum": 0.9, "training_mode": 0},
    "Resize": {
        "coordinate_transformation_mode": "half_pixel",
        "mode": "nearest",
        "nearest_mode": "round_prefer_floor",
        "cubic_coeff_a": -0.75,
        "exclude_outside": 0,
        "extrapolation_value": 0.0,
    },
}
# The same for every axis, which is their default.
_ONES, _ZEROS = ("strides", "dilations"), ("pads",)
_WITH_KERNELS = ("Conv", "ConvInteger")


def settings(kind: str, attributes: Mapping[str, Any], rank: int | None) -> dict[str, object]:
    """An operator's settings, those left out that have their default value.

    Args:
        kind: the operator.
        attributes: by name: whole numbers, floats, texts, or tuples of them.
        rank: how many dimensions its first input has, by which negative axes are counted; None if unknown.
    """
    defaults = _DEFAULTS.get(kind, {})
    found: dict[str, object] = {}
    for name, value in attributes.items():
        if name in ("axis", "axes") and kind != "Softmax":
            value = counted(value, rank)
        elif name == "axis" and rank is not None and value >= 0:
            value = value - rank
        if name == "auto_pad" and value == "VALID":
            continue
        if name == "kernel_shape" and kind in _WITH_KERNELS:
            # It follows from the kernel.
            continue
        alike = {1} if name in _ONES else {0} if name in _ZEROS else None
        if alike is not None and isinstance(value, tuple) and set(value) <= alike:
            continue
        default = defaults.get(name)
        if default is not None and (value == default or _near(value, default)):
            continue
        found[name] = value
    return found


def counted(axes: Any, rank: int | None) -> Any:
    """Axes counted from the first, where the number of dimensions is known."""
    if rank is None:
        return axes
    if isinstance(axes, tuple):
        return tuple(sorted(axis + rank if axis < 0 else axis for axis in axes))
    return axes + rank if axes < 0 else axes


def _near(value: Any, default: object) -> bool:
    """Whether a value is a default one that a float32 cannot hold."""
    if not isinstance(value, float) or not isinstance(default, float):
        return False
    return abs(value - default) < 1e-6 * max(abs(default), 1e-3)
