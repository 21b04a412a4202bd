"""TensorFlow Lite: the network in a ``.tflite`` file, and the values on the way through it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edge_cifar import packages
from edge_cifar.pixels import ImageInput, Images, Quantization, stored_type
from edge_cifar.processes import output_capture
from edge_cifar.readers import (
    BIAS,
    KERNEL,
    OPERAND,
    Link,
    Network,
    Numbers,
    Observer,
    Operation,
    Sources,
    Weight,
    damaged,
    wired,
)
from edge_cifar.readers._tflite_file import Graph, Operator, Tensor, read
from edge_cifar.runtimes import litert

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
# What constants are called by their place; the order of what is added or multiplied makes no difference.
_PLACES: Mapping[str, Mapping[int, str]] = {
    **{kind: {1: KERNEL, 2: BIAS} for kind in (*_CONVOLUTIONS, "FULLY_CONNECTED")},
    **{kind: {0: OPERAND, 1: OPERAND} for kind in ("ADD", "MUL")},
}
# These store a value in another type and compute nothing.
_PASSING = ("QUANTIZE", "DEQUANTIZE", "CAST")
# Several operators may read one constant, so the file's size is no bound. VGG16 with its ImageNet head: 138 million.
_MOST_NUMBERS = 1 << 28


def network(path: Path) -> Network:
    """The operators that compute with the image, and their constants.

    Raises:
        BundleError: the file is damaged.
    """
    try:
        return _network(read(path))
    except (ValueError, IndexError) as error:
        raise damaged(path, error) from error


def _network(graph: Graph) -> Network:
    links: dict[int, Link] = {number: _stored(graph, number, Link(source=None)) for number in graph.inputs}
    # In half precision a constant stands behind an operator that widens it.
    widened = {operator.outputs[0]: operator.inputs[0] for operator in graph.operators if operator.kind == "DEQUANTIZE"}
    operations: list[Operation] = []
    numbers = 0
    for operator in graph.operators:
        given = [links[number] for number in operator.inputs if number in links]
        if not given:
            continue
        if operator.kind in _PASSING:
            links[operator.outputs[0]] = _stored(graph, operator.outputs[0], given[0])
            continue
        constants = {
            place: tensor
            for place, number in enumerate(operator.inputs)
            if number >= 0 and (tensor := graph.tensors[widened.get(number, number)]).constant is not None
        }
        numbers += sum(math.prod(tensor.shape) for tensor in constants.values())
        if numbers > _MOST_NUMBERS:
            raise ValueError(f"more than {_MOST_NUMBERS:,} constants, which no image classifier has")
        for output, number in enumerate(operator.outputs):
            links[number] = _stored(graph, number, Link(source=len(operations), output=output))
        operations.append(_operation(graph, operator, tuple(given), constants))
    if len(graph.outputs) != 1 or graph.outputs[0] not in links:
        raise ValueError("it does not have exactly one output that depends on its input")
    return Network(operations=tuple(operations), answer=links[graph.outputs[0]])


def _operation(graph: Graph, operator: Operator, links: tuple[Link, ...], constants: Mapping[int, Tensor]) -> Operation:
    """An operator with its constants: whole numbers, such as axes, are settings; others are weights."""
    settings, weights = dict(operator.options), {}
    for place, tensor in constants.items():
        name = _PLACES.get(operator.kind, {}).get(place, f"input {place}")
        assert tensor.constant is not None
        if tensor.constant.dtype.kind == "f" or len(tensor.scales):
            weights[name] = _weight(operator, name, tensor)
        else:
            settings[name] = tuple(tensor.constant.reshape(-1).tolist())
    if operator.kind in _CONVOLUTIONS and KERNEL in weights and weights[KERNEL].values.shape[2] == 1:
        # Both kinds of padding leave an image as it is that a kernel of one pixel reads.
        settings.pop("padding", None)
    name = graph.tensors[operator.outputs[0]].name if operator.outputs else ""
    outputs = tuple(_name(number, graph.tensors[number]) for number in operator.outputs)
    return Operation(kind=operator.kind, name=name, settings=settings, links=links, weights=weights, outputs=outputs)


def _stored(graph: Graph, number: int, link: Link) -> Link:
    """A link to what a tensor holds, behind the quantization that the tensor has."""
    return link.stored(_quantization(graph.tensors[number]) if len(graph.tensors[number].scales) else None)


def sources(path: Path) -> Sources:
    """The values that depend on the image, by their tensors' numbers and names.

    Raises:
        BundleError: the file is damaged.
    """
    graph = read(path)
    names = [_name(number, tensor) for number, tensor in enumerate(graph.tensors)]
    operations = (
        ([names[number] for number in operator.inputs if number >= 0], [names[number] for number in operator.outputs])
        for operator in graph.operators
    )
    return wired([names[number] for number in graph.inputs], operations)


def observe(path: Path, images: Images, observer: Observer) -> None:
    """Compute images by LiteRT's own kernels, all tensors kept, without XNNPACK, which keeps none.

    Args:
        path: a ``.tflite`` file with one input.
        images: uint8 ``[N, H, W, 3]``.
        observer: told of every value.

    Raises:
        MissingPackage: LiteRT is not installed.
        BundleError: the file is damaged.
    """
    module = packages.require(litert.LIBRARY, "device")
    graph = read(path)
    given = graph.tensors[graph.inputs[0]]
    with warnings.catch_warnings(), output_capture.captured():
        # It warns that keeping all tensors takes memory.
        warnings.simplefilter("ignore", UserWarning)
        interpreter = module.Interpreter(
            model_path=str(path),
            num_threads=1,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
    assert given.dtype is not None
    encoder = ImageInput.of(given.shape, _quantization(given) or Quantization(dtype=given.dtype), path.name)
    computed = sources(path)
    told = [
        (number, _name(number, tensor), _quantization(tensor) or Quantization(dtype=tensor.dtype))
        for number, tensor in enumerate(graph.tensors)
        if _name(number, tensor) in computed and tensor.dtype is not None
    ]
    for image, encoded in enumerate(encoder.encode(images)):
        interpreter.set_tensor(graph.inputs[0], encoded[np.newaxis])
        interpreter.invoke()
        for number, name, quantization in told:
            if quantization.is_float or len(graph.tensors[number].scales):
                observer(image, name, quantization.dequantize(interpreter.get_tensor(number)))


def _name(number: int, tensor: Tensor) -> str:
    """A name of a tensor that no other has."""
    return f"{number} {tensor.name}"


def _weight(operator: Operator, place: str, tensor: Tensor) -> Weight:
    values, step = _real(tensor)
    if operator.kind not in _CONVOLUTIONS or place != KERNEL:
        return Weight(values=values, step=step)
    # [1, H, W, C] of a depthwise kernel or [O, H, W, I] -> [O, I, H * W]
    order = (3, 0, 1, 2) if operator.kind == "DEPTHWISE_CONV_2D" else (0, 3, 1, 2)
    shape = [values.shape[axis] for axis in order]
    flat = values.transpose(order).reshape(shape[0], shape[1], -1)
    steps = None if step is None else np.broadcast_to(step, values.shape).transpose(order).reshape(flat.shape)
    return Weight(values=flat, step=steps)


def _real(tensor: Tensor) -> tuple[Numbers, Numbers | None]:
    assert tensor.constant is not None
    if tensor.constant.dtype.kind == "f" or not len(tensor.scales):
        return tensor.constant, None
    step = tensor.along_axis(tensor.scales)
    # 32-bit biases need more digits than a float32 holds.
    values = (tensor.constant.astype(np.float64) - tensor.along_axis(tensor.zero_points)) * step
    return values, step


def _quantization(tensor: Tensor) -> Quantization | None:
    if len(tensor.scales) != 1 or tensor.dtype is None:
        return None
    return stored_type(tensor.dtype, float(tensor.scales[0]), int(tensor.zero_points[0]))
