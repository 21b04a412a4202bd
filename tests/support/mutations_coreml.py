"""Ways to break a Core ML package that leave it readable, or nearly so."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Change = Callable[[np.ndarray], np.ndarray]
Edit = Callable[["Package"], None]

_BLOB_SENTINEL = 0xDEADBEEF
# MIL's codes of element types.
_DTYPES = {10: np.float16, 11: np.float32, 21: np.int8, 31: np.uint8}


class Package:
    """A package's program and weights, open for changes."""

    def __init__(self, path: Path) -> None:
        from coremltools.proto import Model_pb2

        self._program_path = path / "Data/com.apple.CoreML/model.mlmodel"
        self._weights_path = path / "Data/com.apple.CoreML/weights/weight.bin"
        self.model: Any = Model_pb2.Model.FromString(self._program_path.read_bytes())
        self.weights = bytearray(self._weights_path.read_bytes())

    def save(self) -> None:
        self._program_path.write_bytes(self.model.SerializeToString())
        self._weights_path.write_bytes(bytes(self.weights))

    @property
    def operations(self) -> list[Any]:
        (block,) = self.model.mlProgram.functions["main"].block_specializations.values()
        return list(block.operations)

    def all(self, kind: str) -> list[Any]:
        found = [operation for operation in self.operations if operation.type == kind]
        assert found, f"the program has no {kind}"
        return found

    def value(self, operation: Any, argument: str) -> Any:
        """The constant that is an operation's argument."""
        if argument in operation.attributes:
            return operation.attributes[argument]
        binding = operation.inputs[argument].arguments[0]
        if binding.WhichOneof("binding") == "value":
            return binding.value
        (constant,) = [item for item in self.operations if item.outputs[0].name == binding.name]
        return constant.attributes["val"]

    def change(self, operation: Any, argument: str, change: Change) -> None:
        """Change a constant, in the program or in the weights' file."""
        value = self.value(operation, argument)
        tensor_type = value.type.tensorType
        shape = [dimension.constant.size for dimension in tensor_type.dimensions]
        if value.WhichOneof("value") == "immediateValue":
            tensor = value.immediateValue.tensor
            if tensor.WhichOneof("value") == "bytes":  # as a few numbers of half precision are stored
                array = np.frombuffer(tensor.bytes.values, _DTYPES[tensor_type.dataType]).reshape(shape).copy()
                tensor.bytes.values = np.ascontiguousarray(change(array)).tobytes()
            else:
                floats = tensor.floats.values
                floats[:] = change(np.array(floats, np.float32).reshape(shape)).ravel().tolist()
            return
        offset = value.blobFileValue.offset
        sentinel, _, size, start = struct.unpack_from("<IIQQ", self.weights, offset)
        assert sentinel == _BLOB_SENTINEL
        dtype = _DTYPES[tensor_type.dataType]
        array = np.frombuffer(bytes(self.weights[start : start + size]), dtype).reshape(shape).copy()
        self.weights[start : start + size] = np.ascontiguousarray(change(array)).tobytes()


def apply(edit: Edit, path: Path) -> None:
    """Edit a package in place."""
    package = Package(path)
    edit(package)
    package.save()


def _constant(kind: str, number: int, argument: str, change: Change) -> Edit:
    return lambda package: package.change(package.all(kind)[number], argument, change)


def _integers(kind: str, number: int, argument: str, values: list[int]) -> Edit:
    def edit(package: Package) -> None:
        package.value(package.all(kind)[number], argument).immediateValue.tensor.ints.values[:] = values

    return edit


def _bypass(kind: str) -> Edit:
    def edit(package: Package) -> None:
        operation = package.all(kind)[0]
        before, after = operation.inputs["x"].arguments[0].name, operation.outputs[0].name
        for other in package.operations:
            for argument in other.inputs.values():
                for binding in argument.arguments:
                    if binding.name == after:
                        binding.name = before

    return edit


def _swap_two(classes: np.ndarray) -> np.ndarray:
    order = np.arange(len(classes))
    order[[2, 5]] = order[[5, 2]]
    return classes[order]


def _classes(package: Package) -> None:
    operation = package.all("linear")[0]
    package.change(operation, "weight", _swap_two)
    package.change(operation, "bias", _swap_two)


def _one_weight(weights: np.ndarray) -> np.ndarray:
    weights.flat[weights.size // 2] += 2.0
    return weights


def _slightly(weights: np.ndarray) -> np.ndarray:
    """One weight by as little as no answer shows."""
    place = np.abs(weights.astype(np.float64)).argmax()
    weights.flat[place] *= 0.98
    return weights


def _other(stored: np.ndarray) -> np.ndarray:
    """One number as it is stored, by some bits."""
    stored.flat[stored.size // 2] ^= 0x15
    return stored


def _largest_halved(table: np.ndarray) -> np.ndarray:
    table.flat[np.abs(table.astype(np.float64)).argmax()] *= 0.5
    return table


def _not_a_number(weights: np.ndarray) -> np.ndarray:
    weights.flat[0] = np.nan
    return weights


def _labels(package: Package) -> None:
    names = package.value(package.all("classify")[0], "classes").immediateValue.list.values
    texts = [name.immediateValue.tensor.strings.values[0] for name in names]
    for name, text in zip(names, reversed(texts), strict=True):
        name.immediateValue.tensor.strings.values[0] = text


FLOAT: dict[str, Edit] = {
    "one weight": _constant("conv", 1, "weight", _one_weight),
    "axes swapped": _constant("conv", 0, "weight", lambda weights: weights.swapaxes(2, 3)),
    "kernel mirrored": _constant("conv", 2, "weight", lambda weights: weights[..., ::-1]),
    "filters reordered": _constant("conv", 0, "weight", lambda weights: weights[::-1]),
    "channels swapped": _constant("conv", 0, "weight", lambda weights: weights[:, ::-1]),
    "classes swapped": _classes,
    "bias lost": _constant("conv", 2, "bias", np.zeros_like),
    "activation dropped": _bypass("relu"),
    "softmax dropped": _bypass("softmax"),
    "stride": _integers("conv", 1, "strides", [2, 2]),
    "rescaling": _constant("mul", 0, "y", lambda scale: scale * np.float32(1.1)),
    "not a number": _constant("conv", 0, "weight", _not_a_number),
    "labels reordered": _labels,
}

HALF: dict[str, Edit] = {
    "a weight, slightly": _constant("conv", 1, "weight", _slightly),
    "a bias, slightly": _constant("conv", 2, "bias", _slightly),
    "bias lost": FLOAT["bias lost"],
    "stride": FLOAT["stride"],
}

BYTES: dict[str, Edit] = {
    "weight scales": _constant("constexpr_affine_dequantize", 0, "scale", lambda scale: scale * np.float16(0.3)),
    "a weight's bits": _constant("constexpr_affine_dequantize", 0, "quantized_data", _other),
    "bias lost": FLOAT["bias lost"],
}

PALETTE: dict[str, Edit] = {
    "an entry of the table": _constant("constexpr_lut_to_dense", 0, "lut", _largest_halved),
    "the bits of some weights": _constant("constexpr_lut_to_dense", 0, "indices", _other),
    "table reordered": _constant("constexpr_lut_to_dense", 0, "lut", lambda table: table[::-1]),
}
