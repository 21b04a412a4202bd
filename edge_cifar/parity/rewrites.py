"""What a precision may do to a network besides storing its values in other types.

Three things, each measured by what converters write:

* An activation that only cuts its input off is left out where the quantization behind it cannot hold what it cuts off
  (ONNX's int8: no ReLU is left behind a convolution).
* The factor that pixels are multiplied by goes into the kernels that read them (TFLite's int8).
* A batch normalization that stands alone, a multiplication and an addition by a number a channel, becomes a
  depthwise convolution of one pixel, which has a scale a channel (TFLite's int8).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from edge_cifar.preprocessing import Range
from edge_cifar.readers import BIAS, KERNEL, OPERAND, Link, Network, Operation, Weight

# Activations that cut off, by the format's names, with what they leave.
_CUTTING: dict[str, Range] = {
    "Relu": (0.0, math.inf),
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "RELU": (0.0, math.inf),
    "RELU6": (0.0, 6.0),
}
_CLIP = "Clip"
_MULTIPLIES, _ADDS = "MUL", ("ADD", "SUB")
_DEPTHWISE, _ACTIVATION = "DEPTHWISE_CONV_2D", "fused activation"


def behind_activations(network: Network, link: Link, operation: Operation | None, given: Link) -> Link:
    """Where a link of the fp32 network leads, behind activations that the other's quantization makes needless.

    Args:
        network: the fp32 artifact's.
        link: one of its links.
        operation: what the other artifact's link leads to; None for the image.
        given: that link.
    """
    while link.source is not None and given.quantizations:
        activation = network.operations[link.source]
        limits = _limits(activation)
        if limits is None or (operation is not None and operation.kind == activation.kind):
            break
        stored = given.quantizations[0]
        low, high = stored.real_range() or (-math.inf, math.inf)
        # A limit that is no whole number of steps is held to the nearest.
        if low < limits[0] - stored.scale / 2 or high > limits[1] + stored.scale / 2:
            break
        link = activation.links[0]
    return link


def _limits(operation: Operation) -> Range | None:
    """What an activation leaves of its input; None for any other operation."""
    if operation.kind == _CLIP:
        low, high = (operation.weights.get(f"input {place}") for place in (1, 2))
        return (
            -math.inf if low is None else float(low.values.reshape(-1)[0]),
            math.inf if high is None else float(high.values.reshape(-1)[0]),
        )
    return _CUTTING.get(operation.kind)


def as_convolution(network: Network, truth: Operation, given: Operation) -> Operation:
    """A batch normalization that stands alone as the depthwise convolution that an artifact computes in its place.

    Args:
        network: the fp32 artifact's.
        truth: one of its operations.
        given: the other artifact's.

    Returns:
        the convolution, or the operation as it is where it is no such thing.
    """
    kernel = given.weights.get(KERNEL)
    if given.kind != _DEPTHWISE or truth.kind != _ADDS[0] or len(truth.links) != 1 or kernel is None:
        return truth
    source = truth.links[0].source
    factor = network.operations[source] if source is not None else None
    if factor is None or factor.kind != _MULTIPLIES or len(factor.links) != 1 or factor.settings:
        return truth
    if OPERAND not in factor.weights or OPERAND not in truth.weights:
        return truth
    scale, shift = (one.weights[OPERAND].values.reshape(-1) for one in (factor, truth))
    if kernel.values.shape != (scale.size, 1, 1) or shift.size != scale.size:
        return truth
    joined = {_ACTIVATION: truth.settings[_ACTIVATION]} if _ACTIVATION in truth.settings else {}
    return Operation(
        kind=_DEPTHWISE,
        name=truth.name,
        settings={"stride (width)": 1, "stride (height)": 1, **joined},
        links=factor.links,
        weights={KERNEL: Weight(values=scale.reshape(-1, 1, 1)), BIAS: Weight(values=shift)},
    )


def as_given(exact: Network, given: Network) -> Network:
    """The fp32 network without the factor of its pixels, where the other has that in its kernels.

    The kernels are that factor times as large then, and what is added to the pixels before it as much smaller.
    """
    scalings = _scalings(exact)
    absorbed = {number: readers for number in scalings if (readers := _absorbing(exact, number))}
    if not absorbed or len(scalings) - len(_scalings(given)) != len(absorbed):
        return exact
    operations = list(exact.operations)
    for number, readers in absorbed.items():
        factor = _factor(exact.operations[number])
        for reader in readers:
            operation = operations[reader]
            operation = _times(operation, factor if KERNEL in operation.weights else 1 / factor)
            (behind,) = operation.links
            if behind.source == number:
                operation = replace(operation, links=exact.operations[number].links)
            operations[reader] = operation
    return Network(operations=tuple(operations), answer=exact.answer)


def _scalings(network: Network) -> list[int]:
    """Operations that multiply a value by one number other than zero."""
    return [
        number
        for number, operation in enumerate(network.operations)
        if operation.kind == _MULTIPLIES
        and len(operation.links) == 1
        and not operation.settings
        and OPERAND in operation.weights
        and operation.weights[OPERAND].values.size == 1
        and _factor(operation)
    ]


def _factor(operation: Operation) -> float:
    return float(operation.weights[OPERAND].values.reshape(-1)[0])


def _absorbing(network: Network, number: int) -> list[int]:
    """The operations that can take in a factor: kernels, and what is added on the way to them; empty if any cannot."""
    found: list[int] = []
    ahead = [number]
    while ahead:
        source = ahead.pop()
        for reader in _readers(network, source):
            operation = network.operations[reader]
            added = operation.kind in _ADDS and len(operation.links) == 1 and bool(operation.weights)
            if not added and (KERNEL not in operation.weights or len(operation.links) != 1):
                return []
            found.append(reader)
            if added:
                ahead.append(reader)
    return found


def _readers(network: Network, source: int) -> list[int]:
    return [
        number
        for number, operation in enumerate(network.operations)
        if any(link.source == source for link in operation.links)
    ]


def _times(operation: Operation, factor: float) -> Operation:
    """An operation whose constant is multiplied: the kernel, or what is added."""
    place = KERNEL if KERNEL in operation.weights else next(iter(operation.weights))
    weight = operation.weights[place]
    values = np.asarray(weight.values.astype(np.float64) * factor)
    return replace(operation, weights={**operation.weights, place: replace(weight, values=values)})
