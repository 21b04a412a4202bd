"""What an artifact is: a format and a precision, named the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass

from edge_cifar.errors import UsageError


@dataclass(frozen=True, order=True)
class Variant:
    """One cell of the export matrix.

    Its string, such as ``tflite-int8``, is the artifact's file stem, its value on the command line
    and its test id.

    Attributes:
        format: ``tflite``, ``onnx`` or ``coreml``.
        precision: ``fp32``, ``fp16``, ``int8``, ... as the format's converter lists them.
    """

    format: str
    precision: str

    def __str__(self) -> str:
        return f"{self.format}-{self.precision}"

    @classmethod
    def parse(cls, text: str) -> Variant:
        """The variant whose string is ``text``.

        Raises:
            UsageError: ``text`` is not of the form FORMAT-PRECISION.
        """
        format_, dash, precision = text.partition("-")
        if not (format_ and dash and precision):
            raise UsageError(f"a variant is FORMAT-PRECISION, such as tflite-int8; got {text!r}")
        return cls(format_, precision)
