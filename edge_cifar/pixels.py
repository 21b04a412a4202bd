"""Raw pixels into whatever number type a model's input has, and stored numbers back into real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edge_cifar.errors import BundleError
from edge_cifar.preprocessing import Layout, Range

Images = NDArray[np.uint8]
Ranges = tuple[Range, Range, Range]
# Why pixels are given in a range: a user told it, the file says it, its quantization spans it, or nothing does.
Ground = Literal["told", "stated", "quantized", "assumed"]
# Sides in pixels of the images for a file that takes any, where nothing else says: what ImageNet's networks see.
ANY_SIZE = (224, 224)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How a file is run where somebody cares; an ordinary caller does not.

    Attributes:
        backend: what computes it, one of the runtime's ``BACKENDS``; None for the first of them.
        batch: images in one inference.
        input_range: real values of pixels 0 and 255, where a file of somebody else's does not tell;
            None for what its quantization says, and raw pixels where that says nothing.
        channel_ranges: those of red, green and blue, where they differ; in place of ``input_range``.
        layout: order of its input's dimensions; None for what their sizes say.
        image_size: height and width of the images, for a file that takes any.
    """

    backend: str | None = None
    batch: int = 1
    input_range: Range | None = None
    channel_ranges: Ranges | None = None
    layout: Layout | None = None
    image_size: tuple[int, int] = ANY_SIZE


PLAIN = Setup()


_PIXEL_MAXIMUM = 255
# What networks are commonly trained on: raw pixels, [0, 1], [-1, 1], raw pixels minus 128.
_COMMON_RANGES: tuple[Range, ...] = ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0), (-128.0, 127.0))
# A calibrated range falls short of the true one by the rounding of its zero point, or because no
# calibration image held the extreme value.
_RANGE_SLACK = 0.02
# Of all images of a fixed batch together: 64 of 512 by 512. A file may claim any size, and takes a few bytes for it.
_MOST_PIXELS = 1 << 24


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """How a tensor's stored numbers stand for real ones: ``real = scale * (stored - zero_point)``.

    Attributes:
        dtype: type of the stored numbers; floating point for a tensor that is not quantized.
        scale: of one step; 1.0 for floating point.
        zero_point: the stored number that means zero.
    """

    dtype: np.dtype[Any]
    scale: float = 1.0
    zero_point: int = 0

    @property
    def is_float(self) -> bool:
        return bool(np.issubdtype(self.dtype, np.floating))

    def dequantize(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """The real numbers behind stored ones."""
        if self.is_float:
            return stored.astype(np.float32)
        steps: NDArray[np.float32] = stored.astype(np.float32) - np.float32(self.zero_point)
        return steps * np.float32(self.scale)

    def quantize(self, real: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """The stored numbers nearest to real ones, saturating at the type's limits."""
        if self.is_float:
            return real.astype(self.dtype)
        limits = np.iinfo(self.dtype)
        steps: NDArray[Any] = np.rint(real / self.scale) + self.zero_point
        return steps.clip(limits.min, limits.max).astype(self.dtype)

    def real_range(self) -> Range | None:
        """The smallest and largest real number that can be stored; None for floating point."""
        if self.is_float:
            return None
        limits = np.iinfo(self.dtype)
        return self.scale * (limits.min - self.zero_point), self.scale * (limits.max - self.zero_point)


@dataclass(frozen=True, kw_only=True)
class ImageInput:
    """A model's image input.

    Attributes:
        height: pixels.
        width: pixels.
        any_size: whether the file leaves height or width open, so that those here are one choice.
        channels_first: True for ``[N, 3, H, W]``, False for ``[N, H, W, 3]``.
        quantization: number type of the input.
        pixel_range: real values that pixel 0 and pixel 255 are to be given as.
        range_ground: why.
        channel_ranges: those of red, green and blue, where they differ.
    """

    height: int
    width: int
    any_size: bool = False
    channels_first: bool
    quantization: Quantization
    pixel_range: Range
    range_ground: Ground
    channel_ranges: Ranges | None = None

    @classmethod
    def of(
        cls, shape: tuple[int | None, ...], quantization: Quantization, source: str, setup: Setup = PLAIN
    ) -> ImageInput:
        """The input described by a model file.

        Args:
            shape: ``(N, H, W, 3)`` or ``(N, 3, H, W)``; N, H and W may be None, which is any.
            quantization: as the file states it.
            source: the file's name, for the error message.
            setup: what pixels 0 and 255 stand for, the layout, and the images' size where the file leaves
                that open. The range left out, the range is derived from
                the quantization: of the ranges networks are commonly trained on, the one that the
                quantized numbers span; raw pixels for a floating-point input, since a file does not say.

        Raises:
            BundleError: this is no RGB image input.
        """
        if len(shape) == 4 and shape[3] == 3 and setup.layout != "nchw":
            channels_first, (height, width) = False, shape[1:3]
        elif len(shape) == 4 and shape[1] == 3 and setup.layout != "nhwc":
            channels_first, (height, width) = True, shape[2:4]
        else:
            laid_out = f" in {setup.layout} layout" if setup.layout else ""
            raise BundleError(f"{source} does not take RGB images{laid_out}: its input has shape {text(shape)}")
        height, width, any_size = height or setup.image_size[0], width or setup.image_size[1], None in (height, width)
        if not 0 < height * width * (shape[0] or 1) <= _MOST_PIXELS:
            raise BundleError(f"{source} takes images of an unsupported size; its input has shape {text(shape)}")
        pixel_range, ground = _range(quantization, setup)
        return cls(
            height=height,
            width=width,
            any_size=any_size,
            channels_first=channels_first,
            quantization=quantization,
            pixel_range=pixel_range,
            range_ground=ground,
            channel_ranges=setup.channel_ranges,
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, 3

    @property
    def layout(self) -> Layout:
        return "nchw" if self.channels_first else "nhwc"

    def encode(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Images as the model's input.

        Args:
            images: uint8 ``[N, H, W, 3]``, raw RGB in 0..255; H and W as they come for a file that takes any.

        Returns:
            the input tensor for N images, contiguous.

        Raises:
            BundleError: the images have another size than the model takes.
        """
        fits = images.ndim == 4 and (self.any_size or images.shape[1:] == self.shape)
        if not fits:
            raise BundleError(
                f"the model takes images of shape {text(self.shape)}; got {text(images.shape[1:])}. Resize them first"
            )
        ordered = np.ascontiguousarray(images.transpose(0, 3, 1, 2)) if self.channels_first else images
        if self.channel_ranges is None:
            return self._table(self.pixel_range)[ordered]
        tables = np.stack([self._table(channel) for channel in self.channel_ranges])
        channels = np.arange(3)
        return tables[channels[:, None, None] if self.channels_first else channels, ordered]

    def _table(self, pixel_range: Range) -> NDArray[Any]:
        # A pixel has 256 values, so the whole conversion is one table.
        low, high = pixel_range
        pixels = np.arange(_PIXEL_MAXIMUM + 1, dtype=np.float64)
        return self.quantization.quantize(low + pixels / _PIXEL_MAXIMUM * (high - low))


def filled(encoded: NDArray[Any], batch: int) -> NDArray[Any]:
    """At least one encoded image, the last one repeated until there are as many as a fixed batch takes."""
    missing = batch - len(encoded)
    return np.concatenate([encoded, np.repeat(encoded[-1:], missing, axis=0)]) if missing else encoded


def stored_type(dtype: DTypeLike, scale: float, zero_point: int) -> Quantization:
    """A quantization as model files state it: a scale of 0 there means that there is none."""
    kind = np.dtype(dtype)
    if np.issubdtype(kind, np.floating) or scale == 0.0:
        return Quantization(dtype=kind)
    return Quantization(dtype=kind, scale=scale, zero_point=zero_point)


def _range(quantization: Quantization, setup: Setup) -> tuple[Range, Ground]:
    if setup.channel_ranges is not None:
        lows, highs = zip(*setup.channel_ranges, strict=True)
        return (min(lows), max(highs)), "told"
    if setup.input_range is not None:
        return setup.input_range, "told"
    if (spanned := quantization.real_range()) is not None:
        low, high = spanned
        for candidate in _COMMON_RANGES:
            slack = _RANGE_SLACK * (candidate[1] - candidate[0])
            if abs(low - candidate[0]) <= slack and abs(high - candidate[1]) <= slack:
                return candidate, "quantized"
    return _COMMON_RANGES[0], "assumed"


def text(shape: tuple[int | None, ...]) -> str:
    """A shape as messages show it."""
    return "[" + ", ".join("batch" if size is None else str(size) for size in shape) + "]"
