"""Pictures that a Python program holds in memory: arrays, and images of Pillow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from edge_cifar.data import pictures
from edge_cifar.errors import DataError

Pictures = str | Path | ArrayLike | Image.Image | Iterable[Any]
"""What a program may give as pictures: one or several, in files or in memory."""

_CHANNELS = (1, 3, 4)
# What floats commonly span; the first that holds all values is theirs.
_FLOAT_RANGES = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class InMemory:
    """A picture in memory.

    Attributes:
        number: its place among all pictures that were given, from 0 on.
        source: uint8 ``[H, W]`` or ``[H, W, 1, 3 or 4]``, or an image of Pillow.
        remark: how its values became bytes, for people; empty where they were bytes.
    """

    number: int
    source: NDArray[np.uint8] | Image.Image
    remark: str = ""

    def photograph(self) -> pictures.Photograph:
        """The picture as it is to be seen, ready to be fitted to a model.

        Raises:
            DataError: its pixels are of unknown range, or the file that it is read from is damaged.
        """
        image = self.source
        if not isinstance(image, Image.Image):
            gray = image.ndim == 3 and image.shape[2] == 1
            image = Image.fromarray(image[..., 0] if gray else image)
        return pictures.of_image(image, name=f"image {self.number}", remark=self.remark)


def each(given: Pictures) -> list[Path | InMemory]:
    """The pictures that a program gives, one by one; paths as they are.

    Args:
        given: a path or several; images of Pillow; arrays, or what NumPy takes for one, such as tensors. One image is
            ``[H, W, 3]``, several are ``[N, H, W, 3]``, as integers in 0..255, or floats in 0..1 (or 0..255, or -1..1).
            One channel is grayscale, four have transparency.

    Raises:
        DataError: something is none of these.
    """
    found = enumerate(_each(given))
    return [
        one if isinstance(one, Path) else InMemory(number=number, source=one[0], remark=one[1]) for number, one in found
    ]


def _each(given: Any) -> Iterator[Path | tuple[NDArray[np.uint8] | Image.Image, str]]:
    if isinstance(given, str | Path):
        yield Path(given)
    elif isinstance(given, Image.Image):
        yield given, ""
    elif hasattr(given, "__array__") and (array := np.asarray(given)).dtype.kind in "uifb":
        yield from _images(array)
    elif isinstance(given, Iterable):
        for one in given:
            yield from _each(one)
    else:
        raise DataError(f"an image is a path, a NumPy array or an image of Pillow; got {type(given).__name__}")


def _images(array: NDArray[Any]) -> Iterator[tuple[NDArray[np.uint8], str]]:
    single = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in _CHANNELS)
    if not single and not (array.ndim == 4 and array.shape[3] in _CHANNELS):
        channels_first = array.ndim > 2 and array.shape[-3] in _CHANNELS
        remedy = "; move the channels to the end with numpy.moveaxis(images, -3, -1)" if channels_first else ""
        raise DataError(
            "an image is an array of shape [height, width, 3], several images are [N, height, width, 3]; got "
            f"{list(array.shape)}{remedy}"
        )
    # The range of several images is that of all: one alone may be dark.
    pixels, remark = _bytes(array)
    for one in [pixels] if single else pixels:
        yield one, remark


def _bytes(array: NDArray[Any]) -> tuple[NDArray[np.uint8], str]:
    """Pixels in 0..255, and how they became that."""
    if array.dtype == np.uint8 or not array.size:
        return array.astype(np.uint8), ""
    is_float = array.dtype.kind in "fb"
    least, most = float(array.min()), float(array.max())
    for low, high in _FLOAT_RANGES if is_float else ((0.0, 255.0),):
        if low <= least and most <= high:
            scaled = (array.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
            remark = (
                f"{array.dtype} from {low:g} to {high:g} converted to 0 to 255"
                if is_float and (low, high) != (0.0, 255.0)
                else ""
            )
            return np.rint(scaled).astype(np.uint8), remark
    raise DataError(
        f"pixels are integers from 0 to 255 or floats from 0 to 1; got {array.dtype} from {least:g} to {most:g}"
    )
