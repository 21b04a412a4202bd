"""From raw pixels to what a network expects, in layers, so that it travels with every artifact."""

from __future__ import annotations

from edge_cifar.backbones import Keras, Tensor

# Mean of ImageNet's training images by channel, in the order blue, green, red (Simonyan and Zisserman 2014).
_IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)


def unit_range(keras: Keras, pixels: Tensor) -> Tensor:
    """0..255 to [0, 1]."""
    return keras.layers.Rescaling(1 / 255, name="preprocess_scale")(pixels)


def signed_range(keras: Keras, pixels: Tensor) -> Tensor:
    """0..255 to [-1, 1], as the ``preprocess_input`` of Keras' MobileNets and InceptionV3 does."""
    return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="preprocess_scale")(pixels)


def blue_green_red_minus_mean(keras: Keras, pixels: Tensor) -> Tensor:
    """Channels reversed and ImageNet's mean subtracted, as Caffe did and Keras' VGG16 and ResNet50 expect."""
    offset = [-mean for mean in _IMAGENET_MEAN_BGR]
    return keras.layers.Rescaling(1.0, offset=offset, name="preprocess_mean")(pixels[..., ::-1])
