"""Operations that rearrange elements and compute nothing."""

from __future__ import annotations

from functools import partial

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.mil.dtypes import Array, count_of
from edge_cifar.mil.ops.kernel import (
    Builder,
    Inputs,
    Kernel,
    Operand,
    Shape,
    axes_of,
    axis_of,
    samples_outside,
)
from edge_cifar.mil.program import TensorType


def reshape(inputs: Inputs) -> Kernel:
    """``reshape``: 0 keeps the input's size (where the rank stays), one -1 takes what is left."""
    x, wanted = inputs.operand("x"), list(inputs.integers("shape", least=-1))
    if 0 in wanted and len(wanted) == len(x.shape):
        wanted = [size or kept for size, kept in zip(wanted, x.shape, strict=True)]
    total = count_of(x.shape)
    known = count_of(tuple(size for size in wanted if size != -1))
    if wanted.count(-1) == 1 and known and total % known == 0:
        wanted[wanted.index(-1)] = total // known
    if -1 in wanted or count_of(tuple(wanted)) != total:
        raise BundleError(f"it cannot reshape {list(x.shape)} to {wanted}")
    return _moved(x, tuple(wanted), lambda x: x.reshape(len(x), *wanted))


def transpose(inputs: Inputs) -> Kernel:
    """``transpose``: axis i of the output is axis ``perm[i]`` of x."""
    x = inputs.operand("x")
    rank = len(x.shape)
    order = [axis_of(axis, rank) for axis in inputs.integers("perm", count=rank)]
    axes_of(tuple(order), rank)
    return _moved(
        x, tuple(x.shape[axis] for axis in order), lambda x: x.transpose(0, *(axis + rank + 1 for axis in order))
    )


def expand_dims(inputs: Inputs) -> Kernel:
    """``expand_dims``: axes of length 1 at the given places of the output."""
    x, asked = inputs.operand("x"), inputs.integers("axes")
    rank = len(x.shape) + len(asked)
    axes = axes_of(asked, rank)
    sizes = iter(x.shape)
    shape = tuple(1 if axis in axes else next(sizes) for axis in range(-rank, 0))
    return _moved(x, shape, lambda x: x.reshape(len(x), *shape))


def squeeze(inputs: Inputs) -> Kernel:
    """``squeeze``: without the given axes of length 1, or without all of them."""
    x = inputs.operand("x")
    rank = len(x.shape)
    axes = axes_of(inputs.integers("axes", tuple(axis for axis in range(rank) if x.shape[axis] == 1)), rank)
    if any(x.shape[axis] != 1 for axis in axes):
        raise BundleError(f"it cannot squeeze axes {list(axes)} of a tensor of shape {list(x.shape)}")
    shape = tuple(x.shape[axis] for axis in range(-rank, 0) if axis not in axes)
    return _moved(x, shape, lambda x: x.reshape(len(x), *shape))


def concat(inputs: Inputs) -> Kernel:
    """``concat`` along an axis that exists."""
    values = inputs.operand_list("values")
    if inputs.flag("interleave", False):
        raise BundleError("interleaving is not supported")
    axis = axis_of(inputs.integer("axis"), len(values[0].shape))
    rest = [(*value.shape[:axis], 0, *value.shape[len(value.shape) + axis + 1 :]) for value in values]
    if any(shape != rest[0] for shape in rest):
        raise BundleError(
            f"it cannot concatenate {' and '.join(str(value.type) for value in values)} along axis {axis}"
        )
    shape = list(values[0].shape)
    shape[axis] = sum(value.shape[axis] for value in values)
    return _joined(values, tuple(shape), partial(np.concatenate, axis=axis))


def stack(inputs: Inputs) -> Kernel:
    """``stack`` along an axis that it makes."""
    values = inputs.operand_list("values")
    axis = axis_of(inputs.integer("axis"), len(values[0].shape) + 1)
    if any(value.shape != values[0].shape for value in values):
        raise BundleError(f"it cannot stack {' and '.join(str(value.type) for value in values)}")
    shape = list(values[0].shape)
    shape.insert(len(shape) + 1 + axis, len(values))
    return _joined(values, tuple(shape), partial(np.stack, axis=axis))


def slice_by_index(inputs: Inputs) -> Kernel:
    """``slice_by_index``: begin, end and stride for each axis, as in Python; masks open a side or drop the axis."""
    x = inputs.operand("x")
    rank = len(x.shape)
    begin, end = inputs.integers("begin", count=rank), inputs.integers("end", count=rank)
    stride = inputs.integers("stride", (1,) * rank, count=rank)
    none = (False,) * rank
    from_start, to_end, drop = (inputs.flags(name, none, rank) for name in ("begin_mask", "end_mask", "squeeze_mask"))
    index: list[int | slice] = []
    shape = []
    for axis, size in enumerate(x.shape):
        if drop[axis]:
            if not -size <= begin[axis] < size:
                raise BundleError(f"element {begin[axis]} is out of range for {size}")
            index.append(begin[axis])
            continue
        if stride[axis] == 0:
            raise BundleError("its stride is 0")
        piece = slice(None if from_start[axis] else begin[axis], None if to_end[axis] else end[axis], stride[axis])
        index.append(piece)
        shape.append(len(range(*piece.indices(size))))
    return _moved(x, tuple(shape), lambda x: x[(slice(None), *index)])


def reverse(inputs: Inputs) -> Kernel:
    """``reverse``: the given axes (all when left out) backwards."""
    x = inputs.operand("x")
    rank = len(x.shape)
    axes = axes_of(inputs.integers("axes", tuple(range(rank))), rank)
    return _moved(x, x.shape, partial(np.flip, axis=axes))


def pad(inputs: Inputs) -> Kernel:
    """``pad`` of the last axes: by a constant, by reflection, or by repeating the edge."""
    x = inputs.floating("x")
    amounts = inputs.integers("pad", least=0)
    mode = inputs.choice("mode", ("constant", "reflect", "replicate"), "constant")
    fill = np.float32(inputs.number("constant_val", 0.0))
    if len(amounts) % 2 or len(amounts) > 2 * len(x.shape):
        raise BundleError(f"its pad has {len(amounts)} values for {len(x.shape)} axes")
    untouched = len(x.shape) - len(amounts) // 2
    pairs = [(0, 0)] * untouched + list(zip(amounts[::2], amounts[1::2], strict=True))
    most = [size - (mode == "reflect") for size in x.shape]
    if mode != "constant" and any(max(pair) > limit for pair, limit in zip(pairs, most, strict=True)):
        raise BundleError(f"it pads {list(x.shape)} by {list(amounts)}, which is too much for mode {mode}")
    shape = tuple(size + before + after for size, (before, after) in zip(x.shape, pairs, strict=True))
    if mode == "constant":
        return _moved(x, shape, partial(_framed, shape=shape, pairs=pairs, fill=fill))
    return _moved(x, shape, lambda x: np.pad(x, [(0, 0), *pairs], mode="reflect" if mode == "reflect" else "edge"))


def space_to_batch(inputs: Inputs) -> Kernel:
    """``space_to_batch``: each of the positions within a block becomes an image of its own, as in TensorFlow."""
    x = inputs.floating("x", rank=4)
    rows, columns = inputs.integers("block_shape", count=2, least=1)
    top, bottom, left, right = inputs.integers("paddings", count=4, least=0)
    batch, channels, height, width = x.shape
    height, width = height + top + bottom, width + left + right
    if height % rows or width % columns:
        raise BundleError(f"blocks of {rows}×{columns} do not evenly divide an image of {height}×{width}")
    widths = ((0, 0), (0, 0), (0, 0), (top, bottom), (left, right))
    shape = (rows * columns * batch, channels, height // rows, width // columns)

    def run(x: Array) -> Array:
        blocks = np.pad(x, widths).reshape(len(x), batch, channels, height // rows, rows, width // columns, columns)
        return blocks.transpose(0, 4, 6, 1, 2, 3, 5).reshape(len(x), *shape)

    return _moved(x, shape, run)


def batch_to_space(inputs: Inputs) -> Kernel:
    """``batch_to_space``: the reverse of ``space_to_batch``, cropped."""
    x = inputs.floating("x", rank=4)
    rows, columns = inputs.integers("block_shape", count=2, least=1)
    top, bottom, left, right = inputs.integers("crops", count=4, least=0)
    images, channels, height, width = x.shape
    batch = images // (rows * columns)
    if images % (rows * columns) or height * rows < top + bottom or width * columns < left + right:
        raise BundleError(
            f"{list(x.shape)} cannot be rearranged into blocks of {rows}×{columns} and cropped by "
            f"{[top, bottom, left, right]}"
        )
    down, across = slice(top, height * rows - bottom), slice(left, width * columns - right)
    shape = (batch, channels, height * rows - top - bottom, width * columns - left - right)

    def run(x: Array) -> Array:
        blocks = x.reshape(len(x), rows, columns, batch, channels, height, width).transpose(0, 3, 4, 5, 1, 6, 2)
        return blocks.reshape(len(x), batch, channels, height * rows, width * columns)[..., down, across]

    return _moved(x, shape, run)


def _framed(x: Array, *, shape: Shape, pairs: list[tuple[int, int]], fill: np.float32) -> Array:
    # np.pad would lay the result out anew; this keeps the samples innermost in memory.
    framed = np.full((*shape, len(x)), fill, np.float32)
    within = tuple(slice(before, size - after) for size, (before, after) in zip(shape, pairs, strict=True))
    framed[within] = np.moveaxis(x, 0, -1)
    return samples_outside(framed)


def _moved(x: Operand, shape: Shape, run: partial[Array] | object) -> Kernel:
    assert callable(run)
    return Kernel(type=TensorType(x.type.element, shape), run=run, exact=True)


def _joined(values: list[Operand], shape: Shape, join: partial[Array]) -> Kernel:
    if any(value.type.element != values[0].type.element for value in values):
        raise BundleError(f"it cannot concatenate {' and '.join(value.type.element.name for value in values)}")

    def run(*arrays: Array) -> Array:
        samples = max(len(array) for array in arrays)
        # Constants have one sample, which stands for all.
        return join([np.broadcast_to(array, (samples, *array.shape[1:])) for array in arrays])

    return Kernel(type=TensorType(values[0].type.element, shape), run=run, exact=True)


OPS: dict[str, Builder] = {
    "batch_to_space": batch_to_space,
    "concat": concat,
    "expand_dims": expand_dims,
    "pad": pad,
    "reshape": reshape,
    "reverse": reverse,
    "slice_by_index": slice_by_index,
    "space_to_batch": space_to_batch,
    "squeeze": squeeze,
    "stack": stack,
    "transpose": transpose,
}
