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

from edge_cifar.data import picture_plugins
from edge_cifar.errors import DataError, NoPicture, NoPlugin, PictureTooLarge

# About 11,000 pixels square, larger than nearly any camera's: half a gigabyte unpacked, a whole one with transparency.
MAX_PIXELS = 120_000_000
# What sensors and scanners fill of the 16 bits that a file gives them; less than 8 is a dark picture of 8.
_GREY_BITS = (8, 10, 12, 14, 16)
# The tag of EXIF, and those of its values that exchange width and height.
_ORIENTATION = 0x0112
_ON_ITS_SIDE = (5, 6, 7, 8)


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
        size: (width, height) of the file's picture, in pixels; what was decoded may be smaller.
        remark: what was assumed of its values, for people; empty where they say all themselves.
    """

    name: str
    size: tuple[int, int]
    _image: Image.Image = field(repr=False)
    remark: str = ""

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
        steps = filter(None, (self.remark, _preparation(self.size, size)))
        return Picture(pixels=np.asarray(fitted), preparation="; ".join(steps))


def read(source: Path | bytes, *, height: int, width: int, name: str | None = None) -> Picture:
    """Read a picture and fit it to a model's input: :func:`decode`, then :meth:`Photograph.fitted`.

    Raises:
        DataError: as :func:`decode`.
    """
    return decode(source, name=name, target=(height, width)).fitted(height=height, width=width)


def decode(
    source: Path | bytes,
    *,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    formats: tuple[str, ...] | None = None,
    target: tuple[int, int] | None = None,
) -> Photograph:
    """Read a picture as it is to be seen: turned as its EXIF orientation says, in RGB, transparency on white.

    Of an animation the first frame is taken.

    Args:
        source: a file, or the bytes of one.
        name: what messages call the picture; the file's path when left out.
        max_pixels: width times height above which it is refused before it unpacks.
        formats: Pillow's names of the formats that are read, all others being refused unparsed, and
            those that this Pillow was built without too; None for every format that it knows.
        target: (height, width) that the picture will be fitted to, which saves time on a much larger JPEG; None
            where it may be needed whole.

    Raises:
        NoPicture: it is no picture in one of the formats.
        NoPlugin: it needs a plugin of Pillow that is not installed.
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
            with _opened(source, name, formats) as image:
                # Only the header was read so far: a bomb is refused before it unpacks.
                if image.width * image.height > max_pixels:
                    raise _too_large(name, max_pixels)
                size = _upright_size(image)
                if target is not None:
                    # A JPEG decoder can leave out what a much smaller picture does not show. At twice the size the
                    # filter that resizes it sees no difference.
                    image.draft(None, (2 * max(target), 2 * max(target)))
                ImageOps.exif_transpose(image, in_place=True)
                return _photograph(image, name, size)
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


def of_image(image: Image.Image, *, name: str, remark: str = "") -> Photograph:
    """A picture that a program has opened or made, as :func:`decode` would read it from a file.

    Args:
        image: of any mode; it stays as it is.
        name: what messages call it.
        remark: what was assumed of its values already.

    Raises:
        DataError: its file is damaged, or its pixels are of unknown range.
    """
    try:
        upright = ImageOps.exif_transpose(image)
        return _photograph(upright, name, upright.size, remark)
    except DataError:
        raise
    except Exception as error:
        # Pillow reads a file's pixels only now; see decode.
        raise DataError(f"{name} cannot be decoded as an image ({str(error) or type(error).__name__})") from error


def _photograph(image: Image.Image, name: str, size: tuple[int, int], remark: str = "") -> Photograph:
    """An upright picture in RGB."""
    if image.mode.startswith("I"):  # 16 bits a pixel, kept in integers of 16 or 32
        grey, remark = _grey_of_8_bits(image, name)
        return Photograph(name=name, size=size, _image=grey.convert("RGB"), remark=remark)
    return Photograph(name=name, size=size, _image=_rgb(image, name), remark=remark)


def _opened(source: Path | bytes, name: str, formats: tuple[str, ...] | None) -> Image.Image:
    """A picture of which the header is read; Pillow's plugins are loaded where a file needs one."""
    file = source if isinstance(source, Path) else io.BytesIO(source)
    try:
        return Image.open(file, formats=formats)
    except UnidentifiedImageError as error:
        plugin = picture_plugins.needed(_header(source)) if formats is None else None
        if plugin is None:
            raise
        if not plugin.add():
            raise NoPlugin(name, plugin.advice) from error
        return Image.open(file)


def _header(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[: picture_plugins.HEADER_BYTES]
    with source.open("rb") as stream:
        return stream.read(picture_plugins.HEADER_BYTES)


def _upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of a picture that is turned as its EXIF orientation says."""
    width, height = image.size
    return (height, width) if image.getexif().get(_ORIENTATION) in _ON_ITS_SIDE else (width, height)


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
