"""Compressed weights, made dense.

The arithmetic and its order are those of coremltools, so that the results are equal bit for bit.

Up to iOS 17 indices and masks are bytes with several values packed into each, and the shape is given; from
iOS 18 they are tensors of an element type below a byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.mil import dtypes
from edge_cifar.mil.dtypes import Array, ElementType, count_of
from edge_cifar.mil.program import TensorType


@dataclass(frozen=True)
class Constant:
    """A tensor known beforehand.

    Attributes:
        type: its type.
        array: its elements as they are stored (half precision as float16).
        step: of the uniform quantization that it comes from, to be broadcast to it; None where there is none.
        palette: the only table that its elements were looked up in; None where there is none.
    """

    type: TensorType
    array: Array
    step: Array | None = None
    palette: Array | None = None


Given = Mapping[str, "Constant | str"]


def dense(kind: str, given: Given, declared: TensorType) -> Constant:
    """The tensor that a ``constexpr_`` operation stands for.

    Args:
        kind: the operation.
        given: its parameters.
        declared: what the program says it yields; nothing is allocated for anything else.

    Raises:
        BundleError: the operation is unknown, or its parameters do not fit together or the declared type.
    """
    if kind not in _DECOMPRESSORS:
        raise BundleError("the reference evaluator does not support this kind of weight compression")
    array = _DECOMPRESSORS[kind](given, declared)
    if kind == "constexpr_blockwise_shift_scale":
        return Constant(declared, array, step=_over_blocks(_tensor(given, "scale").array, declared.shape))
    if kind == "constexpr_affine_dequantize":
        scale = _tensor(given, "scale").array
        ones = (1,) * (array.ndim - 1 - _whole(given, "axis") % array.ndim)
        return Constant(declared, array, step=scale.reshape(scale.shape + ones) if scale.ndim else scale)
    table = _tensor(given, "lut").array if kind == "constexpr_lut_to_dense" else None
    one = table is not None and table.size == max(table.shape)
    return Constant(declared, array, palette=table.reshape(-1) if table is not None and one else None)


def _affine_dequantize(given: Given, declared: TensorType) -> Array:
    """(quantized_data - zero_point) scale, with vectors running along ``axis``."""
    data, scale = _tensor(given, "quantized_data"), _tensor(given, "scale")
    axis = _whole(given, "axis")
    rank = data.array.ndim
    if not -rank <= axis < rank:
        raise BundleError(f"its axis is {axis} for data of shape {list(data.type.shape)}")
    _demand(declared, scale.type.element, data.type.shape)
    fitting = ((), (data.type.shape[axis],))
    ones = (1,) * (rank - 1 - axis % rank)
    vectors = []
    for vector in (scale, _tensor(given, "zero_point")):
        if vector.type.shape not in fitting:
            raise BundleError(
                f"a vector of shape {list(vector.type.shape)} does not fit data of shape {list(data.type.shape)}"
            )
        vectors.append(vector.array.reshape(vector.type.shape + ones) if vector.type.shape else vector.array)
    values = data.array.astype(np.float32)
    values -= vectors[1].astype(np.float32)
    values *= vectors[0]
    return values.astype(scale.array.dtype)


def _blockwise_shift_scale(given: Given, declared: TensorType) -> Array:
    """(data - offset) scale, with one offset and one scale for each block."""
    data, scale = _tensor(given, "data"), _tensor(given, "scale")
    _demand(declared, scale.type.element, data.type.shape)
    values = data.array.astype(scale.array.dtype)
    if "offset" in given:
        offset = _tensor(given, "offset")
        if offset.type.shape != scale.type.shape:
            raise BundleError(
                f"its offset of shape {list(offset.type.shape)} does not match "
                f"its scale of shape {list(scale.type.shape)}"
            )
        values -= _over_blocks(offset.array, data.type.shape).astype(values.dtype)
    values *= _over_blocks(scale.array, data.type.shape)
    return values


def _lut_to_dense(given: Given, declared: TensorType) -> Array:
    """Entries of a look-up table (a palette) by index."""
    return _lut_of_bytes(given, declared) if "shape" in given else _lut_of_indices(given, declared)


def _lut_of_bytes(given: Given, declared: TensorType) -> Array:
    indices, lut = _tensor(given, "indices"), _tensor(given, "lut")
    shape = _shape(given)
    _demand(declared, lut.type.element, shape)
    bits = max(0, lut.type.count.bit_length() - 1)
    if lut.array.ndim != 1 or lut.type.count != 1 << bits or not 1 <= bits <= 8:
        raise BundleError(f"its table has shape {list(lut.type.shape)}; expected 2 to 256 entries")
    return lut.array[_unpacked(indices, bits, shape)].reshape(shape)


def _lut_of_indices(given: Given, declared: TensorType) -> Array:
    indices, lut = _tensor(given, "indices"), _tensor(given, "lut")
    rank = indices.array.ndim
    if lut.array.ndim != rank + 2 or not rank:
        raise BundleError(
            f"its table of shape {list(lut.type.shape)} does not fit indices of shape {list(indices.type.shape)}"
        )
    *groups, entries, vector = lut.type.shape
    if indices.array.dtype != np.uint8 or entries != 1 << indices.type.element.bits:
        raise BundleError(f"its table has {entries} entries, its indices are of type {indices.type.element.name}")
    axis = _whole(given, "vector_axis") % rank if "vector_axis" in given else 0
    if vector != 1 and "vector_axis" not in given:
        raise BundleError(f"its table has vectors of {vector}, but their axis is missing")
    shape = [size * (vector if place == axis else 1) for place, size in enumerate(indices.type.shape)]
    _demand(declared, lut.type.element, tuple(shape))
    tables = lut.array.reshape(-1, entries, vector)
    table: Array = np.zeros((), np.intp)
    if len(tables) != 1:
        table = _over_blocks(np.arange(len(tables)).reshape(groups), indices.type.shape)
    # [..., vector]; the vector's axis then moves behind the one along which vectors are laid out.
    return np.moveaxis(tables[table, indices.array], -1, axis + 1).reshape(shape)


def _sparse_to_dense(given: Given, declared: TensorType) -> Array:
    """Values where a mask is set, zeros elsewhere."""
    values, mask = _tensor(given, "nonzero_data"), _tensor(given, "mask")
    packed = "shape" in given
    shape = _shape(given) if packed else mask.type.shape
    _demand(declared, values.type.element, shape)
    chosen = (_unpacked(mask, 1, shape).reshape(shape) if packed else mask.array) != 0
    if values.array.ndim != 1 or np.count_nonzero(chosen) != values.array.size:
        raise BundleError(f"its mask has {np.count_nonzero(chosen)} bits set for {values.array.size} values")
    tensor = np.zeros(shape, values.array.dtype)
    tensor[chosen] = values.array
    return tensor


def _cast(given: Given, declared: TensorType) -> Array:
    """Half precision widened."""
    source = _tensor(given, "source_val")
    if given.get("output_dtype") != declared.element.name:
        raise BundleError(f"it casts to {given.get('output_dtype')!r} but is declared as {declared}")
    _demand(declared, declared.element, source.type.shape)
    return source.array.astype(declared.element.storage)


_DECOMPRESSORS: dict[str, Callable[[Given, TensorType], Array]] = {
    "constexpr_affine_dequantize": _affine_dequantize,
    "constexpr_blockwise_shift_scale": _blockwise_shift_scale,
    "constexpr_cast": _cast,
    "constexpr_lut_to_dense": _lut_to_dense,
    "constexpr_sparse_to_dense": _sparse_to_dense,
}


def _demand(declared: TensorType, element: ElementType, shape: tuple[int, ...]) -> None:
    if declared != TensorType(element, shape):
        raise BundleError(f"it outputs {TensorType(element, shape)}; the program declares {declared}")


def _tensor(given: Given, name: str) -> Constant:
    value = given.get(name)
    if not isinstance(value, Constant):
        raise BundleError(f"the tensor {name} is missing")
    return value


def _whole(given: Given, name: str) -> int:
    value = _tensor(given, name)
    if value.type.count != 1 or value.array.dtype.kind not in "iu":
        raise BundleError(f"its {name} is not a single integer")
    return int(value.array.reshape(()))


def _shape(given: Given) -> tuple[int, ...]:
    value = _tensor(given, "shape")
    if value.array.ndim != 1 or value.array.dtype.kind not in "iu" or value.array.size > 8 or (value.array < 0).any():
        raise BundleError("its shape is not a list of sizes")
    return tuple(int(size) for size in value.array)


def _unpacked(packed: Constant, bits: int, shape: tuple[int, ...]) -> Array:
    count = count_of(shape)
    if packed.array.dtype != np.uint8 or packed.array.ndim != 1 or packed.array.size != (count * bits + 7) // 8:
        raise BundleError(f"{packed.type} cannot hold {count} values of {bits} bits")
    return dtypes.unpack(packed.array, bits, count)


def _over_blocks(values: Array, shape: tuple[int, ...]) -> Array:
    """Each value repeated over the block that it stands for."""
    if values.ndim != len(shape) or any(
        not count or size % count for size, count in zip(shape, values.shape, strict=True)
    ):
        raise BundleError(f"{list(values.shape)} blocks do not evenly divide a tensor of shape {list(shape)}")
    for axis, size in enumerate(shape):
        if values.shape[axis] not in (1, size):
            values = np.repeat(values, size // values.shape[axis], axis)
    return np.broadcast_to(values, shape)
