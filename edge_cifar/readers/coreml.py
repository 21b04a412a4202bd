"""Core ML: the network in a ``.mlpackage``, and the values on the way through its program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.mil import constants, package, program
from edge_cifar.mil.constexpr import Constant
from edge_cifar.mil.dtypes import Array
from edge_cifar.mil.package import Package
from edge_cifar.mil.program import Reference, Text
from edge_cifar.pixels import Images, stored_type
from edge_cifar.preprocessing import Range
from edge_cifar.readers import (
    BIAS,
    KERNEL,
    OPERAND,
    Link,
    Network,
    Observer,
    Operation,
    Sources,
    Weight,
    damaged,
    wired,
)
from edge_cifar.runtimes import coreml_reference
from edge_cifar.storage import strict_json

# These store a value in another type and compute nothing.
_STORING = ("cast", "quantize", "dequantize")

# Those that add a bias to the products of a kernel, and the places of both.
_WITH_KERNELS = ("conv", "linear")
_PLACES = {"weight": KERNEL, "bias": BIAS}
_COMMUTATIVE = ("add", "mul", "maximum", "minimum")
# What holds where a parameter is left out, as coremltools' operators have it.
_DEFAULTS: Mapping[str, object] = {
    "pad_type": "valid",
    "groups": (1,),
    "ceil_mode": (False,),
    "exclude_padding_from_average": (False,),
    "keep_dims": (False,),
    "interleave": (False,),
}


def network(path: Path) -> Network:
    """The operations that compute with the image, and their constants.

    Raises:
        BundleError: the package is broken.
    """
    with package.opened(path) as opened:
        known = constants.known(opened)
        means = _input_means(path, opened.program.metadata)
        links: dict[str, Link] = {image.name: Link(source=None) for image in opened.program.inputs}
        operations: list[Operation] = []
        answer: Link | None = None
        for operation in opened.program.operations:
            names = [
                argument.name
                for place, arguments in operation.inputs.items()
                for argument in arguments
                if isinstance(argument, Reference) and argument.name in links
            ]
            if not names:
                continue
            if operation.kind == "classify":
                answer = links[names[0]]
                continue
            given = _given(opened, operation, known)
            if operation.kind in _STORING:
                link = _stored(operation, links[names[0]], given)
            else:
                link = Link(source=len(operations))
                operations.append(_operation(operation, tuple(links[name] for name in names), given, means))
            for number, output in enumerate(operation.outputs):
                links[output.name] = link if not number else replace(link, output=number)
        if answer is None and opened.program.outputs:
            answer = links.get(opened.program.outputs[0])
        if answer is None:
            raise damaged(path, ValueError("its output does not depend on its input"))
        return Network(operations=tuple(operations), answer=answer)


def _given(opened: Package, operation: program.Operation, known: Mapping[str, object]) -> dict[str, object]:
    """An operation's constants, by place."""
    found: dict[str, object] = {}
    attributes = {name: (value,) for name, value in operation.attributes.items() if name != "name"}
    for place, arguments in {**attributes, **operation.inputs}.items():
        for number, argument in enumerate(arguments):
            value = known.get(argument.name) if isinstance(argument, Reference) else constants.literal(opened, argument)
            if value is not None:
                found[place if len(arguments) == 1 else f"{place} {number}"] = value
    return found


def _operation(
    operation: program.Operation, links: tuple[Link, ...], given: Mapping[str, object], means: Range | None
) -> Operation:
    """An operation with its constants: whole numbers, truth values and texts are settings, floats are weights."""
    settings: dict[str, object] = {}
    weights: dict[str, Weight] = {}
    for place, value in given.items():
        if isinstance(value, Constant) and value.array.dtype.kind == "f":
            name = OPERAND if operation.kind in _COMMUTATIVE else _PLACES.get(place, place)
            weights[name] = _weight(operation.kind, name, value, means)
        else:
            setting = _setting(value)
            if not _is_default(place, setting):
                settings[place] = setting
    if settings.get("pad_type", "valid") != "custom":
        settings.pop("pad", None)
    outputs = tuple(output.name for output in operation.outputs)
    return Operation(
        kind=operation.kind, name=outputs[0], settings=settings, links=links, weights=weights, outputs=outputs
    )


def _setting(value: object) -> object:
    if isinstance(value, Constant):
        return tuple(value.array.reshape(-1).tolist())
    return value.value if isinstance(value, Text) else value


def _is_default(place: str, setting: object) -> bool:
    if place in ("strides", "dilations"):
        return isinstance(setting, tuple) and set(setting) <= {1}
    return place in _DEFAULTS and setting == _DEFAULTS[place]


def _stored(operation: program.Operation, link: Link, given: Mapping[str, object]) -> Link:
    """A link behind a ``quantize`` or ``dequantize``; behind a ``cast`` it is the same."""
    if operation.kind == "cast":
        return link
    scale, zero_point = given.get("scale"), given.get("zero_point")
    if not isinstance(scale, Constant) or scale.array.size != 1:
        raise BundleError(f"the scale of {operation} is not a single number")
    zero = int(zero_point.array.reshape(-1)[0]) if isinstance(zero_point, Constant) else 0
    output = operation.outputs[0].type
    if operation.kind == "quantize" and output is not None:
        dtype = np.dtype(output.element.storage)
    elif link.quantizations:
        dtype = link.quantizations[-1].dtype
    else:
        raise BundleError(f"an input of {operation} is not quantized")
    return link.stored(stored_type(dtype, float(scale.array.reshape(-1)[0]), zero))


def sources(path: Path) -> Sources:
    """The values that depend on the image.

    Raises:
        BundleError: the package is broken.
    """
    with package.opened(path) as opened:
        operations = (
            (
                [item.name for items in operation.inputs.values() for item in items if isinstance(item, Reference)],
                [output.name for output in operation.outputs],
            )
            for operation in opened.program.operations
        )
        return wired([given.name for given in opened.program.inputs], operations)


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


def _weight(kind: str, place: str, value: Constant, means: Range | None) -> Weight:
    if kind not in _WITH_KERNELS or place not in (KERNEL, BIAS):
        return Weight(values=value.array, step=value.step, palette=value.palette)
    if place == BIAS:
        return Weight(values=value.array, step=value.step, mean_range=means)
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
