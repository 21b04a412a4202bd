"""Contact sheets: many small images with captions in one picture, enlarged by whole pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_cifar.data import Split
from edge_cifar.report import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Larger images are shrunk to this first, as a sheet of photographs would take megabytes.
_LARGEST_TILE = 64
_TITLE_PIXELS = 36
_MARGIN = 12


def captioned(images: NDArray[np.uint8], captions: Sequence[tuple[str, str]], title: str, path: Path) -> None:
    """Images in rows of six, with two lines of text below each.

    Args:
        images: uint8 ``[N, H, W, 3]``.
        captions: N pairs of a heading and the line below it.
        title: the line at the top.
        path: the PNG to write.
    """
    columns, tile, cell = 6, 96, (160, 146)
    rows = math.ceil(len(images) / columns)
    sheet = _Sheet(columns * cell[0] + _MARGIN, _TITLE_PIXELS + max(rows, 1) * cell[1], title)
    for place, (image, (heading, below)) in enumerate(zip(images, captions, strict=True)):
        left = _MARGIN + place % columns * cell[0]
        top = _TITLE_PIXELS + place // columns * cell[1]
        sheet.paste(_tile(image, tile), left, top)
        sheet.write(_short(heading, 20), left, top + tile + 10, 8.0, weight="bold")
        sheet.write(_short(below, 28), left, top + tile + 25, 7.5)
    sheet.save(path)


def by_class(split: Split, names: Sequence[str], path: Path) -> None:
    """A strip of images for each class, next to its name and count.

    Up to twenty classes are listed in one column with four images each, more in several columns with fewer and smaller
    images.
    """
    columns = math.ceil(len(names) / 20)
    rows = math.ceil(len(names) / columns)
    tile, per_class, words = (64, 4, 120) if columns == 1 else (32, 2, 100)
    column_width = words + per_class * (tile + 2) + _MARGIN
    title = f"{len(split):,} images, {len(names)} classes"
    sheet = _Sheet(_MARGIN + columns * column_width, _TITLE_PIXELS + rows * (tile + 4), title)
    for number, name in enumerate(names):
        left = _MARGIN + number // rows * column_width
        top = _TITLE_PIXELS + number % rows * (tile + 4)
        members = np.flatnonzero(split.labels == number)
        sheet.write(_short(name, 17), left, top + tile // 2 - 7, 8.0)
        sheet.write(f"{members.size:,}", left, top + tile // 2 + 8, 7.5)
        for place, member in enumerate(members[:per_class]):
            sheet.paste(_tile(split.images[member], tile), left + words + place * (tile + 2), top)
    sheet.save(path)


class _Sheet:
    """A picture laid out in pixels, origin at the upper left."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size = (width, height)
        self._pixels: NDArray[np.uint8] = np.full((height, width, 3), 255, np.uint8)
        self._figure: Figure = canvas.new_figure(width / canvas.DPI, height / canvas.DPI)
        self.write(title, _MARGIN, _TITLE_PIXELS // 2, 10.0)

    def paste(self, image: NDArray[np.uint8], left: int, top: int) -> None:
        height, width = image.shape[:2]
        self._pixels[top : top + height, left : left + width] = image

    def write(self, text: str, left: int, middle: int, size: float, weight: str = "normal") -> None:
        x, y = left / self._size[0], 1 - middle / self._size[1]
        self._figure.text(x, y, _short(text, 90), fontsize=size, weight=weight, va="center", parse_math=False)

    def save(self, path: Path) -> None:
        # figimage copies pixels without resampling; it is drawn first, below the text.
        self._figure.figimage(self._pixels, zorder=-1)
        canvas.save(self._figure, path)


def _tile(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The image in a square of ``side`` pixels: shrunk smoothly, or enlarged without smoothing."""
    picture = Image.fromarray(image)
    if max(picture.size) > _LARGEST_TILE:
        picture.thumbnail((_LARGEST_TILE, _LARGEST_TILE))
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return np.asarray(picture.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX))


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
