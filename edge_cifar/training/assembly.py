"""From a backbone to a whole model: raw pixels in, resizing and preprocessing in the graph, probabilities out."""

from __future__ import annotations

from edge_cifar.backbones import Backbone, Keras, Model
from edge_cifar.backbones.shared.pretrained import carry_over
from edge_cifar.errors import UsageError


def build_model(
    keras: Keras,
    backbone: Backbone,
    *,
    input_shape: tuple[int, int, int],
    classes: int,
    image_size: int,
    alpha: float = 1.0,
    weights: str = "none",
) -> Model:
    """A backbone's model on raw pixels.

    Args:
        keras: the Keras namespace.
        backbone: what to build.
        input_shape: (height, width, 3) of the data's own images.
        classes: number of classes.
        image_size: side that the network sees; images of another size are resized in the graph.
        alpha: width multiplier.
        weights: ``"none"``, ``"imagenet"``, or a file with weights of the part before the head.

    Returns:
        A functional model from float32 ``[batch, H, W, 3]`` in 0..255 to float32 ``[batch, classes]``.

    Raises:
        UsageError: the image is too small for the backbone, or the backbone has no pretrained weights.
        TrainingError: the weights cannot be had, or do not fit.
    """
    if image_size < backbone.minimum_size:
        raise UsageError(f"{backbone.name} needs an --image-size of at least {backbone.minimum_size}; got {image_size}")
    inputs = keras.Input(input_shape, name="image")
    pixels = inputs
    if tuple(input_shape[:2]) != (image_size, image_size):
        # Without an explicit training=False Keras 3.15's Resizing hands training=True to the layers behind it.
        pixels = keras.layers.Resizing(image_size, image_size, interpolation="bilinear", name="resize")(
            pixels, training=False
        )
    outputs = backbone.build(keras, backbone.preprocess(keras, pixels), classes=classes, alpha=alpha)
    model = keras.Model(inputs, outputs, name=backbone.name)
    if weights != "none":
        if backbone.pretrained is None:
            raise UsageError(f"{backbone.name} has no pretrained weights; use --weights none")
        carry_over(backbone.pretrained(keras, alpha, weights), model)
    return model


def trunk_layers(model: Model) -> list[Model]:
    """The layers between the preprocessing and the head, in order.

    By convention the layers of the preprocessing are called ``resize`` or ``preprocess_…`` and those
    of the head ``head_…``.
    """
    return [
        layer
        for layer in model.layers
        if type(layer).__name__ != "InputLayer" and not layer.name.startswith(("resize", "preprocess_", "head_"))
    ]
