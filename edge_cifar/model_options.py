"""What a user says of a model made elsewhere, where its file does not: for all files of a command, or for one of them.

The same options hold wherever such a model is taken: on the command line, from Python, and behind a file's name as
``FILE:range=-1,1:channels=bgr``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, cast

from edge_cifar import class_names
from edge_cifar.arguments import as_int, demand_known
from edge_cifar.errors import UsageError, unknown
from edge_cifar.preprocessing import Channels, Layout, Preprocessing

Numbers = str | float | Sequence[float]

# Behind a file's name: the option that each word stands for.
_WORDS = {
    "range": "input_range",
    "mean": "mean",
    "std": "std",
    "channels": "channels",
    "layout": "layout",
    "output": "output_name",
    "labels": "labels",
    "size": "image_size",
}
_BEHIND = re.compile(rf":(?=(?:{'|'.join(_WORDS)})=)")
# Behind a file that exists, where a word may be misspelt.
_ANY_BEHIND = re.compile(r":(?=(?:[A-Za-z_-]+=|$))")


class Told(TypedDict, total=False):
    """The options of a model as callers give them: as texts of the command line, or as Python's values.

    Keys:
        input_range: real values of pixels 0 and 255, such as ``(-1, 1)``.
        mean: instead of a range, the mean of each channel or of all.
        std: likewise the standard deviation.
        channels: ``rgb``, ``bgr`` or ``gray``.
        layout: ``nhwc`` or ``nchw``.
        output_name: of the output that holds the class scores.
        labels: class names, or a file of them.
        image_size: side in pixels, or height and width, for a model that takes images of any size.
    """

    input_range: Numbers | None
    mean: Numbers | None
    std: Numbers | None
    channels: str | None
    layout: str | None
    output_name: str | None
    labels: str | Path | Sequence[str] | None
    image_size: str | int | Sequence[int] | None


class ToldOfOutput(Told, total=False):
    """The same for functions that write no file by the name of ``output``.

    Keys:
        output: ``output_name``, as the command line's ``--output`` is.
    """

    output: str | None


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What was told of a model. What was not is None.

    Attributes:
        preprocessing: how it wants its pixels.
        output: name of the output that holds the class scores, where it has several.
        labels: class names, in the order of the scores.
        image_size: height and width in pixels, for a model that takes images of any size.
    """

    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    output: str | None = None
    labels: tuple[str, ...] | None = None
    image_size: tuple[int, int] | None = None

    @classmethod
    def of(cls, told: ToldOfOutput, function: Callable[..., Any] | None = None) -> ModelOptions:
        """Check and read what callers give.

        Args:
            told: the options.
            function: the one that a program called with them; None where the command line has checked their names.

        Raises:
            TypeError: an option of a program's call is misspelt.
            UsageError: a value is none that its option takes, or two contradict each other.
        """
        if function is not None:
            demand_known(told, ToldOfOutput.__annotations__, function)
        mean, deviation = _numbers("--mean", told.get("mean")), _numbers("--std", told.get("std"))
        labels, output, short = told.get("labels"), told.get("output_name"), told.get("output")
        if None not in (output, short):
            raise UsageError("output and output_name are one option; give it once")
        output = short if output is None else output
        if output == "":
            raise UsageError("--output-name takes the name of an output")
        return cls(
            preprocessing=Preprocessing(
                input_range=_pair("--input-range", told.get("input_range")),
                mean=mean,
                std=deviation,
                channels=cast("Channels | None", told.get("channels")),
                layout=cast("Layout | None", told.get("layout")),
            ),
            output=output,
            labels=None if labels is None else class_names.parse(labels),
            image_size=_size(told.get("image_size")),
        )

    @property
    def names(self) -> str:
        """The options that were told, as the command line calls them."""
        told = {
            "--output-name": self.output,
            "--labels": self.labels,
            "--image-size": self.image_size,
        }
        others = [option.partition("=")[0] for option in self.preprocessing.options.split()]
        return ", ".join([*others, *(name for name, value in told.items() if value is not None)])

    def over(self, other: ModelOptions) -> ModelOptions:
        """These, with what they do not tell taken from others."""
        return ModelOptions(
            preprocessing=self.preprocessing.over(other.preprocessing),
            output=self.output or other.output,
            labels=self.labels or other.labels,
            image_size=self.image_size or other.image_size,
        )


def split(target: Path | str) -> tuple[Path, ModelOptions]:
    """A path, and the options behind it: ``FILE:range=-1,1:output=probabilities``.

    Raises:
        UsageError: an option is unknown or repeated, or its value is none that it takes.
    """
    if Path(target).exists():
        return Path(target), ModelOptions()
    path, *parts = _ANY_BEHIND.split(str(target))
    if not Path(path).exists():
        path, *parts = _BEHIND.split(str(target))
    told: dict[str, Any] = {}
    for part in filter(None, parts):
        word, _, value = part.partition("=")
        if word not in _WORDS:
            raise UsageError(f"{path}: {unknown('option', word, _WORDS)}")
        if _WORDS[word] in told:
            raise UsageError(f"{target} gives {word} twice")
        told[_WORDS[word]] = value
    try:
        return Path(path), ModelOptions.of(cast("ToldOfOutput", told))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _numbers(option: str, given: Numbers | None) -> tuple[float, ...] | None:
    if given is None:
        return None
    parts = given.split(",") if isinstance(given, str) else given if isinstance(given, Iterable) else (given,)
    try:
        return tuple(map(float, parts))
    except (TypeError, ValueError):
        raise UsageError(f"{option} takes numbers separated by commas; got {given!r}") from None


def _pair(option: str, given: Numbers | None) -> tuple[float, float] | None:
    numbers = _numbers(option, given)
    if numbers is None:
        return None
    if len(numbers) != 2:
        raise UsageError(f"{option} takes two numbers, the lower first, such as -1,1; got {given!r}")
    return numbers[0], numbers[1]


def _size(given: str | int | Sequence[int] | None) -> tuple[int, int] | None:
    if given is None:
        return None
    sides = given.lower().split("x") if isinstance(given, str) else given if isinstance(given, Sequence) else (given,)
    numbers = [int(side) if isinstance(side, str) and side.isdecimal() else side for side in sides]
    if len(numbers) not in (1, 2) or any(isinstance(side, str) for side in numbers):
        raise UsageError(f"--image-size takes a side in pixels, or HEIGHTxWIDTH, such as 224 or 240x320; got {given!r}")
    height, width = (as_int("--image-size", side) for side in (numbers[0], numbers[-1]))
    if height < 1 or width < 1:
        raise UsageError(f"--image-size must be at least 1; got {given!r}")
    return height, width
