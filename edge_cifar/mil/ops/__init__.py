"""MIL's operations, as far as image classifiers use them: one module a family, each with a table ``OPS``.

Semantics follow coremltools' ``converters/mil/mil/ops/defs``. An operation that is in no table is refused by
name; to add one, write its builder in the module of its family and enter it there.
"""

from __future__ import annotations

from edge_cifar.mil.ops import (
    convolution,
    elementwise,
    layout,
    linear,
    normalization,
    pooling,
    quantization,
    reduction,
    resizing,
)
from edge_cifar.mil.ops.kernel import Builder

OPS: dict[str, Builder] = {
    **convolution.OPS,
    **elementwise.OPS,
    **layout.OPS,
    **linear.OPS,
    **normalization.OPS,
    **pooling.OPS,
    **quantization.OPS,
    **reduction.OPS,
    **resizing.OPS,
}
