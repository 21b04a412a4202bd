"""Raw pixels into whatever number type a model's input has, and stored numbers back into real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edge_cifar import input_ranges
from edge_cifar.errors import BundleError, UsageError
from edge_cifar.preprocessing import Channels, Layout, Preprocessing, Range

Images = NDArray[np.uint8]
# Why pixels are given as they are: a user told it, the file says it, its quantization spans it, it did best on
# labelled images, or nothing says so.
Ground = Literal["told", "stated", "quantized", "tried", "assumed"]
# Sides in pixels of the images for a file that takes any, where nothing else says: what ImageNet's networks see.
ANY_SIZE = (224, 224)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How a file is run where somebody cares; an ordinary caller does not.

    Attributes:
        backend: what computes it, one of the runtime's ``BACKENDS``; None for the first of them.
        batch: images in one inference.
        preprocessing: how pixels are given to a model made elsewhere. What it does not tell follows from the input's
            shape and quantization; without either, pixels are given as they are.
        ground: why, where the preprocessing tells a range.
        output: name of the output with the class scores, for a file that has several.
        image_size: height and width of the images, for a file that takes any; None for :data:`ANY_SIZE`.
    """

    backend: str | None = None
    batch: int = 1
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    ground: Ground = "told"
    output: str | None = None
    image_size: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """It as values that JSON holds, for a worker."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Setup:
        """What :meth:`to_json` gave, after its way through JSON."""
        size = values.get("image_size")
        preprocessing = Preprocessing.from_json(values.get("preprocessing", {}))
        return cls(**{**values, "preprocessing": preprocessing, "image_size": tuple(size) if size else None})


PLAIN = Setup()


_PIXEL_MAXIMUM = 255
# What quantized inputs span beside the common ranges: raw pixels minus 128.
_CENTERED = Preprocessing(input_range=(-128.0, 127.0))
_RAW = Preprocessing(input_range=(0.0, 255.0))
# Weights of red, green and blue in luminance, in units of 2**-16, as Pillow and ITU-R BT.601 have them.
_LUMINANCE = np.array([19595, 38470, 7471], np.uint32)
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
        dimensions: of the input tensor: 4, or 3 for grayscale images without a dimension of channels.
        quantization: number type of the input.
        preprocessing: how pixels are given; nothing in it is left open.
        ground: why in that range.
    """

    height: int
    width: int
    any_size: bool = False
    dimensions: int = 4
    quantization: Quantization
    preprocessing: Preprocessing
    ground: Ground

    @classmethod
    def of(
        cls, shape: tuple[int | None, ...], quantization: Quantization, source: str, setup: Setup = PLAIN
    ) -> ImageInput:
        """The input described by a model file.

        Args:
            shape: ``(N, H, W, C)`` or ``(N, C, H, W)`` with one or three channels, or ``(N, H, W)``; N, H and W may
                be None, which is any.
            quantization: as the file states it.
            source: the file's name, for the error message.
            setup: how pixels are given, and the images' size where the file leaves that open. Where no range is told,
                it is derived from the quantization: the common range that the quantized numbers span; raw pixels for
                a floating-point input, since a file does not say.

        Raises:
            BundleError: this is no image input, or contradicts what is told.
        """
        told = setup.preprocessing
        layout, channels, sides = _laid_out(shape, told, source)
        size = setup.image_size or ANY_SIZE
        height, width = sides[0] or size[0], sides[1] or size[1]
        if not 0 < height * width * (shape[0] or 1) <= _MOST_PIXELS:
            raise BundleError(f"{source} takes images of an unsupported size; its input has shape {text(shape)}")
        try:
            preprocessing, ground = _range(quantization, replace(told, channels=channels, layout=layout), setup)
        except UsageError as error:
            # Three means for one channel.
            raise BundleError(f"{source}: {error}") from error
        return cls(
            height=height,
            width=width,
            any_size=None in sides,
            dimensions=len(shape),
            quantization=quantization,
            preprocessing=preprocessing,
            ground=ground,
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the images that :meth:`encode` takes."""
        return self.height, self.width, 3

    def tensor_shape(self, batch: int, height: int, width: int) -> tuple[int, ...]:
        """Of the input tensor, for so many images of a size."""
        if self.dimensions == 3:
            return batch, height, width
        channels = 1 if self.preprocessing.channels == "gray" else 3
        nchw = self.preprocessing.layout == "nchw"
        return (batch, channels, height, width) if nchw else (batch, height, width, channels)

    def encode(self, images: Images) -> NDArray[Any]:
        """Images as the model's input.

        Args:
            images: uint8 ``[N, H, W, 3]``, raw RGB in 0..255; H and W as they come for a file that takes any.

        Returns:
            the input tensor for N images, contiguous.

        Raises:
            BundleError: they are not what the model takes.
        """
        demand_images(images, None if self.any_size else self.shape)
        count, height, width, _ = images.shape
        ordered = _channels(images, self.preprocessing.channels)
        first = self.preprocessing.layout == "nchw"
        if first:
            ordered = np.ascontiguousarray(ordered.transpose(0, 3, 1, 2))
        ranges = self.preprocessing.ranges(ordered.shape[1 if first else 3])
        assert ranges is not None
        if len(set(ranges)) == 1:
            encoded = self._table(ranges[0])[ordered]
        else:
            tables, numbers = np.stack([self._table(channel) for channel in ranges]), np.arange(len(ranges))
            encoded = tables[numbers[:, None, None] if first else numbers, ordered]
        return encoded.reshape(self.tensor_shape(count, height, width))

    def _table(self, pixel_range: Range) -> NDArray[Any]:
        # A pixel has 256 values, so the whole conversion is one table.
        low, high = pixel_range
        pixels = np.arange(_PIXEL_MAXIMUM + 1, dtype=np.float64)
        return self.quantization.quantize(low + pixels / _PIXEL_MAXIMUM * (high - low))


def demand_images(images: Any, shape: tuple[int, int, int] | None) -> None:
    """Refuse what is not a batch of raw RGB images.

    Args:
        images: what a caller gave.
        shape: height, width and channels that the model takes; None for one that takes any size.

    Raises:
        BundleError: the type, the number of dimensions or the size is another.
    """
    is_array = isinstance(images, np.ndarray)
    is_batch = is_array and images.dtype == np.uint8 and images.ndim == 4
    if is_batch and (images.shape[1:] == shape or (shape is None and images.shape[3] == 3)):
        return
    got = f"{images.dtype} {_sides(images.shape)}" if is_array else type(images).__name__
    remedy = "edge_cifar.predict(path, images) prepares images of any size and type"
    if is_array and images.dtype == np.uint8 and images.ndim == 3:
        remedy = f"add the dimension of a batch with images[None], or {remedy}"
    taken = _sides(("N", *(shape or ("height", "width", 3))))
    raise BundleError(f"the model takes uint8 images of shape {taken}, raw RGB from 0 to 255; got {got}; {remedy}")


def _sides(shape: Sequence[object]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def described(preprocessing: Preprocessing, ground: Ground) -> dict[str, Any]:
    """How pixels are given to a model, as JSON: ``layout``, ``low``, ``high`` and on what ``ground``.

    Besides, ``mean`` and ``std`` where the channels differ, and ``channels`` where they are not red, green and blue.

    Args:
        preprocessing: with nothing left open.
        ground: why in that range.
    """
    ranges = preprocessing.ranges(1 if preprocessing.channels == "gray" else 3) or ()
    document: dict[str, Any] = {
        "layout": preprocessing.layout,
        "low": min(low for low, _ in ranges),
        "high": max(high for _, high in ranges),
        "ground": ground,
    }
    if len(set(ranges)) > 1:
        document |= {"mean": list(preprocessing.mean or ()), "std": list(preprocessing.std or (1.0,))}
    if preprocessing.channels not in (None, "rgb"):
        document["channels"] = preprocessing.channels
    return document


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


def _laid_out(
    shape: tuple[int | None, ...], told: Preprocessing, source: str
) -> tuple[Layout, Channels, tuple[int | None, int | None]]:
    """Layout, channels, height and width of an input; three channels are looked for before one."""
    for count in (3, 1):
        if len(shape) == 4 and shape[3] == count and told.layout != "nchw":
            return "nhwc", _order(count, told, source), shape[1:3]
        if len(shape) == 4 and shape[1] == count and told.layout != "nhwc":
            return "nchw", _order(count, told, source), shape[2:4]
    if len(shape) == 3 and None not in shape[1:]:
        return told.layout or "nhwc", _order(1, told, source), shape[1:3]
    laid_out = f" in {told.layout} layout" if told.layout else ""
    raise BundleError(f"{source} does not take images{laid_out}: its input has shape {text(shape)}")


def _order(count: int, told: Preprocessing, source: str) -> Channels:
    if told.channels is not None and (told.channels == "gray") != (count == 1):
        takes = "grayscale images" if count == 1 else "images of three channels"
        raise BundleError(f"{source} takes {takes}, not {told.channels}; omit --channels")
    return told.channels or ("gray" if count == 1 else "rgb")


def _channels(images: Images, channels: Channels | None) -> Images:
    """RGB images ``[N, H, W, 3]`` with the channels that a network takes."""
    if channels == "gray":
        gray: Images = ((images @ _LUMINANCE + (1 << 15)) >> 16).astype(np.uint8)
        return gray[..., np.newaxis]
    return images[..., ::-1] if channels == "bgr" else images


def _range(quantization: Quantization, known: Preprocessing, setup: Setup) -> tuple[Preprocessing, Ground]:
    """The preprocessing with its range, and why that one."""
    if known.tells_range and setup.ground != "stated":
        return known, setup.ground
    spanned = quantization.real_range()
    otherwise: tuple[Preprocessing, Ground] = (known, "stated") if known.tells_range else (_RAW.over(known), "assumed")
    if spanned is None:
        return otherwise
    usual = input_ranges.common(setup.preprocessing.channels or _gray(known))
    for candidate in (*usual, _CENTERED):
        ranges = candidate.ranges(1 if known.channels == "gray" else 3) or ()
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        slack = _RANGE_SLACK * (high - low)
        if abs(spanned[0] - low) <= slack and abs(spanned[1] - high) <= slack:
            return candidate.over(known), "quantized"
    return otherwise


def _gray(known: Preprocessing) -> Channels | None:
    return "gray" if known.channels == "gray" else None


def text(shape: tuple[int | None, ...]) -> str:
    """A shape as messages show it."""
    return "[" + ", ".join("batch" if size is None else str(size) for size in shape) + "]"
