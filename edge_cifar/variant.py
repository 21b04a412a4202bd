"""What an artifact is: a format and a precision, named the same everywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_cifar.errors import UsageError

# What was done to the weights before they were converted: trained for 8 bits, a share of them zero, few values.
_COMPRESSED = re.compile(r"(?P<base>.+)-(?P<compression>qat|pruned[1-9]\d?|cluster[1-9]\d{0,2})")


@dataclass(frozen=True, order=True)
class Variant:
    """One cell of the export matrix.

    Its string, such as ``tflite-int8``, is the artifact's file stem, its value on the command line
    and its test id.

    Attributes:
        format: ``tflite``, ``onnx`` or ``coreml``.
        precision: ``fp32``, ``fp16``, ``int8``, ... as the format's converter lists them; behind a dash
            what was done to the weights, as in ``int8-qat``, ``fp32-pruned50`` or ``int8-cluster16``.
    """

    format: str
    precision: str

    def __str__(self) -> str:
        return f"{self.format}-{self.precision}"

    @property
    def compression(self) -> str | None:
        """What was done to the weights before they were converted; None where they are the model's own."""
        match = _COMPRESSED.fullmatch(self.precision)
        return match["compression"] if match else None

    @property
    def base(self) -> str:
        """The precision without what was done to the weights."""
        match = _COMPRESSED.fullmatch(self.precision)
        return match["base"] if match else self.precision

    @classmethod
    def parse(cls, text: str) -> Variant:
        """The variant whose string is ``text``.

        Raises:
            UsageError: ``text`` is not of the form FORMAT-PRECISION.
        """
        format_, dash, precision = text.partition("-")
        if not (format_ and dash and precision):
            raise UsageError(f"a variant is named FORMAT-PRECISION, such as tflite-int8; got {text!r}")
        return cls(format_, precision)
