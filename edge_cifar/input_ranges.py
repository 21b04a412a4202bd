"""The ranges that networks are commonly trained on, to be tried where a file does not say which one it takes."""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]

# ImageNet's mean and standard deviation of red, green and blue in 0..1, as torchvision's networks take them:
# https://docs.pytorch.org/vision/stable/models.html
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class InputRange:
    """One common way to give pixels.

    Attributes:
        name: for people.
        channels: real values of pixels 0 and 255 in red, green and blue.
    """

    name: str
    channels: tuple[Range, Range, Range]

    @property
    def uniform(self) -> bool:
        """Whether all channels have the same."""
        return len(set(self.channels)) == 1

    @property
    def option(self) -> str:
        """It as ``--input-range`` takes it; the mean of the channels, which is near enough, where they differ."""
        low, high = (sum(ends) / len(ends) for ends in zip(*self.channels, strict=True))
        return f"{low:.3g},{high:.3g}"


def _alike(name: str, low: float, high: float) -> InputRange:
    return InputRange(name=name, channels=((low, high),) * 3)


def _standardized(channel: int) -> Range:
    mean, deviation = _MEAN[channel], _DEVIATION[channel]
    return -mean / deviation, (1 - mean) / deviation


COMMON = (
    _alike("0 to 255", 0.0, 255.0),
    _alike("0 to 1", 0.0, 1.0),
    _alike("-1 to 1", -1.0, 1.0),
    InputRange(
        name="ImageNet mean and standard deviation",
        channels=(_standardized(0), _standardized(1), _standardized(2)),
    ),
)


def others(given: Range) -> tuple[InputRange, ...]:
    """The common ranges but the one that pixels are given in already."""
    return tuple(one for one in COMMON if one.channels != (given,) * 3)
