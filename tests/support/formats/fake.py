"""A third, made-up format in one file, as CONTRIBUTING says how to add one; :mod:`support.fake` is its test double."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_cifar.formats import Format
from edge_cifar.precision import Precision, by_name

if TYPE_CHECKING:
    from edge_cifar.converters import Converter
    from edge_cifar.readers import Reader
    from edge_cifar.runtimes import RuntimeModule


def _converter() -> Converter:
    from support.fake import converter

    return converter


def _runtime() -> RuntimeModule:
    from support.fake import runtime

    return runtime


def _reader() -> Reader:
    from support.fake import reader

    return reader


FORMAT = Format(
    name="fake",
    suffixes=(".fake",),
    marker="star",
    colour="#CC79A7",
    precisions=by_name(
        Precision("fp32", "as trained", default=True),
        Precision("int8", "in steps of a 127th", default=True, selective=True, rounded=True),
        Precision("coarse", "in steps of a half", rounded=True),
        # Each goes wrong in its own way: see support.fake.converter.
        Precision("aborting", "wrong", selective=True),
        Precision("aborting-at-once", "wrong"),
        Precision("hanging", "wrong"),
        Precision("raising", "wrong"),
        Precision("leaving", "wrong"),
        Precision("nan", "wrong"),
        Precision("misshapen", "wrong"),
    ),
    usage="By nobody, and nowhere.",
    converter=_converter,
    runtimes={"fake": _runtime},
    reader=_reader,
)
