"""The input ranges that networks are commonly trained on, to be tried where a file does not say which one it takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge_cifar.preprocessing import Channels, Preprocessing

# ImageNet's mean and standard deviation of red, green and blue in 0..1, as torchvision's networks take them:
# https://docs.pytorch.org/vision/stable/models.html
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
# ImageNet's mean of red, green and blue in 0..255, as networks from Caffe take it, blue first:
# https://keras.io/api/applications/vgg/#preprocess_input-function
_CAFFE_MEAN = (123.68, 116.779, 103.939)


_UNIFORM = {
    "0 to 255": Preprocessing(input_range=(0.0, 255.0)),
    "0 to 1": Preprocessing(input_range=(0.0, 1.0)),
    "-1 to 1": Preprocessing(input_range=(-1.0, 1.0)),
}


def common(channels: Channels | None = None) -> tuple[Preprocessing, ...]:
    """The common input ranges of a network.

    Args:
        channels: those that it is known to take; None for three in an unknown order.
    """
    return tuple(_named(channels).values())


def to_try(used: Preprocessing, told: Preprocessing) -> tuple[Preprocessing, ...]:
    """The range in use, and the other common ones of a network.

    Args:
        used: how its pixels are given, with nothing left open.
        told: what a user says of that; its channels and layout stay.
    """
    channels = "gray" if used.channels == "gray" else told.channels
    fixed = replace(told, input_range=None, mean=None, std=None)
    others = (one.over(fixed) for name, one in _named(channels).items() if name != name_of(used))
    return (used, *others)


def name_of(preprocessing: Preprocessing) -> str:
    """A network's input range for people: by its common name where it has one.

    Args:
        preprocessing: with a range or a mean.
    """
    channels = preprocessing.channels
    ranges = preprocessing.ranges(1 if channels == "gray" else 3) or ()
    for name, one in _named(channels).items():
        if np.allclose(ranges, one.ranges(len(ranges)) or (), rtol=1e-4):
            return name + (", BGR" if channels == "bgr" and "BGR" not in name else "")
    if len(set(ranges)) == 1:
        name = "{:.4g} to {:.4g}".format(*ranges[0])
    else:
        name = replace(preprocessing, channels=None, layout=None).words
    return name + (", BGR" if channels == "bgr" else "")


def _named(channels: Channels | None) -> dict[str, Preprocessing]:
    if channels == "gray":
        return _UNIFORM
    mean, deviation = (numbers[::-1] if channels == "bgr" else numbers for numbers in (_MEAN, _DEVIATION))
    named = {**_UNIFORM, "ImageNet mean and standard deviation": Preprocessing(mean=mean, std=deviation)}
    # In both orders where that is open: only by comparing them is one known to be right.
    if channels != "rgb":
        named["ImageNet mean subtracted, BGR"] = Preprocessing(mean=_CAFFE_MEAN[::-1], channels="bgr")
    if channels != "bgr":
        named["ImageNet mean subtracted, RGB"] = Preprocessing(mean=_CAFFE_MEAN, channels="rgb")
    return named
