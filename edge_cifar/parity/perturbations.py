"""Ways in which an artifact may misread its images, as changes to its input.

An artifact that takes BGR gives the Keras model's answers when it is shown images with their
channels reversed: feeding it each view of the same images tells which mistake was made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]

PLAIN = "plain"

VIEWS: Mapping[str, Callable[[Images], Images]] = {
    PLAIN: lambda images: images,
    "channels": lambda images: images[..., ::-1],
    "mirrored": lambda images: images[:, :, ::-1],
    "upside-down": lambda images: images[:, ::-1],
    "transposed": lambda images: images.transpose(0, 2, 1, 3) if images.shape[1] == images.shape[2] else images,
    "negative": lambda images: 255 - images,
}

MISTAKES: Mapping[str, str] = {
    "channels": "expects its channels in reverse order (BGR instead of RGB)",
    "mirrored": "sees images mirrored left to right",
    "upside-down": "sees images upside down",
    "transposed": "sees images with height and width swapped",
    "negative": "sees images inverted (255 minus the pixel)",
}


def show(images: Images, view: str) -> Images:
    """The images as one view changes them, contiguous in memory as runtimes expect."""
    return np.ascontiguousarray(VIEWS[view](images))
