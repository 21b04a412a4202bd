"""Types and literals of a program, read from their messages."""

from __future__ import annotations

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.mil import dtypes, limits
from edge_cifar.mil.dtypes import Array, ElementType, count_of
from edge_cifar.mil.program import Blob, Literal, Tensor, TensorType, Text, TextList
from edge_cifar.protobuf import Message


def numeric_type(value_type: Message, name: str) -> TensorType | None:
    """The tensor type in a ``ValueType`` message; None where it is a text, a list or a dictionary.

    Args:
        value_type: the message.
        name: what it is the type of, for the error message.

    Raises:
        BundleError: the shape is not fixed, or beyond the limits, or the element type is unknown.
    """
    for field in value_type:
        if field.number == 1:
            code, shape = _tensor_type(field.message(), name)
            return None if code == dtypes.STRING_CODE else TensorType(_element(code, name), shape)
    return None


def _tensor_type(message: Message, name: str) -> tuple[int, tuple[int, ...]]:
    code = 0
    shape: list[int] = []
    for field in message:
        if field.number == 1:
            code = field.signed()
        elif field.number == 3:
            shape.append(_size(field.message(), name))
            if len(shape) > limits.RANK:
                raise BundleError(f"{name!r} has more than {limits.RANK} axes")
            if count_of(tuple(max(1, size) for size in shape)) > limits.ELEMENTS:
                raise BundleError(f"{name!r} is declared with the unsupported shape {shape}")
    return code, tuple(shape)


def _size(dimension: Message, name: str) -> int:
    for field in dimension:
        if field.number == 1:
            return next((part.unsigned() for part in field.message() if part.number == 1), 0)
    raise BundleError(f"the shape of {name!r} is not fixed; only programs with fixed shapes are supported")


def _element(code: int, name: str) -> ElementType:
    if code not in dtypes.BY_CODE:
        raise BundleError(f"{name!r} has elements of an unknown type (code {code})")
    return dtypes.BY_CODE[code]


def literal(message: Message, *, within_list: bool = False) -> Literal:
    """What a ``Value`` message says.

    Args:
        message: the message.
        within_list: whether it is an element of a list, and may be no list itself.

    Raises:
        BundleError: it has no type, no value, or not as many values as its type says.
    """
    type_message: Message | None = None
    immediate: Message | None = None
    blob: Message | None = None
    for field in message:
        if field.number == 2:
            type_message = field.message()
        elif field.number == 3:
            immediate = field.message()
        elif field.number == 5:
            blob = field.message()
    if type_message is None or (immediate is None) == (blob is None):
        raise BundleError("a literal of the program has no type or no value")
    tensor = next((field.message() for field in type_message if field.number == 1), None)
    code, shape = _tensor_type(tensor, "a literal") if tensor is not None else (0, ())
    if blob is not None:
        return _blob(TensorType(_element(code, "a literal"), shape), blob)
    assert immediate is not None
    for field in immediate:
        if field.number == 1 and code == dtypes.STRING_CODE:
            return _text(field.message(), shape)
        if field.number == 1:
            return _tensor(TensorType(_element(code, "a literal"), shape), field.message())
        if field.number == 3 and not within_list:
            return TextList(tuple(_label(part.message()) for part in field.message() if part.number == 1))
    # Dictionaries and tuples appear in notes about the build only.
    return TextList(())


def _blob(type_: TensorType, message: Message) -> Blob:
    file, offset = "", 0
    for field in message:
        if field.number == 1:
            file = field.text()
        elif field.number == 2:
            offset = field.unsigned()
    return Blob(type_, file, offset)


def _text(tensor: Message, shape: tuple[int, ...]) -> Text | TextList:
    values = tuple(
        value.text() for field in tensor if field.number == 4 for value in field.message() if value.number == 1
    )
    if shape:
        return TextList(values)
    if len(values) != 1:
        raise BundleError(f"a string of the program has {len(values)} values instead of one")
    return Text(values[0])


def _label(element: Message) -> str:
    """An element of a list: a class label, text or a whole number."""
    # Lists do not nest, or a file of brackets could exhaust the stack.
    value = literal(element, within_list=True)
    if isinstance(value, Text):
        return value.value
    if isinstance(value, Tensor) and value.type.shape == () and not value.type.element.floating:
        return str(int(value.array))
    raise BundleError("a list of the program contains something other than strings and integers")


def _tensor(type_: TensorType, message: Message) -> Tensor:
    for field in message:
        content = field.message()
        if field.number == 7:
            raw = next((part.bytes() for part in content if part.number == 1), memoryview(b""))
            return Tensor(type_, type_.element.decode(raw, type_.shape))
        parts: list[Array]
        if field.number == 1:
            parts = [part.numbers(np.float32) for part in content if part.number == 1]
        elif field.number == 6:
            parts = [part.numbers(np.float64) for part in content if part.number == 1]
        elif field.number in (2, 3, 5):
            parts = [np.array(part.integers(), np.int64) for part in content if part.number == 1]
        else:
            continue
        return _shaped(type_, parts)
    # An empty repeated field leaves no trace in the file.
    return _shaped(type_, [])


def _shaped(type_: TensorType, parts: list[Array]) -> Tensor:
    values = np.concatenate(parts) if parts else np.zeros(0)
    # A message whose only value is zero may be written without it.
    if values.size == 0 and type_.count == 1:
        values = np.zeros(1)
    if values.size != type_.count:
        raise BundleError(f"{values.size} values are stored for a literal of type {type_}")
    storage = type_.element.storage
    with np.errstate(over="ignore", invalid="ignore"):
        array = values.astype(storage)
    return Tensor(type_, array.reshape(type_.shape))
