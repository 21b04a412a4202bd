"""Which variants an export writes, from the formats and precisions that were asked for."""

from __future__ import annotations

from collections.abc import Sequence

from edge_cifar import formats, packages
from edge_cifar.compression import retraining
from edge_cifar.compression.exchange import QAT
from edge_cifar.errors import MissingPackage, UsageError, unknown
from edge_cifar.formats import Format, Precision
from edge_cifar.progress import Progress
from edge_cifar.variant import Variant

ALL = "all"


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
    names = tuple(dict.fromkeys(formats_)) if formats_ is not None and named else formats.exported()
    chosen = tuple(formats.to_export(name) for name in names)
    variants = tuple(
        Variant(format_.name, precision)
        for format_ in chosen
        for precision in _with_changes(_precisions(format_, precisions, named), changes)
    )
    _refuse_unheld(chosen, precisions)
    missing = {format_.name: absent for format_ in chosen if (absent := _missing(format_))}
    if missing and (named or len(missing) == len(chosen)):
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
    return variant.precision if variant.precision in formats.get(variant.format).precisions else variant.base


def precision_of(variant: Variant) -> Precision:
    """What a variant's precision is to its format."""
    return formats.get(variant.format).precisions[converted_as(variant)]


def _precisions(format_: Format, named: Sequence[str] | None, format_named: bool) -> tuple[str, ...]:
    if named is None:
        return format_.defaults
    found = tuple(precision for precision in format_.precisions if ALL in named or precision in named)
    found += tuple(precision for precision in dict.fromkeys(named) if _changed(format_, precision))
    if not found and format_named and not _unknown(named):
        raise UsageError(f"{format_.name} has no {' or '.join(named)}; it has {', '.join(format_.precisions)}")
    return found


def _with_changes(precisions: Sequence[str], changes: Sequence[str]) -> tuple[str, ...]:
    """Precisions, and each with each change; weights that were changed already stay as they are."""
    plain = [precision for precision in precisions if Variant("any", precision).compression is None]
    changed = (f"{precision}-{change}" for change in changes for precision in plain)
    return tuple(dict.fromkeys((*precisions, *changed)))


def _changed(format_: Format, precision: str) -> bool:
    """Whether a precision is one of a format's with weights that are pruned or clustered first."""
    variant = Variant(format_.name, precision)
    return (
        variant.compression not in (None, QAT)
        and variant.base in format_.precisions
        and Variant(format_.name, variant.base).compression is None
    )


def _refuse_unheld(chosen: Sequence[Format], named: Sequence[str] | None) -> None:
    """Refuse a precision that no chosen format has."""
    held = {precision for format_ in chosen for precision in format_.precisions}
    held |= {name for name in named or () for format_ in chosen if _changed(format_, name)}
    for precision in _unknown(named or ()):
        raise unknown("precision", precision, {*_everywhere(), ALL})
    for precision in named or ():
        if precision != ALL and precision not in held:
            lacking = "; ".join(f"{format_.name} has {', '.join(format_.precisions)}" for format_ in chosen)
            raise UsageError(f"no chosen format has {precision}: {lacking}")


def _unknown(named: Sequence[str]) -> list[str]:
    known = {ALL, *_everywhere()}
    every = [formats.get(name) for name in formats.exported()]
    return [
        precision
        for precision in named
        if precision not in known and not any(_changed(format_, precision) for format_ in every)
    ]


def _everywhere() -> set[str]:
    """The precisions of every format."""
    return {precision for name in formats.exported() for precision in formats.get(name).precisions}


def _missing(format_: Format) -> MissingPackage | None:
    for package in format_.packages:
        if not packages.installed(package):
            return MissingPackage(package, "convert")
    return None
