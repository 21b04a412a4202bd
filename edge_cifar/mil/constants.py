"""The constants of a program: as they are stored, and compressed ones made dense."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge_cifar.errors import BundleError
from edge_cifar.mil import constexpr, package
from edge_cifar.mil.constexpr import Constant
from edge_cifar.mil.dtypes import Array
from edge_cifar.mil.package import Package
from edge_cifar.mil.program import (
    Argument,
    Blob,
    Literal,
    Operation,
    Reference,
    Tensor,
    TensorType,
    Text,
    TextList,
)

CONST = "const"
CONSTEXPR = "constexpr_"

Known = Constant | Text | TextList


def literal(opened: Package, value: Literal | None) -> Known:
    """What a literal of the program stands for.

    Raises:
        BundleError: its elements are not where the program says.
    """
    if value is None:
        raise BundleError("it has no value")
    return Constant(value.type, opened.array(value)) if isinstance(value, Tensor | Blob) else value


def constant(opened: Package, operation: Operation, type_: TensorType | None) -> Known:
    """What a ``const`` operation yields, which must be of the declared type.

    Raises:
        BundleError: it is of another type, or has no value.
    """
    value = literal(opened, operation.attributes.get("val"))
    if isinstance(value, Constant) and value.type != type_:
        raise BundleError(f"it has type {value.type}; the program declares {type_}")
    return value


def decompressed(
    opened: Package, operation: Operation, type_: TensorType, resolve: Callable[[Argument], object]
) -> Constant:
    """What a ``constexpr_`` operation yields. Its parameters are attributes up to iOS 17 and inputs from iOS 18.

    Args:
        opened: the package.
        operation: the operation.
        type_: what it is declared to yield.
        resolve: finds what an argument stands for.

    Raises:
        BundleError: a parameter is no constant, or they do not fit together.
    """
    parameters: dict[str, tuple[Argument, ...]] = {name: (value,) for name, value in operation.attributes.items()}
    given: dict[str, Constant | str] = {}
    for name, arguments in (*parameters.items(), *operation.inputs.items()):
        value = resolve(arguments[0]) if len(arguments) == 1 else None
        if isinstance(value, Text):
            given[name] = value.value
        elif isinstance(value, Constant):
            given[name] = value
        else:
            raise BundleError(f"its {name} is neither a constant tensor nor a string")
    opened.claim(type_)
    return constexpr.dense(operation.kind, given, type_)


def known(opened: Package) -> dict[str, Known]:
    """Every constant of a program by name, compressed ones made dense.

    Raises:
        BundleError: one is not what the program says.
    """
    found: dict[str, Known] = {}

    def resolve(argument: Argument) -> object:
        return found.get(argument.name) if isinstance(argument, Reference) else literal(opened, argument)

    for operation in opened.program.operations:
        for output in operation.outputs:
            if operation.kind == CONST:
                found[output.name] = constant(opened, operation, output.type)
            elif operation.kind.startswith(CONSTEXPR) and output.type:
                found[output.name] = decompressed(opened, operation, output.type, resolve)
    return found


def read(path: Path) -> dict[str, Array]:
    """Every constant tensor of a package by name, compressed ones made dense, in the type they are stored in.

    Raises:
        BundleError: the package is broken.
    """
    with package.opened(path) as opened:
        return {name: value.array for name, value in known(opened).items() if isinstance(value, Constant)}
