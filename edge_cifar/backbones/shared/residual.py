"""The residual networks of He et al. for small images: a 3x3 stem, then stacks of basic blocks.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, https://arxiv.org/abs/1512.03385.
Convolutions carry no bias, since a batch normalization follows each. Where the shape changes, the
shortcut is a 1x1 convolution with batch normalization (the paper's option B).
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_cifar.backbones import Keras, Tensor
from edge_cifar.backbones.shared.convolutions import convolution, normalized


def residual_trunk(keras: Keras, inputs: Tensor, *, filters: Sequence[int], blocks: int) -> Tensor:
    """Stem and stacks; every stack but the first halves the resolution.

    Args:
        keras: the namespace to build with.
        inputs: float ``[batch, H, W, 3]``.
        filters: of each stack; the stem has those of the first.
        blocks: basic blocks in each stack.

    Returns:
        float ``[batch, H', W', filters[-1]]``.
    """
    hidden = convolution(keras, inputs, filters[0], bias=False, name="stem_conv")
    hidden = normalized(keras, hidden, relu=True, name="stem_bn")
    for stack, count in enumerate(filters, start=1):
        for block in range(1, blocks + 1):
            strides = 2 if stack > 1 and block == 1 else 1
            hidden = _basic_block(keras, hidden, count, strides=strides, name=f"stack{stack}_block{block}")
    return hidden


def _basic_block(keras: Keras, inputs: Tensor, filters: int, *, strides: int, name: str) -> Tensor:
    """Two 3x3 convolutions beside a shortcut."""
    hidden = convolution(keras, inputs, filters, strides=strides, bias=False, name=f"{name}_conv1")
    hidden = normalized(keras, hidden, relu=True, name=f"{name}_bn1")
    hidden = convolution(keras, hidden, filters, bias=False, name=f"{name}_conv2")
    hidden = normalized(keras, hidden, name=f"{name}_bn2")
    shortcut = inputs
    if strides != 1:
        shortcut = convolution(
            keras, inputs, filters, kernel=1, strides=strides, bias=False, name=f"{name}_shortcut_conv"
        )
        shortcut = normalized(keras, shortcut, name=f"{name}_shortcut_bn")
    added = keras.layers.Add(name=f"{name}_add")([shortcut, hidden])
    return keras.layers.ReLU(name=f"{name}_relu")(added)
