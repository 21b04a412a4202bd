"""Operations that reduce axes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from edge_cifar.mil.dtypes import Array, count_of
from edge_cifar.mil.ops.kernel import Builder, Inputs, Kernel, axes_of
from edge_cifar.mil.program import TensorType


def reduction(function: Callable[..., Array], *, exact: bool = False) -> Builder:
    """The builder of an operation that reduces ``axes`` (all of them when left out) of x."""

    def build(inputs: Inputs) -> Kernel:
        x = inputs.floating("x")
        rank = len(x.shape)
        axes = axes_of(inputs.integers("axes", tuple(range(rank))), rank)
        keep = inputs.flag("keep_dims", False)
        sizes = [
            1 if axis - rank in axes else size for axis, size in enumerate(x.shape) if keep or axis - rank not in axes
        ]
        return Kernel(
            type=TensorType(x.type.element, tuple(sizes)),
            run=partial(function, axis=axes, keepdims=keep),
            exact=exact,
            work=count_of(x.shape),
        )

    return build


OPS: dict[str, Builder] = {
    "reduce_max": reduction(np.max, exact=True),
    "reduce_mean": reduction(np.mean),
    "reduce_min": reduction(np.min, exact=True),
    "reduce_sum": reduction(np.sum),
}
