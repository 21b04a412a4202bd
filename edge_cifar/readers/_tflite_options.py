"""The operators of TensorFlow Lite by their numbers, and the options that say what each computes.

Numbers are those of TensorFlow Lite's schema (schema.fbs, version 3). Options that bear on speed alone, or on
how weights are packed, are not among them.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge_cifar.flatbuffer import Flatbuffer

# Any other operator goes by its number.
KINDS = {
    0: "ADD",
    1: "AVERAGE_POOL_2D",
    2: "CONCATENATION",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    14: "LOGISTIC",
    17: "MAX_POOL_2D",
    18: "MUL",
    19: "RELU",
    21: "RELU6",
    22: "RESHAPE",
    23: "RESIZE_BILINEAR",
    25: "SOFTMAX",
    34: "PAD",
    39: "TRANSPOSE",
    40: "MEAN",
    41: "SUB",
    42: "DIV",
    43: "SQUEEZE",
    45: "STRIDED_SLICE",
    53: "CAST",
    60: "PADV2",
    74: "SUM",
    82: "REDUCE_MAX",
    97: "RESIZE_NEAREST_NEIGHBOR",
    98: "LEAKY_RELU",
    114: "QUANTIZE",
    117: "HARD_SWISH",
    126: "BATCH_MATMUL",
    150: "GELU",
}

Option = tuple[int, str, str, float]
"""Field number in its table, name, type as ``struct`` calls it, value where it is left out."""

_ACTIVATION = "fused activation"
_JOINED: tuple[Option, ...] = ((0, _ACTIVATION, "<b", 0),)
_POOLING: tuple[Option, ...] = (
    (0, "padding", "<b", 0),
    (1, "stride (width)", "<i", 0),
    (2, "stride (height)", "<i", 0),
    (3, "window (width)", "<i", 0),
    (4, "window (height)", "<i", 0),
    (5, _ACTIVATION, "<b", 0),
)
_REDUCTION: tuple[Option, ...] = ((0, "keeps dimensions", "<?", False),)
_OPTIONS: Mapping[str, tuple[Option, ...]] = {
    "ADD": _JOINED,
    "SUB": _JOINED,
    "MUL": _JOINED,
    "DIV": _JOINED,
    "AVERAGE_POOL_2D": _POOLING,
    "MAX_POOL_2D": _POOLING,
    "CONCATENATION": ((0, "axis", "<i", 0), (1, _ACTIVATION, "<b", 0)),
    "CONV_2D": (
        (0, "padding", "<b", 0),
        (1, "stride (width)", "<i", 0),
        (2, "stride (height)", "<i", 0),
        (3, _ACTIVATION, "<b", 0),
        (4, "dilation (width)", "<i", 1),
        (5, "dilation (height)", "<i", 1),
    ),
    # The depth multiplier follows from the shapes of the kernel and the input; kernels ignore the field.
    "DEPTHWISE_CONV_2D": (
        (0, "padding", "<b", 0),
        (1, "stride (width)", "<i", 0),
        (2, "stride (height)", "<i", 0),
        (4, _ACTIVATION, "<b", 0),
        (5, "dilation (width)", "<i", 1),
        (6, "dilation (height)", "<i", 1),
    ),
    "FULLY_CONNECTED": ((0, _ACTIVATION, "<b", 0), (2, "keeps dimensions", "<?", False)),
    "SOFTMAX": ((0, "beta", "<f", 0.0),),
    "MEAN": _REDUCTION,
    "SUM": _REDUCTION,
    "REDUCE_MAX": _REDUCTION,
    "RESIZE_BILINEAR": ((2, "aligns corners", "<?", False), (3, "half-pixel centres", "<?", False)),
    "RESIZE_NEAREST_NEIGHBOR": ((0, "aligns corners", "<?", False), (1, "half-pixel centres", "<?", False)),
    "STRIDED_SLICE": tuple((number, f"mask {number}", "<i", 0) for number in range(5)),
    "LEAKY_RELU": ((0, "slope", "<f", 0.0),),
    "BATCH_MATMUL": ((0, "transposes the first", "<?", False), (1, "transposes the second", "<?", False)),
    "GELU": ((0, "approximate", "<?", False),),
}
_ACTIVATIONS = ("none", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
_PADDINGS = ("SAME", "VALID")


def options(file: Flatbuffer, table: int | None, kind: str) -> dict[str, object]:
    """An operator's options, without those that have their default value.

    Args:
        file: the file.
        table: of the options; None where the operator has none.
        kind: the operator's.

    Raises:
        struct.error: the table points outside the file.
    """
    found: dict[str, object] = {}
    for number, name, form, default in _OPTIONS.get(kind, ()):
        value = default if table is None else file.value(table, number, form, default)
        if value != default:
            found[name] = value if form == "<f" else _named(name, int(value))
    return found


def _named(name: str, value: int) -> object:
    names = {_ACTIVATION: _ACTIVATIONS, "padding": _PADDINGS}.get(name, ())
    return names[value] if 0 <= value < len(names) else value
