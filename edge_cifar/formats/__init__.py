"""Formats: one module each, whose ``FORMAT`` says what its files are, and leads to the code that writes, runs and reads
them.

A format is named, listed and drawn without importing any of that code: its converter, its runtimes and its reader are
functions that import a module when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edge_cifar.errors import UsageError, unknown
from edge_cifar.model_options import ModelOptions
from edge_cifar.plugins import Registry
from edge_cifar.precision import Precision

if TYPE_CHECKING:
    from edge_cifar.converters import Converter
    from edge_cifar.readers import Reader
    from edge_cifar.runtimes import RuntimeModule
    from edge_cifar.variant import Variant

Marker = Literal["circle", "square", "diamond", "x", "star", "hexagon"]
"""Shape of a point in a plot, in Plotly's terms."""


def _not_exported() -> Converter:
    raise UsageError("this format can be run but not exported")


def _nothing(path: Path) -> ModelOptions:
    return ModelOptions()


def _alone(path: Path) -> tuple[Path, ...]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of model file, with all that belongs to it.

    Attributes:
        name: as on the command line, and in the name of its module.
        suffixes: of its files, in small letters; what ``export`` writes has the first.
        marker: how plots draw its points.
        colour: how plots draw its lines, ``#RRGGBB``, told apart by people who see no red or green.
        runtimes: by name, those that run its files; those of devices before a reference.
        precisions: by name, those that it is exported in; none for a format that is run only.
        packages: top-level modules that its converter needs beside TensorFlow and Keras.
        calibration_methods: ways in which its converter sets ranges from calibration images, the default first.
        usage: how its files are run on the platforms they are for, in Markdown for the model card.
        converter: writes its files.
        reader: reads what they hold, for ``verify`` to look into; None where nothing here does.
        companions: the files beside one that hold a part of it, such as weights; raises BundleError where one is
            missing or lies elsewhere.
        stated: what a file's metadata say of its input and its classes; raises BundleError for a damaged file.
        deployment_target: the system that a package of a precision is made for, given the one that the user named;
            raises UsageError where the two do not fit. None for a format that knows no such thing.
        overflow: what in a file some processors compute wrongly, in words, None where nothing does; raises BundleError
            for a damaged file. None for a format whose runtimes compute alike everywhere.
    """

    name: str
    suffixes: tuple[str, ...]
    marker: Marker
    colour: str
    runtimes: Mapping[str, Callable[[], RuntimeModule]]
    precisions: Mapping[str, Precision] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    calibration_methods: tuple[str, ...] = ("min-max",)
    usage: str = ""
    converter: Callable[[], Converter] = _not_exported
    reader: Callable[[], Reader] | None = None
    companions: Callable[[Path], tuple[Path, ...]] = _alone
    stated: Callable[[Path], ModelOptions] = _nothing
    deployment_target: Callable[[str, str | None], str] | None = None
    overflow: Callable[[Path], str | None] | None = None

    @property
    def suffix(self) -> str:
        """Of the files that ``export`` writes."""
        return self.suffixes[0]

    @property
    def defaults(self) -> tuple[str, ...]:
        """Names of the precisions that are written when none is named."""
        return tuple(name for name, precision in self.precisions.items() if precision.default)


_REGISTRY = Registry("edge_cifar.formats", "format", "FORMAT", Format)


def names() -> tuple[str, ...]:
    """Names of all formats, by file."""
    return _REGISTRY.names()


def get(name: str) -> Format:
    """The format called ``name``.

    Raises:
        UsageError: there is none; the message suggests the nearest.
    """
    return _REGISTRY.get(name)


def find(name: str) -> Format | None:
    """The format called ``name``; None where nothing is known of it here, as of one that somebody else added."""
    return get(name) if name in names() else None


def precision_of(variant: Variant) -> Precision | None:
    """What a variant's precision is to its format, whatever was done to the weights; None where that is not known."""
    format_ = find(variant.format)
    if format_ is None:
        return None
    return format_.precisions.get(variant.precision) or format_.precisions.get(variant.base)


def of_file(path: Path | str) -> Format | None:
    """The format of a file, by its suffix, in capitals or not; None where no format has it."""
    suffix = Path(path).suffix.lower()
    return next((one for one in map(get, names()) if suffix in one.suffixes), None)


def exported() -> tuple[str, ...]:
    """Names of the formats that ``export`` writes."""
    return tuple(name for name in names() if get(name).precisions)


def to_export(name: str) -> Format:
    """The format called ``name``, to be written.

    Raises:
        UsageError: there is none that ``export`` writes; the message suggests the nearest.
    """
    known = exported()
    if name not in known:
        raise unknown("format", name, known)
    return get(name)


def runtime(name: str) -> RuntimeModule:
    """The runtime called ``name``; no other is imported.

    Raises:
        UsageError: no format has it; the message suggests the nearest.
    """
    known = {known: load for format_ in map(get, names()) for known, load in format_.runtimes.items()}
    if name not in known:
        raise unknown("runtime", name, known)
    return known[name]()


def runtimes() -> tuple[tuple[Format, RuntimeModule], ...]:
    """Every runtime with the format that it runs, those of devices first; none has imported its package yet."""
    found = [(format_, load()) for format_ in map(get, names()) for load in format_.runtimes.values()]
    return tuple(sorted(found, key=lambda pair: not pair[1].DEVICE))
