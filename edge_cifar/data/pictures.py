"""A user's picture as a model's input: any format Pillow reads, turned upright, cropped and resized."""

from __future__ import annotations

import io
import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from edge_cifar.errors import DataError, NoPicture, PictureTooLarge

# About 11,000 pixels square, larger than nearly any camera's: half a gigabyte unpacked, a whole one with transparency.
MAX_PIXELS = 120_000_000
# What sensors and scanners fill of the 16 bits that a file gives them; less than 8 is a dark picture of 8.
_GREY_BITS = (8, 10, 12, 14, 16)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture made ready for a model.

    Attributes:
        pixels: uint8 ``[H, W, 3]``, raw RGB in 0..255.
        preparation: what was done to it, for people; empty where nothing was.
    """

    pixels: NDArray[np.uint8]
    preparation: str


@dataclass(frozen=True, kw_only=True)
class Photograph:
    """A picture of any size as it is to be seen: upright, in RGB, on white where it is transparent.

    Attributes:
        name: what messages call it.
        width: in pixels.
        height: in pixels.
        remark: what was assumed of its values, for people; empty where they say all themselves.
    """

    name: str
    _image: Image.Image = field(repr=False)
    remark: str = ""

    @property
    def width(self) -> int:
        return self._image.width

    @property
    def height(self) -> int:
        return self._image.height

    def whole(self, *, largest: int) -> Picture:
        """The whole picture at its own size, made smaller where a side is longer than ``largest`` pixels."""
        scale = largest / max(self._image.size)
        if scale >= 1:
            return Picture(pixels=np.asarray(self._image), preparation=self.remark)
        width, height = (max(round(side * scale), 1) for side in self._image.size)
        return self.fitted(height=height, width=width)

    def fitted(self, *, height: int, width: int) -> Picture:
        """The picture cropped about its centre to a model's proportions, and resized with an antialiasing filter.

        Args:
            height: of the model's input, in pixels.
            width: of the model's input, in pixels.
        """
        size = (width, height)
        if self._image.size == size:
            return Picture(pixels=np.asarray(self._image), preparation=self.remark)
        fitted = ImageOps.fit(self._image, size, method=Image.Resampling.BICUBIC)
        steps = filter(None, (self.remark, _preparation(self._image.size, size)))
        return Picture(pixels=np.asarray(fitted), preparation="; ".join(steps))


def read(source: Path | bytes, *, height: int, width: int, name: str | None = None) -> Picture:
    """Read a picture and fit it to a model's input: :func:`decode`, then :meth:`Photograph.fitted`.

    Raises:
        DataError: as :func:`decode`.
    """
    return decode(source, name=name).fitted(height=height, width=width)


def decode(
    source: Path | bytes,
    *,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    formats: tuple[str, ...] | None = None,
) -> Photograph:
    """Read a picture as it is to be seen: turned as its EXIF orientation says, in RGB, transparency on white.

    Of an animation the first frame is taken.

    Args:
        source: a file, or the bytes of one.
        name: what messages call the picture; the file's path when left out.
        max_pixels: width times height above which it is refused before it unpacks.
        formats: Pillow's names of the formats that are read, all others being refused unparsed, and
            those that this Pillow was built without too; None for every format that it knows.

    Raises:
        NoPicture: it is no picture in one of the formats.
        PictureTooLarge: it would unpack to more than ``max_pixels``.
        DataError: there is no such file, or it is damaged.
    """
    name = name or (str(source) if isinstance(source, Path) else "the image")
    if isinstance(source, Path) and source.is_dir():
        raise DataError(f"{name} is a folder; name the images in it")
    if formats is not None:
        Image.init()
        formats = tuple(known for known in formats if known in Image.OPEN)
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata, which are no concern of the user, and of its own limit, which ours replaces.
            warnings.simplefilter("ignore")
            with Image.open(source if isinstance(source, Path) else io.BytesIO(source), formats=formats) as image:
                # Only the header was read so far: a bomb is refused before it unpacks.
                if image.width * image.height > max_pixels:
                    raise _too_large(name, max_pixels)
                ImageOps.exif_transpose(image, in_place=True)
                if image.mode.startswith("I"):  # 16 bits a pixel, kept in integers of 16 or 32
                    grey, remark = _grey_of_8_bits(image, name)
                    return Photograph(name=name, _image=grey.convert("RGB"), remark=remark)
                return Photograph(name=name, _image=_rgb(image, name))
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"no image at {name}") from error
    except Image.DecompressionBombError as error:
        raise _too_large(name, max_pixels) from error
    except UnidentifiedImageError as error:
        known = f"in a supported format ({', '.join(formats)})" if formats else "in a format supported by Pillow"
        raise NoPicture(f"{name} is not an image {known}") from error
    except Exception as error:
        # On damaged files Pillow's decoders raise whatever their parsing trips over: OSError, SyntaxError,
        # struct.error, IndexError and others.
        raise DataError(f"{name} cannot be decoded as an image ({str(error) or type(error).__name__})") from error


def below(folder: Path) -> list[Path]:
    """Every file in a folder and the folders below it but hidden ones, in the order of their paths.

    Raises:
        DataError: the folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error

    return sorted(
        Path(place) / name
        for place, _, names in os.walk(folder, onerror=refuse)
        for name in names
        if not any(part.startswith(".") for part in (Path(place) / name).relative_to(folder).parts)
    )


def _grey_of_8_bits(image: Image.Image, name: str) -> tuple[Image.Image, str]:
    """A picture of 16-bit grey in 8 bits, and how: nothing in the file says how many of the bits are in use."""
    grey = np.asarray(image)
    largest = int(grey.max())
    if grey.min() < 0 or largest > 65535:
        raise DataError(f"{name} has more than 16 bits per channel; convert it to 8 bits first")
    bits = next(bits for bits in _GREY_BITS if largest < 1 << bits)
    scaled = Image.fromarray((grey >> (bits - 8)).astype(np.uint8))
    return scaled, f"16-bit grayscale using {bits} bits: 0 to {(1 << bits) - 1:,} scaled to 0 to 255"


def _rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "F":
        raise DataError(f"{name} has floating-point pixels of unknown range; convert it to 8 bits first")
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        layered = image if image.mode == "RGBA" else image.convert("RGBA")
        paper = Image.new("RGB", layered.size, "white")
        paper.paste(layered, mask=layered.getchannel("A"))
        return paper
    image.load()
    return image if image.mode == "RGB" else image.convert("RGB")


def _preparation(size: tuple[int, int], target: tuple[int, int]) -> str:
    width, height = size
    scale = min(width / target[0], height / target[1])
    kept = (round(target[0] * scale), round(target[1] * scale))
    resized = f"resized from {kept[0]}×{kept[1]} to {target[0]}×{target[1]}"
    return resized if kept == size else f"center-cropped from {width}×{height}, {resized}"


def _too_large(name: str, max_pixels: int) -> PictureTooLarge:
    return PictureTooLarge(f"{name} has more than {max_pixels // 1_000_000} million pixels; make it smaller first")
