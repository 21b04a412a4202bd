"""Checks a program operation by operation and makes a plan of it."""

from __future__ import annotations

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.mil import constants, limits
from edge_cifar.mil.constexpr import Constant
from edge_cifar.mil.dtypes import FP16, FP32
from edge_cifar.mil.ops import OPS
from edge_cifar.mil.ops.kernel import Given, Inputs, Kernel, Operand
from edge_cifar.mil.package import Package
from edge_cifar.mil.plan import Plan, Step, with_lifetimes
from edge_cifar.mil.program import (
    Argument,
    ImageInput,
    Operation,
    Output,
    Program,
    Reference,
    TensorType,
    Text,
    TextList,
)

_FLOATING = (FP16, FP32)


def make(package: Package) -> Plan:
    """Check a program and make it ready to run.

    Raises:
        BundleError: it has an operation that is unknown, malformed or beyond the limits, uses a name
            before it is computed, or does not have the inputs and outputs of an image classifier.
    """
    source, image = _input_of(package.program)
    planner = _Planner(package, source)
    last_uses = _last_uses(package.program)
    for position, operation in enumerate(package.program.operations):
        try:
            planner.add(operation)
        except BundleError as error:
            raise BundleError(f"operation {operation}: {error}") from error
        planner.forget_constants(last_uses.get(position, ()))
    output, classes, labels = planner.output()
    steps, image_bytes = with_lifetimes(planner.steps, source, output)
    if image_bytes > limits.IMAGE_BYTES:
        raise BundleError(
            f"it needs {image_bytes >> 20} MiB for one image, over the limit of {limits.IMAGE_BYTES >> 20}"
        )
    return Plan(
        input=source, image=image, steps=steps, output=output, classes=classes, labels=labels, image_bytes=image_bytes
    )


def _input_of(program: Program) -> tuple[Output, ImageInput | None]:
    if len(program.inputs) != 1:
        raise BundleError(f"the program has {len(program.inputs)} inputs; an image classifier has one")
    source = program.inputs[0]
    if source.type is None or source.type.element not in _FLOATING:
        raise BundleError(f"the input {source.name!r} is not a floating-point tensor")
    if not 1 <= source.type.count <= limits.IMAGE_BYTES // 4:
        raise BundleError(
            f"the input {source.name!r} is {source.type}, "
            f"which is empty or takes more than {limits.IMAGE_BYTES >> 20} MiB"
        )
    image = program.images.get(source.name)
    if image and source.type.shape != (1, 3, image.height, image.width):
        raise BundleError(
            f"the input {source.name!r} is an image of {image.height}×{image.width}, but its tensor has shape "
            f"{list(source.type.shape)}"
        )
    return source, image


def _last_uses(program: Program) -> dict[int, list[str]]:
    """For each operation, by position, the names that no later one uses."""
    last: dict[str, int] = {}
    for position, operation in enumerate(program.operations):
        for arguments in operation.inputs.values():
            last.update((argument.name, position) for argument in arguments if isinstance(argument, Reference))
    uses: dict[int, list[str]] = {}
    for name, position in last.items():
        uses.setdefault(position, []).append(name)
    return uses


class _Computed:
    """A value that the program computes."""

    def __init__(self, name: str, type_: TensorType) -> None:
        self.name = name
        self.type = type_


_Value = constants.Known | _Computed


class _Planner:
    """What is known so far: the values by name, and the steps that compute them."""

    def __init__(self, package: Package, source: Output) -> None:
        assert source.type is not None
        self.steps: list[Step] = []
        self._package = package
        self._values: dict[str, _Value] = {source.name: _Computed(source.name, source.type)}
        self._work = 0
        self._classifier: tuple[str, tuple[str, ...]] | None = None

    def add(self, operation: Operation) -> None:
        """Take in the next operation."""
        if operation.kind == "classify":
            self._classify(operation)
            return
        if len(operation.outputs) != 1:
            raise BundleError(f"it has {len(operation.outputs)} outputs; expected one")
        output = operation.outputs[0]
        if output.name in self._values:
            raise BundleError(f"{output.name!r} is output twice")
        value: _Value
        if operation.kind == constants.CONST:
            value = constants.constant(self._package, operation, output.type)
        elif output.type is None:
            raise BundleError("it does not output a tensor")
        elif operation.kind.startswith(constants.CONSTEXPR):
            value = constants.decompressed(self._package, operation, output.type, self._resolved)
        else:
            value = self._compute(operation, output.name, output.type)
        self._values[output.name] = value

    def forget_constants(self, names: list[str] | tuple[()]) -> None:
        """Let go of constants that are not used any more; the kernels keep what they need of them."""
        for name in names:
            if isinstance(self._values.get(name), Constant):
                # The name stays taken.
                self._values[name] = Text("")

    def output(self) -> tuple[str, int, tuple[str, ...] | None]:
        """Name and number of the probabilities, and their labels if the program has any."""
        if self._classifier:
            name, labels = self._classifier
            return name, len(labels), labels
        outputs = self._package.program.outputs
        if len(outputs) != 1:
            raise BundleError(f"the program has {len(outputs)} outputs; an image classifier has one")
        value = self._values.get(outputs[0])
        if not isinstance(value, _Computed) or value.type.element not in _FLOATING:
            raise BundleError(f"its output {outputs[0]!r} is not a computed floating-point tensor")
        if value.type.shape not in ((value.type.count,), (1, value.type.count)):
            raise BundleError(f"its output {outputs[0]!r} is {value.type}, not a vector of probabilities")
        return value.name, value.type.count, None

    def _compute(self, operation: Operation, name: str, declared: TensorType) -> Constant | _Computed:
        if operation.kind not in OPS:
            raise BundleError(f"the reference evaluator does not support {operation.kind!r}")
        inputs = Inputs(
            {parameter: self._given(parameter, arguments) for parameter, arguments in operation.inputs.items()}
        )
        kernel = OPS[operation.kind](inputs)
        if inputs.unknown():
            raise BundleError(
                f"it has parameters that the reference evaluator does not support: {', '.join(inputs.unknown())}"
            )
        if kernel.type != declared:
            raise BundleError(f"it outputs {kernel.type}; the program declares {declared}")
        self._work += limits.STEP_WORK + max(kernel.work, limits.ELEMENT_WORK * declared.count)
        if self._work > limits.IMAGE_WORK:
            raise BundleError(f"with it, one image takes more than {limits.IMAGE_WORK / 1e9:g} billion multiplications")
        if all(operand.constant is not None for operand in inputs.operands):
            return self._folded(kernel, inputs.operands)
        # Every value has a leading axis of samples; a constant is one sample, good for all.
        arguments = tuple(o.name if o.constant is None else o.constant[None] for o in inputs.operands)
        self.steps.append(Step(operation=str(operation), kernel=kernel, arguments=arguments, output=name, frees=()))
        return _Computed(name, declared)

    def _folded(self, kernel: Kernel, operands: list[Operand]) -> Constant:
        """A value that depends on constants alone."""
        self._package.claim(kernel.type)
        with np.errstate(all="ignore"):
            array = kernel.run(*(operand.constant[None] for operand in operands if operand.constant is not None))[0]
            return Constant(kernel.type, array.astype(kernel.type.element.storage))

    def _classify(self, operation: Operation) -> None:
        probabilities = operation.inputs.get("probabilities", ())
        classes = operation.inputs.get("classes", ())
        if self._classifier or len(probabilities) != 1 or len(classes) != 1:
            raise BundleError("there must be exactly one classify operation, of one tensor")
        value, labels = self._resolved(probabilities[0]), self._resolved(classes[0])
        if not isinstance(value, _Computed) or not isinstance(labels, TextList) or value.type.element not in _FLOATING:
            raise BundleError("it does not map computed probabilities to labels")
        if value.type.count != len(labels.values):
            raise BundleError(f"it has {len(labels.values)} labels for {value.type.count} probabilities")
        if len(set(labels.values)) != len(labels.values):
            raise BundleError("it has duplicate labels")
        if set(self._package.program.outputs) - {output.name for output in operation.outputs}:
            raise BundleError(
                f"the program has outputs other than the classifier's: {list(self._package.program.outputs)}"
            )
        self._classifier = value.name, labels.values

    def _given(self, parameter: str, arguments: tuple[Argument, ...]) -> Given:
        """A parameter of an operation, as its builder wants it."""
        values = [self._operand(argument) for argument in arguments]
        if len(values) == 1:
            return values[0]
        tensors = [value for value in values if isinstance(value, Operand)]
        if len(tensors) != len(values):
            raise BundleError(f"its {parameter} is not a list of tensors")
        return tensors

    def _operand(self, argument: Argument) -> Operand | str | tuple[str, ...]:
        value = self._resolved(argument)
        if isinstance(value, Text):
            return value.value
        if isinstance(value, TextList):
            return value.values
        if isinstance(value, _Computed):
            return Operand(value.type, name=value.name)
        if value.type.element != FP16:
            return Operand(value.type, constant=value.array)
        self._package.claim(TensorType(FP32, value.type.shape))
        return Operand(value.type, constant=value.array.astype(np.float32))

    def _resolved(self, argument: Argument) -> _Value:
        if not isinstance(argument, Reference):
            return constants.literal(self._package, argument)
        if argument.name not in self._values:
            raise BundleError(f"it uses {argument.name!r}, which no earlier operation outputs")
        return self._values[argument.name]
