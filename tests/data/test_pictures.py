"""Reading pictures: every mode and orientation, and what is no picture."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image, ImageFile

from edge_cifar.data import pictures
from edge_cifar.errors import DataError, NoPicture, NoPlugin


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
    assert pictures.decode(stream.getvalue()).size == (64, 32)
    with pytest.raises(NoPicture, match=r"in a supported format \(PNG, JPEG\)"):
        pictures.decode(stream.getvalue(), formats=("PNG", "JPEG"))


def test_everything_below_a_folder_but_hidden_files(tmp_path: Path) -> None:
    for name in ("b.png", "a/c.png", ".hidden/d.png", "a/.e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert pictures.below(tmp_path) == [tmp_path / "a" / "c.png", tmp_path / "b.png"]


def _container(*brands: bytes) -> bytes:
    """The beginning of an ISO base media file of these brands."""
    box = b"ftyp" + brands[0] + bytes(4) + b"".join(brands)
    return (len(box) + 4).to_bytes(4, "big") + box + bytes(100)


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (_container(b"heic", b"mif1"), "for HEIC; run: pip install pillow-heif"),
        (_container(b"mif1", b"heic"), "for HEIC; run: pip install pillow-heif"),
        (_container(b"mif1", b"avif"), "for AVIF; run: pip install pillow-avif-plugin"),
    ],
)
def test_a_format_that_needs_a_plugin_is_named_with_the_command(
    content: bytes, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_cifar.packages.installed", lambda module: False)
    # Recent Pillows bring a decoder for AVIF.
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "AVIF"])
    (tmp_path / "phone.heic").write_bytes(content)
    with pytest.raises(NoPlugin, match=advice):
        pictures.decode(tmp_path / "phone.heic")


def test_a_plugin_that_is_installed_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def accept(prefix: bytes) -> bool:
        return prefix[4:12] == b"ftypheic"

    class Opener(ImageFile.ImageFile):
        format = "HEIF"

        def _open(self) -> None:
            self._size, self._mode, self.tile = (3, 2), "L", []

        def load(self) -> Image.core.PixelAccess | None:
            self.im = Image.new("L", self.size, 77).im
            return super().load()

    plugin = ModuleType("pillow_heif")
    plugin.register_heif_opener = lambda: Image.register_open("HEIF", Opener, accept)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pillow_heif", plugin)
    monkeypatch.setattr("edge_cifar.packages.installed", lambda module: module == "pillow_heif")
    monkeypatch.setattr(Image, "ID", [*Image.ID])
    monkeypatch.setattr(Image, "OPEN", {**Image.OPEN})
    assert pictures.read(_container(b"heic"), height=2, width=3).pixels.tolist() == [[[77] * 3] * 3] * 2


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_small_and_looks_the_same(orientation: int, tmp_path: Path) -> None:
    y, x = np.mgrid[0:900, 0:1200]
    large = np.stack([x / 5, y / 4, 127 + 120 * np.sin(x / 40) * np.cos(y / 30)], axis=-1).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(large).save(tmp_path / "large.jpg", quality=95, exif=exif)
    whole = pictures.decode(tmp_path / "large.jpg")
    small = pictures.decode(tmp_path / "large.jpg", target=(64, 64))
    assert small.size == whole.size == ((900, 1200) if orientation == 6 else (1200, 900))
    assert max(small._image.size) == 300
    fast, exact = (one.fitted(height=64, width=64) for one in (small, whole))
    assert fast.preparation == exact.preparation
    assert np.abs(fast.pixels.astype(int) - exact.pixels).max() <= 4
    assert np.abs(fast.pixels.astype(int) - exact.pixels).mean() < 0.5
