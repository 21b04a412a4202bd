"""Core ML: the weights of a ``.mlpackage``, and the values on the way through its program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edge_cifar import strict_json
from edge_cifar.contents import Observer, Sources, Weight, damaged, wired
from edge_cifar.runtimes import Images, Range, coreml_reference
from edge_cifar.runtimes._mil import constants, package
from edge_cifar.runtimes._mil.constexpr import Constant
from edge_cifar.runtimes._mil.dtypes import Array
from edge_cifar.runtimes._mil.program import Argument, Operation, Reference

# These come and go with the precision; all other operations are the same, in the same order.
_PASSING = (constants.CONST, "cast", "quantize", "dequantize", "classify")

# Those that add a bias to the products of a kernel.
_WITH_KERNELS = ("conv", "linear")


def weights(path: Path) -> dict[str, Weight]:
    """Every constant of floating point.

    Each goes by its operation's kind, the shape of the operation's first constant, the operation's number among those
    that are alike in these, and its place. Names are not used: they hold numbers that differ from one conversion to
    the next. Operations may come and go with the precision; those with kernels keep their order.

    Raises:
        BundleError: the package is broken.
    """
    found: dict[str, Weight] = {}
    with package.opened(path) as opened:
        known = constants.known(opened)

        def resolve(argument: Argument) -> object:
            if isinstance(argument, Reference):
                return known.get(argument.name)
            return constants.literal(opened, argument)

        means = _input_means(path, opened.program.metadata)
        counts: Counter[str] = Counter()
        for operation in opened.program.operations:
            if operation.kind in _PASSING or operation.kind.startswith(constants.CONSTEXPR):
                continue
            given = {
                place: value
                for place in sorted(operation.inputs, key=lambda place: place != "weight")
                for argument in operation.inputs[place]
                if isinstance(value := resolve(argument), Constant) and value.array.dtype.kind == "f"
            }
            if not given:
                continue
            kind = f"{operation.kind} of {list(next(iter(given.values())).type.shape)}"
            counts[kind] += 1
            stem = f"{kind} number {counts[kind]}"
            for place, value in given.items():
                found[f"{stem}, {place}"] = _weight(operation, stem, place, value, means)
    return found


def sources(path: Path) -> Sources:
    """The values that depend on the image.

    Raises:
        BundleError: the package is broken.
    """
    with package.opened(path) as opened:
        program = opened.program
        operations = (
            (
                [item.name for items in operation.inputs.values() for item in items if isinstance(item, Reference)],
                [output.name for output in operation.outputs],
            )
            for operation in program.operations
        )
        return wired([given.name for given in program.inputs], operations)


def observe(path: Path, images: Images, observer: Observer) -> None:
    """Compute images by the reference evaluator.

    Args:
        path: a ``.mlpackage`` folder.
        images: uint8 ``[N, H, W, 3]``.
        observer: told of every value.

    Raises:
        BundleError: the package is broken.
    """
    told: Counter[str] = Counter()

    def tell(name: str, values: Array) -> None:
        for value in values if values.dtype.kind == "f" else ():
            observer(told[name], name, value)
            told[name] += 1

    coreml_reference.load(path).observe(images, tell)


def _weight(operation: Operation, stem: str, place: str, value: Constant, means: Range | None) -> Weight:
    if operation.kind not in _WITH_KERNELS or place not in ("weight", "bias"):
        return Weight(values=value.array, step=value.step, palette=value.palette)
    if place == "bias":
        return Weight(values=value.array, step=value.step, shifts=f"{stem}, weight", mean_range=means)
    flat = (*value.array.shape[:2], -1)
    step = None if value.step is None else np.broadcast_to(value.step, value.array.shape).reshape(flat)
    return Weight(values=value.array.reshape(flat), step=step, palette=value.palette)


def _input_means(path: Path, metadata: Mapping[str, str]) -> Range | None:
    """What a package with corrected biases tells of the means that they were computed from."""
    told = metadata.get(coreml_reference.INPUT_MEANS)
    if told is None:
        return None
    try:
        low, high = map(float, strict_json.parse(told))
    except (ValueError, TypeError) as error:
        raise damaged(path, error) from error
    if not -np.inf < low <= high < np.inf:
        raise damaged(path, ValueError(f"its input means lie between {low} and {high}"))
    return low, high
