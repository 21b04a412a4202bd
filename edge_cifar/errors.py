"""The errors this toolkit raises on purpose. The command line catches the root, and what the system says of files.

    EdgeCifarError            exit status 1: files, data, packages, the machine
    ├── UsageError            exit status 2: refused from the command line alone
    ├── DataError             a data set or a picture is missing, truncated, corrupt or unsuitable
    │   ├── NoPicture         ... because it is no picture in a format that is read
    │   ├── NoPlugin          ... because Pillow reads it by a plugin that is not installed
    │   └── PictureTooLarge   ... because it would unpack to too many pixels
    ├── RunError              a run folder is missing, unfinished or does not fit the request
    ├── BundleError           a bundle, its manifest or one of its artifacts is not what it claims
    ├── ModelError            a model that was given is no image classifier, or cannot be opened
    ├── TrainingError         training cannot start or cannot go on
    ├── ConversionError       a model cannot be carried into a format
    ├── RuntimeUnavailable    a runtime cannot run on this machine
    │   └── MissingPackage    ... because a package is not installed
    ├── MeasurementError      a benchmark could not be taken
    └── CheckFailed           parity, accuracy gate or regression: the check ran and was not met

Each message is one sentence that says what is wrong, with what was received, and the way out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EdgeCifarError(Exception):
    """Root of the tree; its message is fit to be shown to a user as it stands."""

    exit_status = 1


class UsageError(EdgeCifarError):
    """The request can be refused without looking at any file."""

    exit_status = 2


class DataError(EdgeCifarError):
    """A data set or a picture is missing, truncated, corrupt or unsuitable."""


class NoPicture(DataError):
    """What was taken for a picture is none in a format that is read."""


class NoPlugin(DataError):
    """A picture is in a format that Pillow reads by a plugin, which is not installed.

    Attributes:
        advice: how it is had, without the picture's name.
    """

    def __init__(self, name: str, advice: str) -> None:
        super().__init__(f"{name} cannot be read: {advice}")
        self.advice = advice


class PictureTooLarge(DataError):
    """A picture would unpack to more pixels than are taken."""


class RunError(EdgeCifarError):
    """A run folder is missing, unfinished or does not fit the request."""


class BundleError(EdgeCifarError):
    """A bundle, its manifest or one of its artifacts is not what it claims to be."""


class ModelError(EdgeCifarError):
    """A model that was given is no image classifier, or cannot be opened."""


class TrainingError(EdgeCifarError):
    """Training cannot start or cannot go on."""


class ConversionError(EdgeCifarError):
    """A model cannot be carried into a format or precision."""


class RuntimeUnavailable(EdgeCifarError):
    """A runtime cannot run on this machine."""


class MissingPackage(RuntimeUnavailable):
    """A package is not installed; the message holds the command that adds it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f'{package} is not installed; run: pip install "edge-cifar[{extra}]"')
        self.package = package
        self.extra = extra


class MeasurementError(EdgeCifarError):
    """A benchmark could not be taken."""


class CheckFailed(EdgeCifarError):
    """A check was made and was not met."""


def first_line(error: BaseException) -> str:
    """What another library's error says, as part of a sentence of ours: its first line, else the name of its class."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def notes(error: BaseException) -> tuple[str, ...]:
    """What was added to an error on its way: the command that goes on, for one."""
    return tuple(getattr(error, "__notes__", ()))


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a misspelt name: suggests the nearest known one, or lists them all."""
    choices = sorted(known)
    near = difflib.get_close_matches(name.lower(), choices, n=1, cutoff=0.5)
    if near:
        return UsageError(f"unknown {kind} {name!r}; did you mean {near[0]!r}?")
    return UsageError(f"unknown {kind} {name!r}; choose from {', '.join(choices)}")
