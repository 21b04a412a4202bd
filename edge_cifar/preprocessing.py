"""How a network wants its pixels: in which range or standardized how, which channels, in which layout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from edge_cifar.errors import UsageError, unknown

Range = tuple[float, float]
Layout = Literal["nhwc", "nchw"]
Channels = Literal["rgb", "bgr", "gray"]

_LARGEST_PIXEL = 255.0


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What is done to raw RGB pixels before a network gets them. What nobody has told is None.

    Attributes:
        input_range: real values that pixels 0 and 255 become, in all channels.
        mean: instead of a range, what is subtracted from each channel, in the order of the network's channels, or
            one number for all. Pixels are scaled to 0..1 first, as torchvision does it, unless a number in ``mean``
            or ``std`` is above 1: then both are in units of raw pixels, 0..255.
        std: what each channel is divided by after that; 1 where only a mean is told.
        channels: which channels the network takes and in what order; ``gray`` is one of luminance.
        layout: order of the input's dimensions.
    """

    input_range: Range | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels: Channels | None = None
    layout: Layout | None = None

    def __post_init__(self) -> None:
        """Check what was told.

        Raises:
            UsageError: values contradict each other or are out of range.
        """
        if self.input_range is not None:
            if self.mean or self.std:
                raise UsageError("--input-range cannot be combined with --mean and --std; give one of them")
            low, high = self.input_range
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise UsageError(
                    f"--input-range takes two numbers, the lower first, such as -1,1; got {low:g},{high:g}"
                )
        if self.std is not None and self.mean is None:
            raise UsageError("--std needs --mean")
        _check("--mean", self.mean, self.channels, least=-math.inf)
        _check("--std", self.std, self.channels, least=0.0)
        if self.channels not in (None, *get_args(Channels)):
            raise unknown("order of channels", str(self.channels), get_args(Channels))
        if self.layout not in (None, *get_args(Layout)):
            raise unknown("layout", str(self.layout), get_args(Layout))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Preprocessing:
        """What :func:`dataclasses.asdict` gave, after its way through JSON, which makes lists of tuples."""
        told: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in values.items()}
        return cls(**told)

    @property
    def tells_range(self) -> bool:
        """Whether it says which numbers pixels become."""
        return self.input_range is not None or self.mean is not None

    def ranges(self, channels: int) -> tuple[Range, ...] | None:
        """Real values that pixels 0 and 255 become, for each of the network's channels in their order.

        Args:
            channels: how many the network takes, 1 or 3.

        Returns:
            None where neither a range nor a mean is told.

        Raises:
            UsageError: the mean or the standard deviation has another number of channels.
        """
        if self.input_range is not None:
            return (self.input_range,) * channels
        if self.mean is None:
            return None
        means, deviations = _for_all("--mean", self.mean, channels), _for_all("--std", self.std or (1.0,), channels)
        largest = _LARGEST_PIXEL if max(*means, *deviations) > 1 else 1.0
        pairs = zip(means, deviations, strict=True)
        return tuple((-mean / deviation, (largest - mean) / deviation) for mean, deviation in pairs)

    def over(self, other: Preprocessing) -> Preprocessing:
        """This one, with what it does not tell taken from another."""
        values = self if self.tells_range else other
        return replace(
            values,
            channels=self.channels or other.channels,
            layout=self.layout or other.layout,
        )

    @property
    def options(self) -> str:
        """As the command line takes it: ``--input-range=-1,1 --channels=bgr``; empty where nothing is told."""
        told = {
            "input-range": _numbers(self.input_range),
            "mean": _numbers(self.mean),
            "std": _numbers(self.std),
            "channels": self.channels,
            "layout": self.layout,
        }
        return " ".join(f"--{name}={value}" for name, value in told.items() if value)

    @property
    def words(self) -> str:
        """For people: ``-1 to 1``, ``mean 0.5, std 0.25, BGR``; empty where nothing is told."""
        parts = []
        if self.input_range is not None:
            parts.append("{:g} to {:g}".format(*self.input_range))
        if self.mean is not None:
            parts += [f"mean {_numbers(self.mean)}", f"std {_numbers(self.std or (1.0,))}"]
        if self.channels is not None:
            parts.append("grayscale" if self.channels == "gray" else self.channels.upper())
        if self.layout is not None:
            parts.append(self.layout.upper())
        return ", ".join(parts)


def _check(option: str, numbers: Sequence[float] | None, channels: Channels | None, least: float) -> None:
    if numbers is None:
        return
    allowed = {1: "1 number"} if channels == "gray" else {1: "1 number", 3: "1 or 3 numbers"}
    if len(numbers) not in allowed:
        raise UsageError(f"{option} takes {allowed[max(allowed)]}; got {len(numbers)}")
    if not all(math.isfinite(number) and number > least for number in numbers):
        above = "positive numbers" if least == 0 else "finite numbers"
        raise UsageError(f"{option} takes {above}; got {_numbers(numbers)}")


def _for_all(option: str, numbers: Sequence[float], channels: int) -> tuple[float, ...]:
    if len(numbers) not in (1, channels):
        raise UsageError(
            f"{option} has {len(numbers)} numbers, but the model takes {channels} channel{'s' * (channels != 1)}"
        )
    return tuple(numbers) if len(numbers) == channels else (numbers[0],) * channels


def _numbers(numbers: Sequence[float] | None) -> str:
    return ",".join(f"{number:g}" for number in numbers or ())
