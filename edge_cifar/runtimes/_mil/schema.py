"""The Core ML messages that describe a program, read into plain data.

Field numbers are those of ``Model.proto``, ``FeatureTypes.proto`` and ``MIL.proto`` of coremltools.
Fields that do not bear on the computation are passed over, as protobuf asks of a reader.
"""

from __future__ import annotations

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.runtimes._mil import dtypes, limits
from edge_cifar.runtimes._mil.dtypes import Array, ElementType, count_of
from edge_cifar.runtimes._mil.program import (
    Argument,
    Blob,
    ImageInput,
    Literal,
    Operation,
    Output,
    Program,
    Reference,
    Tensor,
    TensorType,
    Text,
    TextList,
)
from edge_cifar.runtimes._mil.wire import Budget, Field, Message

_COLOR_ORDERS = {20: "RGB", 30: "BGR"}
_METADATA = {1: "description", 2: "version", 3: "author", 4: "license"}


def parse(content: bytes) -> Program:
    """Read ``model.mlmodel``.

    Raises:
        BundleError: it is not protobuf, not an ML program, or has what no program of one function
            with tensors of fixed shape has.
    """
    specification = 0
    program: Message | None = None
    images: dict[str, ImageInput] = {}
    metadata: dict[str, str] = {}
    for field in Message(memoryview(content), Budget()):
        if field.number == 1:
            specification = field.signed()
        elif field.number == 2:
            _read_description(field.message(), images, metadata)
        elif field.number == 502:
            program = field.message()
    if program is None:
        raise BundleError(
            "the model is no ML program; only those can be evaluated (convert with convert_to='mlprogram')"
        )
    function = _only_function(program)
    inputs: list[Output] = []
    opset = ""
    blocks: dict[str, Message] = {}
    for field in function:
        if field.number == 1:
            inputs.append(_output(field.message()))
        elif field.number == 2:
            opset = field.text()
        elif field.number == 3:
            name, block = _entry(field)
            blocks[name] = block
    if opset not in blocks:
        raise BundleError(f"the program is written for operator set {opset!r} but has no block for it")
    operations: list[Operation] = []
    outputs: list[str] = []
    for field in blocks[opset]:
        if field.number == 2:
            outputs.append(field.text())
        elif field.number == 3:
            operations.append(_operation(field.message()))
    return Program(
        specification=specification,
        inputs=tuple(inputs),
        images=images,
        outputs=tuple(outputs),
        operations=tuple(operations),
        metadata=metadata,
    )


def _only_function(program: Message) -> Message:
    functions = dict(_entry(field) for field in program if field.number == 2)
    if list(functions) != ["main"]:
        raise BundleError(
            f"the program has the functions {sorted(functions)}; only a single one called 'main' can be evaluated"
        )
    return functions["main"]


def _read_description(description: Message, images: dict[str, ImageInput], metadata: dict[str, str]) -> None:
    for field in description:
        if field.number == 1:
            image = _image_input(field.message())
            if image:
                images[image.name] = image
        elif field.number == 100:
            for text in field.message():
                if text.number in _METADATA:
                    metadata[_METADATA[text.number]] = text.text()
                elif text.number == 100:
                    parts = {part.number: part.text() for part in text.message()}
                    metadata[parts.get(1, "")] = parts.get(2, "")


def _image_input(feature: Message) -> ImageInput | None:
    name = ""
    sizes: dict[int, int] | None = None
    for field in feature:
        if field.number == 1:
            name = field.text()
        elif field.number == 3:
            for kind in field.message():
                if kind.number == 4:
                    sizes = {part.number: part.signed() for part in kind.message() if part.number in (1, 2, 3)}
                    # Fields 21 and 31 allow other sizes besides; the program's input has the one that counts.
    if sizes is None:
        return None
    color = sizes.get(3, 0)
    if color not in _COLOR_ORDERS:
        raise BundleError(f"the image input {name!r} is neither RGB nor BGR (colour space {color})")
    return ImageInput(name, sizes.get(2, 0), sizes.get(1, 0), _COLOR_ORDERS[color])


def _entry(field: Field) -> tuple[str, Message]:
    """An entry of a protobuf map with messages for values."""
    key = ""
    value: Message | None = None
    for part in field.message():
        if part.number == 1:
            key = part.text()
        elif part.number == 2:
            value = part.message()
    if value is None:
        raise BundleError(f"the model description names {key!r} without saying what it is")
    return key, value


def _operation(message: Message) -> Operation:
    kind = ""
    inputs: dict[str, tuple[Argument, ...]] = {}
    outputs: list[Output] = []
    attributes: dict[str, Literal] = {}
    for field in message:
        if field.number == 1:
            kind = field.text()
        elif field.number == 2:
            parameter, arguments = _entry(field)
            inputs[parameter] = tuple(_argument(part.message()) for part in arguments if part.number == 1)
        elif field.number == 3:
            outputs.append(_output(field.message()))
        elif field.number == 4:
            raise BundleError(
                f"the operation {kind!r} holds other operations (control flow), which cannot be evaluated"
            )
        elif field.number == 5:
            name, value = _entry(field)
            if name != "name":
                attributes[name] = _literal(value)
    return Operation(kind=kind, inputs=inputs, outputs=tuple(outputs), attributes=attributes)


def _argument(binding: Message) -> Argument:
    argument: Argument | None = None
    for field in binding:
        if field.number == 1:
            argument = Reference(field.text())
        elif field.number == 2:
            argument = _literal(field.message())
    if argument is None:
        raise BundleError("an operation has an argument that is neither a name nor a value")
    return argument


def _output(message: Message) -> Output:
    name = ""
    type_: TensorType | None = None
    for field in message:
        if field.number == 1:
            name = field.text()
        elif field.number == 2:
            type_ = _numeric(field.message(), name)
    return Output(name, type_)


def _numeric(value_type: Message, name: str) -> TensorType | None:
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
                raise BundleError(f"{name!r} is declared with the shape {shape}, which no image classifier has")
    return code, tuple(shape)


def _size(dimension: Message, name: str) -> int:
    for field in dimension:
        if field.number == 1:
            return next((part.unsigned() for part in field.message() if part.number == 1), 0)
    raise BundleError(f"the shape of {name!r} is not fixed; only programs of fixed shape can be evaluated")


def _element(code: int, name: str) -> ElementType:
    if code not in dtypes.BY_CODE:
        raise BundleError(f"{name!r} has elements of an unknown type (code {code})")
    return dtypes.BY_CODE[code]


def _literal(message: Message, *, within_list: bool = False) -> Literal:
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
        raise BundleError("a literal of the program lacks its type or its value")
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
        raise BundleError(f"a text of the program has {len(values)} values instead of one")
    return Text(values[0])


def _label(literal: Message) -> str:
    """An element of a list: a class label, text or a whole number."""
    # Lists do not nest, or a file of brackets could exhaust the stack.
    value = _literal(literal, within_list=True)
    if isinstance(value, Text):
        return value.value
    if isinstance(value, Tensor) and value.type.shape == () and not value.type.element.floating:
        return str(int(value.array))
    raise BundleError("a list of the program holds something that is neither text nor a whole number")


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
