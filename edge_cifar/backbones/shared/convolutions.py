"""Convolutions as the networks trained from scratch use them: He-initialized, zero-padded unless said otherwise."""

from __future__ import annotations

from edge_cifar.backbones import Keras, Tensor


def width(filters: int, alpha: float) -> int:
    """A layer's filters under the width multiplier, never fewer than eight."""
    return max(8, round(filters * alpha))


def convolution(
    keras: Keras,
    inputs: Tensor,
    filters: int,
    *,
    kernel: int = 3,
    strides: int = 1,
    relu: bool = False,
    bias: bool = True,
    padding: str = "same",
    name: str,
) -> Tensor:
    """One convolution, with ReLU inside the layer where asked for."""
    return keras.layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        padding=padding,
        activation="relu" if relu else None,
        use_bias=bias,
        kernel_initializer="he_normal",
        name=name,
    )(inputs)


def normalized(keras: Keras, inputs: Tensor, *, relu: bool = False, name: str) -> Tensor:
    """Batch normalization called ``name``, then ReLU where asked for."""
    hidden = keras.layers.BatchNormalization(name=name)(inputs)
    return keras.layers.ReLU(name=f"{name}_relu")(hidden) if relu else hidden


def halved(keras: Keras, inputs: Tensor, *, dropout: float = 0.0, name: str) -> Tensor:
    """2x2 max pooling called ``{name}_pool``, then dropout where there is any."""
    hidden = keras.layers.MaxPooling2D(name=f"{name}_pool")(inputs)
    return keras.layers.Dropout(dropout, name=f"{name}_dropout")(hidden) if dropout else hidden
