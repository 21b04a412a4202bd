"""The Core ML messages that describe a program, read into plain data.

Field numbers are those of ``Model.proto``, ``FeatureTypes.proto`` and ``MIL.proto`` of coremltools.
Fields that do not bear on the computation are passed over, as protobuf asks of a reader.
"""

from __future__ import annotations

from edge_cifar.errors import BundleError
from edge_cifar.mil import values
from edge_cifar.mil.program import (
    Argument,
    ImageInput,
    Literal,
    Operation,
    Output,
    Program,
    Reference,
    TensorType,
)
from edge_cifar.protobuf import Budget, Field, Message

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
            "the model is not an ML program; only those can be evaluated (convert with convert_to='mlprogram')"
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
        raise BundleError(f"the program uses operator set {opset!r} but has no block for it")
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
            f"the program has the functions {sorted(functions)}; only a single function named 'main' is supported"
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
        raise BundleError(f"the model description names {key!r} without a value")
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
                f"the operation {kind!r} contains other operations (control flow), which is not supported"
            )
        elif field.number == 5:
            name, value = _entry(field)
            if name != "name":
                attributes[name] = values.literal(value)
    return Operation(kind=kind, inputs=inputs, outputs=tuple(outputs), attributes=attributes)


def _argument(binding: Message) -> Argument:
    argument: Argument | None = None
    for field in binding:
        if field.number == 1:
            argument = Reference(field.text())
        elif field.number == 2:
            argument = values.literal(field.message())
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
            type_ = values.numeric_type(field.message(), name)
    return Output(name, type_)
