"""Reading pictures: every mode and orientation, and what is no picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_cifar.data import pictures
from edge_cifar.errors import DataError, NoPicture


def colours(**save: object) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", (64, 32), "red")
    image.paste("blue", (32, 0, 64, 32))
    return image


def test_exif_orientation_is_honoured(tmp_path: Path) -> None:
    # Orientation 6: the camera was turned, the stored rows run downwards on the right. Red ends up on top.
    exif = Image.Exif()
    exif[0x0112] = 6
    colours().save(tmp_path / "turned.png", exif=exif)
    pixels = pictures.read(tmp_path / "turned.png", height=64, width=32).pixels
    assert tuple(pixels[10, 16]) == (255, 0, 0)
    assert tuple(pixels[50, 16]) == (0, 0, 255)


def test_crop_is_about_the_centre(tmp_path: Path) -> None:
    image = Image.new("RGB", (300, 100), "black")
    image.paste("white", (100, 0, 200, 100))
    image.save(tmp_path / "wide.png")
    # The antialiasing filter reaches over the edge by a pixel.
    assert pictures.read(tmp_path / "wide.png", height=32, width=32).pixels[:, 1:-1].min() == 255


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (32, 32), (0, 0, 0, 0)).save(tmp_path / "glass.png")
    assert pictures.read(tmp_path / "glass.png", height=32, width=32).pixels.min() == 255


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    Image.fromarray(np.full((32, 32), 0x8000, np.uint16)).save(tmp_path / "deep.png")
    assert np.all(pictures.read(tmp_path / "deep.png", height=32, width=32).pixels == 0x80)


@pytest.mark.parametrize(
    ("largest", "expected"), [(200, 200), (1023, 255), (4095, 255), (2048, 128), (16383, 255), (65535, 255), (0, 0)]
)
def test_16_bit_grey_is_scaled_by_the_bits_in_use_and_that_is_said(tmp_path: Path, largest: int, expected: int) -> None:
    grey = np.zeros((4, 4), np.uint16)
    grey[0, 0] = largest
    Image.fromarray(grey).save(tmp_path / "deep.png")
    picture = pictures.read(tmp_path / "deep.png", height=4, width=4)
    assert picture.pixels[0, 0].tolist() == [expected] * 3
    assert picture.pixels[1:].max() == 0
    assert picture.preparation.startswith("16-bit grayscale using ")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("picture.tiff" if mode in ("CMYK", "YCbCr") else "picture.png")
    colours().convert(mode).save(path)
    picture = pictures.read(path, height=32, width=64)
    assert picture.pixels.shape == (32, 64, 3)
    assert picture.pixels.dtype == np.uint8
    assert picture.preparation == ""


def _png() -> bytes:
    stream = io.BytesIO()
    colours().save(stream, "png")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an image"),
        (b"hello", "not an image"),
        (_png()[: len(_png()) // 2], "cannot be decoded"),
        (_png()[:60] + bytes(40) + _png()[100:], "cannot be decoded"),
    ],
    ids=["empty", "text", "truncated", "damaged"],
)
def test_bad_pictures_cost_one_sentence(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        pictures.read(path, height=32, width=32)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("side", [11_000, 20_000])
def test_decompression_bomb_is_refused_unopened(side: int, tmp_path: Path) -> None:
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    with pytest.raises(DataError, match="more than 120 million pixels"):
        pictures.read(tmp_path / "bomb.png", height=32, width=32)


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder"):
        pictures.read(tmp_path, height=32, width=32)


def test_formats_that_are_not_asked_for_are_not_parsed() -> None:
    stream = io.BytesIO()
    colours().save(stream, "pcx")
    assert pictures.decode(stream.getvalue()).width == 64
    with pytest.raises(NoPicture, match=r"in a supported format \(PNG, JPEG\)"):
        pictures.decode(stream.getvalue(), formats=("PNG", "JPEG"))


def test_everything_below_a_folder_but_hidden_files(tmp_path: Path) -> None:
    for name in ("b.png", "a/c.png", ".hidden/d.png", "a/.e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert pictures.below(tmp_path) == [tmp_path / "a" / "c.png", tmp_path / "b.png"]
