"""A precision that a format is exported in: what its numbers are, and what its conversion looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Literal


@dataclass(frozen=True)
class Precision:
    """A precision that a format is exported in.

    Attributes:
        name: as on the command line.
        meaning: one line for the help and the documents.
        weight_bits: of a weight in its files.
        default: whether it is written when no precision is named.
        calibration: what is read from calibration images: the ``ranges`` of the activations; only their ``means``, to
            correct what coarse weights shift; None where no image is looked at.
        selective: whether chosen layers can be left in floats.
        rounded: whether its constants are those of the fp32 file, rounded, so that they can be compared.
        quantized: whether values between operations are stored as integers.
        symmetric: of which ranges of stored values zero is the middle: of ``all``; of those that reach below zero, the
            ``signed`` ones; None where each is as it was seen.
        shared_units: whether sums are stored in the unit of one of their terms, so that a range is one in true units
            only after that is undone.
    """

    name: str
    meaning: str
    _: KW_ONLY
    weight_bits: int = 32
    default: bool = False
    calibration: Literal["ranges", "means"] | None = None
    selective: bool = False
    rounded: bool = False
    quantized: bool = False
    symmetric: Literal["all", "signed"] | None = None
    shared_units: bool = False


def by_name(*precisions: Precision) -> Mapping[str, Precision]:
    """Precisions by their names, in the order given."""
    return {one.name: one for one in precisions}
