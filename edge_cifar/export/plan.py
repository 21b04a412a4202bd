"""The first stage: which variants an export writes, and whether the options fit them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge_cifar import formats, packages
from edge_cifar.compression import retraining
from edge_cifar.compression.exchange import QAT
from edge_cifar.errors import MissingPackage, UsageError, unknown
from edge_cifar.export.options import ExportOptions
from edge_cifar.formats import Format
from edge_cifar.precision import Precision
from edge_cifar.progress import Progress
from edge_cifar.variant import Variant

ALL = "all"
_ONNX = "onnx"


def plan(options: ExportOptions, progress: Progress) -> tuple[Variant, ...]:
    """The variants to write; impossible requests are refused before anything is loaded.

    Args:
        options: what was asked.
        progress: told of what was not named and cannot be written here.

    Raises:
        UsageError: an option is out of range, a name unknown, or no variant can follow an option.
        MissingPackage: a named format or precision lacks a package, or none can be written.
    """
    options.refuse_out_of_range()
    variants = choose(options, progress)
    _refuse_unfit(options, variants)
    return variants


def of_onnx(options: ExportOptions) -> ExportOptions:
    """What may be asked for of a model that is ONNX: other precisions of it.

    Args:
        options: what was asked; formats and precisions that were not named are narrowed to what there can be.

    Raises:
        UsageError: a format was named that ONNX is not converted to, or a compression, which takes a Keras model.
    """
    for name in options.formats or ():
        if name not in (ALL, _ONNX):
            formats.to_export(name)
            raise UsageError(
                f"an ONNX file is only exported to {_ONNX}, not to {name}; convert the PyTorch model itself with "
                "litert-torch (formerly ai-edge-torch) for TFLite, or coremltools for Core ML (see docs/pytorch.md)"
            )
    named = options.precisions or ()
    retrained = [name for name in named if Variant(_ONNX, name).compression]
    if retrained or options.compressions:
        raise UsageError(
            f"{(*retrained, *options.compressions)[0]} retrains the weights, which needs a Keras model instead "
            "of an ONNX file"
        )
    if ALL in named:
        every = formats.get(_ONNX).precisions
        named = tuple(name for name in every if Variant(_ONNX, name).compression is None)
    return replace(options, formats=(_ONNX,), precisions=named or None)


def choose(options: ExportOptions, progress: Progress) -> tuple[Variant, ...]:
    """The requested variants, ordered by format and by each format's precisions.

    With several formats each writes those of the named precisions that it has; each is written with each
    compression, too.

    Args:
        options: what was asked.
        progress: told of what was not named and cannot be written here.

    Raises:
        UsageError: a format or precision is unknown, a named precision is in none of the chosen
            formats, or a named format has none of the named precisions.
        MissingPackage: a named format or precision lacks a package, or none can be written.
    """
    named = options.formats is not None and ALL not in options.formats
    names = tuple(dict.fromkeys(options.formats)) if options.formats is not None and named else formats.exported()
    precisions, compressions = options.precisions, options.compressions
    chosen = tuple(formats.to_export(name) for name in names)
    variants = tuple(
        Variant(format_.name, precision)
        for format_ in chosen
        for precision in _with_compressions(_precisions(format_, precisions, named), compressions)
    )
    _refuse_unheld(chosen, precisions)
    missing = {format_.name: absent for format_ in chosen if (absent := _missing(format_))}
    if missing and (named or len(missing) == len(chosen)):
        raise next(iter(missing.values()))
    for name, absent in missing.items():
        progress.say(f"skipping {name}: {absent}")
    left = tuple(variant for variant in variants if variant.format not in missing)
    absent = retraining.missing()
    if absent is None or not any(variant.compression for variant in left):
        return left
    if compressions or any(Variant("any", precision).compression for precision in precisions or ()):
        raise absent
    progress.say(f"skipping {', '.join(str(variant) for variant in left if variant.compression)}: {absent}")
    return tuple(variant for variant in left if variant.compression is None)


def precision_of(variant: Variant) -> Precision:
    """The precision in which a variant's converter writes it."""
    precisions = formats.get(variant.format).precisions
    return precisions.get(variant.precision) or precisions[variant.base]


def calibrated(variant: Variant) -> bool:
    """Whether a variant is quantized with calibration images."""
    return precision_of(variant).calibration is not None


def selective(variant: Variant) -> bool:
    """Whether layers of a variant can be left in float."""
    return precision_of(variant).selective


def searchable(variant: Variant) -> bool:
    """Whether the layers to leave in float can be searched for, by converting the model's own weights repeatedly."""
    return selective(variant) and variant.compression is None


def with_selective(precision: str) -> tuple[str, ...]:
    """Names of the formats that have a precision in which layers can be left in float."""
    return tuple(name for name in formats.exported() if precision in _selective(name))


def _selective(format_: str) -> tuple[str, ...]:
    return tuple(name for name, precision in formats.get(format_).precisions.items() if precision.selective)


def _refuse_unfit(options: ExportOptions, variants: Sequence[Variant]) -> None:
    """Refuse options that the chosen variants cannot follow.

    Raises:
        UsageError: a format lacks the calibration method, a precision the deployment target, or no variant can
            leave layers in floats.
    """
    targeted = False
    for variant in variants:
        format_ = formats.get(variant.format)
        methods = format_.calibration_methods
        if precision_of(variant).calibration == "ranges" and options.calibration_method not in methods:
            raise UsageError(
                f"{format_.name} has no {options.calibration_method} calibration; choose from {', '.join(methods)}"
            )
        if format_.deployment_target:
            format_.deployment_target(precision_of(variant).name, options.deployment_target)
            targeted = True
    if options.deployment_target and not targeted:
        able = [name for name in formats.exported() if formats.get(name).deployment_target]
        raise UsageError(f"--deployment-target applies only to {', '.join(able)}, which is not being exported")
    if options.keep_float and not any(selective(variant) for variant in variants):
        fitting = [str(Variant(name, precision)) for name in formats.exported() for precision in _selective(name)]
        raise UsageError(f"--keep-float applies only to {', '.join(fitting)}; export at least one of them")


def _precisions(format_: Format, named: Sequence[str] | None, format_named: bool) -> tuple[str, ...]:
    if named is None:
        return format_.defaults
    found = tuple(precision for precision in format_.precisions if ALL in named or precision in named)
    found += tuple(precision for precision in dict.fromkeys(named) if _compressed(format_, precision))
    if not found and format_named and not _unknown(named):
        raise UsageError(f"{format_.name} has no {' or '.join(named)}; choose from {', '.join(format_.precisions)}")
    return found


def _with_compressions(precisions: Sequence[str], compressions: Sequence[str]) -> tuple[str, ...]:
    """Precisions, and each with each compression; weights that are compressed already stay as they are."""
    plain = [precision for precision in precisions if Variant("any", precision).compression is None]
    compressed = (f"{precision}-{compression}" for compression in compressions for precision in plain)
    return tuple(dict.fromkeys((*precisions, *compressed)))


def _compressed(format_: Format, precision: str) -> bool:
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
    held |= {name for name in named or () for format_ in chosen if _compressed(format_, name)}
    for precision in _unknown(named or ()):
        raise unknown("precision", precision, {*_everywhere(), ALL})
    for precision in named or ():
        if precision != ALL and precision not in held:
            lacking = "; ".join(f"{format_.name} has {', '.join(format_.precisions)}" for format_ in chosen)
            raise UsageError(f"none of the chosen formats has {precision}: {lacking}")


def _unknown(named: Sequence[str]) -> list[str]:
    known = {ALL, *_everywhere()}
    every = [formats.get(name) for name in formats.exported()]
    return [
        precision
        for precision in named
        if precision not in known and not any(_compressed(format_, precision) for format_ in every)
    ]


def _everywhere() -> set[str]:
    """The precisions of every format."""
    return {precision for name in formats.exported() for precision in formats.get(name).precisions}


def _missing(format_: Format) -> MissingPackage | None:
    for package in format_.packages:
        if not packages.installed(package):
            return MissingPackage(package, "convert")
    return None
