"""Which variants an export writes, from the formats and precisions that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import edge_cifar.converters
from edge_cifar import packages, plugins
from edge_cifar.compression import retraining
from edge_cifar.compression.exchange import QAT
from edge_cifar.errors import MissingPackage, UsageError, unknown
from edge_cifar.progress import Progress
from edge_cifar.variant import Variant

ALL = "all"


def formats() -> tuple[str, ...]:
    """Every format there is a converter for."""
    return plugins.names(edge_cifar.converters)


def converter(format_: str) -> ModuleType:
    """A format's converter; its heavy packages are not imported yet.

    Raises:
        UsageError: there is no such format; the nearest is suggested.
    """
    return plugins.load(edge_cifar.converters, format_, "format")


def choose(
    formats_: Sequence[str] | None,
    precisions: Sequence[str] | None,
    progress: Progress,
    changes: Sequence[str] = (),
) -> tuple[Variant, ...]:
    """The variants to write, in the order of formats and of each format's own precisions.

    Args:
        formats_: names; None or ``all`` for those whose packages are installed here.
        precisions: names; None for each format's default ones, ``all`` for all it has. With several
            formats each writes those of the named precisions that it has.
        progress: told of what was not named and cannot be written here.
        changes: what is to be done to the weights, such as ``pruned50``: each variant is written so too.

    Raises:
        UsageError: a format or precision is unknown, a named precision is in none of the chosen
            formats, or a named format has none of the named precisions.
        MissingPackage: a named format or precision lacks a package, or none can be written.
    """
    named = formats_ is not None and ALL not in formats_
    chosen = tuple(dict.fromkeys(formats_)) if formats_ is not None and named else formats()
    converters = {name: converter(name) for name in chosen}
    variants = tuple(
        Variant(name, precision)
        for name, module in converters.items()
        for precision in _with_changes(_precisions(name, module, precisions, named), changes)
    )
    _refuse_unheld(converters, precisions)
    missing = {name: absent for name, module in converters.items() if (absent := _missing(module))}
    if missing and (named or len(missing) == len(converters)):
        raise next(iter(missing.values()))
    for name, absent in missing.items():
        progress.say(f"{name} is left out: {absent}")
    left = tuple(variant for variant in variants if variant.format not in missing)
    absent = retraining.missing()
    if absent is None or not any(variant.compression for variant in left):
        return left
    if changes or any(Variant("any", precision).compression for precision in precisions or ()):
        raise absent
    progress.say(f"{', '.join(str(variant) for variant in left if variant.compression)} are left out: {absent}")
    return tuple(variant for variant in left if variant.compression is None)


def converted_as(variant: Variant) -> str:
    """The precision by which a variant's converter knows it."""
    return variant.precision if variant.precision in converter(variant.format).PRECISIONS else variant.base


def _precisions(format_: str, module: ModuleType, named: Sequence[str] | None, format_named: bool) -> tuple[str, ...]:
    if named is None:
        return tuple(module.DEFAULT)
    found = tuple(precision for precision in module.PRECISIONS if ALL in named or precision in named)
    found += tuple(precision for precision in dict.fromkeys(named) if _changed(format_, precision, module))
    if not found and format_named and not _unknown(named):
        raise UsageError(f"{format_} has no {' or '.join(named)}; it has {', '.join(module.PRECISIONS)}")
    return found


def _with_changes(precisions: Sequence[str], changes: Sequence[str]) -> tuple[str, ...]:
    """Precisions, and each with each change; weights that were changed already stay as they are."""
    plain = [precision for precision in precisions if Variant("any", precision).compression is None]
    changed = (f"{precision}-{change}" for change in changes for precision in plain)
    return tuple(dict.fromkeys((*precisions, *changed)))


def _changed(format_: str, precision: str, module: ModuleType) -> bool:
    """Whether a precision is one of a format's with weights that are pruned or clustered first."""
    variant = Variant(format_, precision)
    return (
        variant.compression not in (None, QAT)
        and variant.base in module.PRECISIONS
        and Variant(format_, variant.base).compression is None
    )


def _refuse_unheld(converters: dict[str, ModuleType], named: Sequence[str] | None) -> None:
    """Refuse a precision that no chosen format has."""
    held = {precision for module in converters.values() for precision in module.PRECISIONS}
    held |= {name for name in named or () for format_, module in converters.items() if _changed(format_, name, module)}
    for precision in _unknown(named or ()):
        everywhere = {known for name in formats() for known in converter(name).PRECISIONS}
        raise unknown("precision", precision, {*everywhere, ALL})
    for precision in named or ():
        if precision != ALL and precision not in held:
            lacking = "; ".join(f"{name} has {', '.join(module.PRECISIONS)}" for name, module in converters.items())
            raise UsageError(f"no chosen format has {precision}: {lacking}")


def _unknown(named: Sequence[str]) -> list[str]:
    everywhere = {known for name in formats() for known in converter(name).PRECISIONS}
    return [
        precision
        for precision in named
        if precision not in (ALL, *everywhere)
        and not any(_changed(name, precision, converter(name)) for name in formats())
    ]


def _missing(module: ModuleType) -> MissingPackage | None:
    for package in module.PACKAGES:
        if not packages.installed(package):
            return MissingPackage(package, "convert")
    return None
