"""A user's picture as a model's input: any format Pillow reads, turned upright, cropped and resized."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from edge_cifar.errors import DataError

# About 11,000 pixels square: larger than any camera's, small enough to be decoded on a Raspberry Pi.
MAX_PIXELS = 120_000_000


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture made ready for a model.

    Attributes:
        pixels: uint8 ``[H, W, 3]``, raw RGB in 0..255.
        preparation: what was done to it, for people; empty where nothing was.
    """

    pixels: NDArray[np.uint8]
    preparation: str


def read(source: Path | bytes, *, height: int, width: int, name: str | None = None) -> Picture:
    """Read a picture and fit it to a model's input.

    The picture is turned as its EXIF orientation says, laid on white where it is transparent,
    cropped about its centre to the input's proportions, and resized with an antialiasing filter.
    Of an animation the first frame is taken.

    Args:
        source: a file, or the bytes of one.
        height: of the model's input, in pixels.
        width: of the model's input, in pixels.
        name: what error messages call the picture; the file's path when left out.

    Raises:
        DataError: there is no such file, it is no picture, it is damaged, or it would unpack to
            more than :data:`MAX_PIXELS`.
    """
    name = name or (str(source) if isinstance(source, Path) else "the picture")
    upright = _upright_rgb(source, name)
    size = (width, height)
    if upright.size == size:
        return Picture(pixels=np.asarray(upright), preparation="")
    fitted = ImageOps.fit(upright, size, method=Image.Resampling.BICUBIC)
    return Picture(pixels=np.asarray(fitted), preparation=_preparation(upright.size, size))


def _upright_rgb(source: Path | bytes, name: str) -> Image.Image:
    if isinstance(source, Path) and source.is_dir():
        raise DataError(f"{name} is a folder; name the pictures in it")
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata, which are no concern of the user, and of its own limit, which ours replaces.
            warnings.simplefilter("ignore")
            with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as image:
                # Only the header was read so far: a bomb is refused before it unpacks.
                if image.width * image.height > MAX_PIXELS:
                    raise _too_large(name)
                return _rgb(ImageOps.exif_transpose(image), name)
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"no picture at {name}") from error
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except UnidentifiedImageError as error:
        raise DataError(f"{name} is not a picture in a format that Pillow reads") from error
    except Exception as error:
        # On damaged files Pillow's decoders raise whatever their parsing trips over: OSError, SyntaxError,
        # struct.error, IndexError and others.
        raise DataError(f"{name} cannot be read as a picture ({str(error) or type(error).__name__})") from error


def _rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, kept in integers of 16 or 32
        grey = np.asarray(image)
        if grey.min() < 0 or grey.max() > 65535:
            raise DataError(f"{name} has more than 16 bits a channel; convert it to 8 first")
        return Image.fromarray((grey // 256).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise DataError(f"{name} holds floating-point numbers whose range is unknown; convert it to 8 bits first")
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        layered = image.convert("RGBA")
        paper = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(paper, layered).convert("RGB")
    return image.convert("RGB")


def _preparation(size: tuple[int, int], target: tuple[int, int]) -> str:
    width, height = size
    scale = min(width / target[0], height / target[1])
    kept = (round(target[0] * scale), round(target[1] * scale))
    resized = f"resized from {kept[0]}×{kept[1]} to {target[0]}×{target[1]}"
    return resized if kept == size else f"cropped from {width}×{height} about the centre, {resized}"


def _too_large(name: str) -> DataError:
    return DataError(f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels; make it smaller first")
