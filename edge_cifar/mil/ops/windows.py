"""Where the windows of a convolution or a pooling lie: padding, strides, dilations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.mil.dtypes import Array
from edge_cifar.mil.ops.kernel import Inputs, Shape

PAD_TYPES = ("valid", "same", "same_lower", "custom")


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows over two spatial axes.

    Attributes:
        kernel: height and width of a window, in elements.
        strides: steps between windows.
        dilations: steps between the elements of a window.
        before: padding above and to the left.
        after: padding below and to the right that the windows reach: more than the program asks for where
            the last ones reach over the edge (``ceil_mode``), negative where none reaches the last elements.
        asked_after: padding below and to the right that the program asks for.
        size: height and width of the output.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    asked_after: tuple[int, int]
    size: tuple[int, int]

    def padded(self, image: Array, fill: float) -> Array:
        """``[C, H, W, N]`` with its spatial axes padded by ``fill``."""
        if not any(self.before) and all(after <= 0 for after in self.after):
            return image
        channels, height, width, samples = image.shape
        (top, left), (bottom, right) = self.before, (max(0, after) for after in self.after)
        padded = np.full((channels, height + top + bottom, width + left + right, samples), fill, image.dtype)
        padded[:, top : top + height, left : left + width] = image
        return padded

    def element(self, padded: Array, row: int, column: int, first: int = 0, last: int | None = None) -> Array:
        """One element of every window, as a view.

        Args:
            padded: ``[C, H, W, N]``, padded.
            row: which row of the window.
            column: which column of the window.
            first: the first row of the output wanted.
            last: the row of the output to stop before.

        Returns:
            ``[C, rows, width, N]``.
        """
        rows = (self.size[0] if last is None else last) - first
        top = row * self.dilations[0] + first * self.strides[0]
        left = column * self.dilations[1]
        bottom = top + (rows - 1) * self.strides[0] + 1
        right = left + (self.size[1] - 1) * self.strides[1] + 1
        return padded[:, top : bottom : self.strides[0], left : right : self.strides[1]]


def windows_of(
    inputs: Inputs, image: Shape, kernel: Sequence[int], *, dilations: Sequence[int] = (1, 1), ceil: bool = False
) -> Windows:
    """The windows that ``strides``, ``pad_type`` and ``pad`` describe.

    ``same`` pads as TensorFlow's SAME: the output has ``ceil(size / stride)`` elements, and an odd rest of
    the padding stands after the image; ``same_lower`` puts it before.

    Args:
        inputs: the operation's parameters.
        image: ``(C, H, W)`` or with more axes before.
        kernel: height and width of a window.
        dilations: steps between the elements of a window.
        ceil: whether the last windows may reach over the padded edge.

    Raises:
        BundleError: the parameters make no sense, or no window fits.
    """
    strides = inputs.integers("strides", (1, 1), count=2, least=1)
    pad_type = inputs.choice("pad_type", PAD_TYPES, "valid")
    custom = inputs.integers("pad", (0, 0, 0, 0), count=4, least=0)
    before, after, asked_after, sizes = [], [], [], []
    for axis in range(2):
        length, stride = image[axis - 2], strides[axis]
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        first, last = custom[2 * axis : 2 * axis + 2] if pad_type == "custom" else (0, 0)
        if pad_type.startswith("same"):
            total = max((-(-length // stride) - 1) * stride + reach - length, 0)
            first = total // 2 if pad_type == "same" else total - total // 2
            last = total - first
        room = length + first + last - reach
        if kernel[axis] < 1 or length < 1 or room < 0:
            raise BundleError(f"a window of {reach} is larger than {length} elements padded by {first} and {last}")
        size = room // stride + 1
        if ceil and room % stride:
            size += 1
            # A window that would lie wholly in the padding after the image is left out, as in PyTorch.
            if (size - 1) * stride >= length + first and first + last > 0:
                size -= 1
        before.append(first)
        after.append((size - 1) * stride + reach - length - first)
        asked_after.append(last)
        sizes.append(size)
    return Windows(
        kernel=(int(kernel[0]), int(kernel[1])),
        strides=(strides[0], strides[1]),
        dilations=(int(dilations[0]), int(dilations[1])),
        before=(before[0], before[1]),
        after=(after[0], after[1]),
        asked_after=(asked_after[0], asked_after[1]),
        size=(sizes[0], sizes[1]),
    )
