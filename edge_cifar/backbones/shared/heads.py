"""What stands behind a trunk: layers called ``head_…``, the last of them class probabilities."""

from __future__ import annotations

from edge_cifar.backbones import Keras, Tensor


def probabilities(keras: Keras, features: Tensor, classes: int) -> Tensor:
    """Dense softmax over ``[batch, features]``, in float32 whatever the precision of the trunk."""
    return keras.layers.Dense(classes, activation="softmax", dtype="float32", name="head_probabilities")(features)


def pooled(keras: Keras, features: Tensor, classes: int, *, dropout: float = 0.0) -> Tensor:
    """Global average pooling of ``[batch, H, W, channels]``, dropout where there is any, dense softmax."""
    hidden = keras.layers.GlobalAveragePooling2D(name="head_pool")(features)
    if dropout:
        hidden = keras.layers.Dropout(dropout, name="head_dropout")(hidden)
    return probabilities(keras, hidden, classes)


def hidden_dense(keras: Keras, features: Tensor, units: int, *, dropout: float, name: str) -> Tensor:
    """A dense layer with ReLU, then dropout; the layers are called ``head_{name}`` and ``head_{name}_dropout``."""
    dense = keras.layers.Dense(units, activation="relu", kernel_initializer="he_normal", name=f"head_{name}")(features)
    return keras.layers.Dropout(dropout, name=f"head_{name}_dropout")(dense)
