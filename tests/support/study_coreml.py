"""Systematic changes of a Core ML package: every place broken in each of its ways, and changes that mean nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from support.mutations_coreml import Package
from support.study_onnx import largest

Edit = Callable[[Package], None]

_SCALED = ("quantize", "dequantize")
_OTHERS = {"relu": "relu6", "reduce_mean": "reduce_sum", "add": "sub", "softmax": "sigmoid"}
_PASSING = ("const", "cast", "classify")


def mutants(package: Package) -> Iterator[tuple[str, Edit]]:
    """Every constant, scale, operator and link of a program, changed one at a time."""
    for number, operation in enumerate(package.operations):
        kind = operation.type
        if kind in _SCALED:
            for factor in (0.5, 0.9, 1.1, 2.0):
                yield f"scale of {kind} {number} x {factor}", _change(number, "scale", lambda s, f=factor: s * f)
        if kind in ("conv", "linear"):
            for place in ("weight", "bias"):
                if _is_plain(package, operation, place):
                    yield f"{place} {number} x 1.05", _change(number, place, lambda values: values * 1.05)
                    yield f"largest {place} {number}", _change(number, place, largest(lambda value: value * 0.9))
        if kind.startswith("constexpr"):
            scale = "scale" if kind.endswith("dequantize") else "lut"
            if scale in operation.attributes or scale in operation.inputs:
                yield f"{kind} {number} x 1.1", _change(number, scale, lambda values: values * 1.1)
        if kind in _OTHERS:
            yield f"{kind} {number} as {_OTHERS[kind]}", _kind(number, _OTHERS[kind])
        if kind == "add" and len({_name(operation, place) for place in ("x", "y")}) == 2:
            yield f"one value twice at {number}", _twice(number)


def _name(operation: Any, place: str) -> str:
    return str(operation.inputs[place].arguments[0].name)


def _is_plain(package: Package, operation: Any, place: str) -> bool:
    if place not in operation.inputs:
        return False
    name = _name(operation, place)
    return any(item.type == "const" and item.outputs[0].name == name for item in package.operations)


def _change(number: int, place: str, change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    def changed(array: np.ndarray) -> np.ndarray:
        return np.asarray(change(array)).astype(array.dtype)

    def edit(package: Package) -> None:
        operation = package.operations[number]
        package.change(operation, place, changed)

    return edit


def _kind(number: int, kind: str) -> Edit:
    def edit(package: Package) -> None:
        operation = package.operations[number]
        operation.type = kind
        if kind == "sigmoid":
            del operation.inputs["axis"]

    return edit


def _twice(number: int) -> Edit:
    def edit(package: Package) -> None:
        operation = package.operations[number]
        operation.inputs["y"].CopyFrom(operation.inputs["x"])

    return edit


def _block(package: Package) -> Any:
    (block,) = package.model.mlProgram.functions["main"].block_specializations.values()
    return block


def _renamed(package: Package) -> None:
    names: dict[str, str] = {}
    kept = {*_block(package).outputs, *(given.name for given in package.model.description.input)}
    for operation in package.operations:
        for argument in operation.inputs.values():
            for binding in argument.arguments:
                if binding.WhichOneof("binding") == "name" and binding.name not in kept:
                    binding.name = names.get(binding.name, binding.name)
        for output in operation.outputs:
            if output.name not in kept:
                output.name = names.setdefault(output.name, f"v{len(names)}")


def _reordered(package: Package) -> None:
    """Operations in another order in which they can be computed."""
    block = _block(package)
    waiting, order = list(block.operations), []
    known = {given.name for given in package.model.description.input}

    def ready(operation: Any) -> bool:
        needed = {
            binding.name
            for argument in operation.inputs.values()
            for binding in argument.arguments
            if binding.WhichOneof("binding") == "name"
        }
        return needed <= known

    while waiting:
        operation = next(one for one in reversed(waiting) if ready(one))
        waiting.remove(operation)
        order.append(type(operation).FromString(operation.SerializeToString()))
        known |= {output.name for output in operation.outputs}
    del block.operations[:]
    block.operations.extend(order)


def _swapped(package: Package) -> None:
    for operation in package.operations:
        if operation.type == "add":
            first, second = (operation.inputs[place].SerializeToString() for place in ("x", "y"))
            operation.inputs["x"].ParseFromString(second)
            operation.inputs["y"].ParseFromString(first)


def _described(package: Package) -> None:
    metadata = package.model.description.metadata
    metadata.shortDescription, metadata.author, metadata.license = "another", "somebody", "MIT"
    metadata.userDefined["more"] = "a text"


def _defaults_left_out(package: Package) -> None:
    for operation in package.operations:
        if operation.type == "conv":
            for place in ("dilations", "groups"):
                values = package.value(operation, place).immediateValue.tensor.ints.values
                if set(values) == {1}:
                    del operation.inputs[place]


HARMLESS: dict[str, Edit] = {
    "written again": lambda package: None,
    "values renamed": _renamed,
    "operations in another order": _reordered,
    "operands swapped": _swapped,
    "described otherwise": _described,
    "defaults left out": _defaults_left_out,
}
