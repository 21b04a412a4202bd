"""A third, made-up format in one file, as CONTRIBUTING says how to add one; :mod:`support.fake` is its test double."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_cifar.formats import Format, Precision

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
    precisions={
        "fp32": Precision("as trained", default=True),
        "int8": Precision("in steps of a 127th", default=True, selective=True, rounded=True),
        "coarse": Precision("in steps of a half", rounded=True),
        # Each goes wrong in its own way: see support.fake.converter.
        "aborting": Precision("wrong", selective=True),
        "aborting-at-once": Precision("wrong"),
        "hanging": Precision("wrong"),
        "raising": Precision("wrong"),
        "leaving": Precision("wrong"),
        "nan": Precision("wrong"),
        "misshapen": Precision("wrong"),
    },
    usage="By nobody, and nowhere.",
    converter=_converter,
    runtimes={"fake": _runtime},
    reader=_reader,
)
