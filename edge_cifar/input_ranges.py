"""The input ranges that networks are commonly trained on, to be tried where a file does not say which one it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edge_cifar.preprocessing import Channels, Preprocessing

# ImageNet's mean and standard deviation of red, green and blue in 0..1, as torchvision's networks take them:
# https://docs.pytorch.org/vision/stable/models.html
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
# ImageNet's mean of red, green and blue in 0..255, as networks from Caffe take it, blue first:
# https://keras.io/api/applications/vgg/#preprocess_input-function
_CAFFE_MEAN = (123.68, 116.779, 103.939)


@dataclass(frozen=True, kw_only=True)
class InputRange:
    """One common way to give pixels.

    Attributes:
        name: for people.
        preprocessing: it in numbers.
    """

    name: str
    preprocessing: Preprocessing


_UNIFORM = (
    InputRange(name="0 to 255", preprocessing=Preprocessing(input_range=(0.0, 255.0))),
    InputRange(name="0 to 1", preprocessing=Preprocessing(input_range=(0.0, 1.0))),
    InputRange(name="-1 to 1", preprocessing=Preprocessing(input_range=(-1.0, 1.0))),
)


def common(channels: Channels | None = None) -> tuple[InputRange, ...]:
    """The common input ranges of a network.

    Args:
        channels: those that it is known to take; None for three in an unknown order.
    """
    if channels == "gray":
        return _UNIFORM
    backwards = channels == "bgr"
    mean, deviation = (numbers[::-1] if backwards else numbers for numbers in (_MEAN, _DEVIATION))
    caffe = _CAFFE_MEAN if channels == "rgb" else _CAFFE_MEAN[::-1]
    return (
        *_UNIFORM,
        InputRange(name="ImageNet mean and standard deviation", preprocessing=Preprocessing(mean=mean, std=deviation)),
        InputRange(
            name=f"ImageNet mean subtracted, {'RGB' if channels == 'rgb' else 'BGR'}",
            preprocessing=Preprocessing(mean=caffe, channels=channels or "bgr"),
        ),
    )


def name_of(preprocessing: Preprocessing) -> str:
    """A network's input range for people: by its common name where it has one.

    Args:
        preprocessing: with a range or a mean.
    """
    channels = preprocessing.channels
    ranges = preprocessing.ranges(1 if channels == "gray" else 3) or ()
    for one in common(channels):
        if np.allclose(ranges, one.preprocessing.ranges(len(ranges)) or (), rtol=1e-4):
            return one.name + (", BGR" if channels == "bgr" and "BGR" not in one.name else "")
    if len(set(ranges)) == 1:
        name = "{:.4g} to {:.4g}".format(*ranges[0])
    else:
        name = replace(preprocessing, channels=None, layout=None).words
    return name + (", BGR" if channels == "bgr" else "")


def others(given: Preprocessing, told: Channels | None) -> tuple[InputRange, ...]:
    """The common input ranges of a network but the one that its pixels are given in already.

    Args:
        given: as its pixels are given, with their channels.
        told: the channels that a user named; None for none.
    """
    channels = "gray" if given.channels == "gray" else told
    return tuple(one for one in common(channels) if one.name != name_of(given))
