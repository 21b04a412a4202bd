"""A Core ML program as plain data: what the file says, before anything is computed or believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_cifar.mil.dtypes import Array, ElementType, count_of


@dataclass(frozen=True)
class TensorType:
    """Element type and shape of a tensor; a scalar has the shape ()."""

    element: ElementType
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of elements."""
        return count_of(self.shape)

    def __str__(self) -> str:
        return f"{self.element.name}{list(self.shape)}"


@dataclass(frozen=True)
class Text:
    """A literal that is text."""

    value: str


@dataclass(frozen=True)
class TextList:
    """A literal that is a list of texts (or of numbers, spelled): the labels of a classifier."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Tensor:
    """A literal tensor that stands in the model description itself."""

    type: TensorType
    array: Array


@dataclass(frozen=True)
class Blob:
    """A literal tensor that stands in a weight file.

    Attributes:
        type: what it claims to be.
        file: the file's name as the program gives it.
        offset: where its header starts.
    """

    type: TensorType
    file: str
    offset: int


Literal = Text | TextList | Tensor | Blob


@dataclass(frozen=True)
class Reference:
    """The name of a value that is an input of the program or the output of an operation."""

    name: str


Argument = Reference | Literal


@dataclass(frozen=True)
class Output:
    """An operation's output; ``type`` is None where it is no numeric tensor (a label, a dictionary)."""

    name: str
    type: TensorType | None


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation.

    Attributes:
        kind: the operator: ``conv``, ``const``, ...
        inputs: its arguments by parameter; a parameter that takes a list has several.
        outputs: names and types of its results.
        attributes: literals given beside the inputs; constants and, up to iOS 16, compressed weights stand here.
    """

    kind: str
    inputs: Mapping[str, tuple[Argument, ...]]
    outputs: tuple[Output, ...]
    attributes: Mapping[str, Literal]

    def __str__(self) -> str:
        return f"{self.kind} {self.outputs[0].name!r}" if self.outputs else self.kind


@dataclass(frozen=True)
class ImageInput:
    """An input that takes a picture: ``order`` is ``RGB`` or ``BGR``."""

    name: str
    height: int
    width: int
    order: str


@dataclass(frozen=True, kw_only=True)
class Program:
    """What ``model.mlmodel`` says.

    Attributes:
        specification: version of the file format: 6 for iOS 15, 7 for 16, 8 for 17, 9 for 18.
        inputs: the program's inputs, in order.
        images: those of them that the interface declares as pictures, by name.
        outputs: names of the program's outputs.
        operations: in the order in which they are computed.
        metadata: the interface's texts: ``author``, ``license``, ``description``, ``version`` and the user's own.
    """

    specification: int
    inputs: tuple[Output, ...]
    images: Mapping[str, ImageInput]
    outputs: tuple[str, ...]
    operations: tuple[Operation, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
