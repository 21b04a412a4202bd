"""TensorFlow Lite: the weights of a ``.tflite`` file, and the values on the way through it."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from edge_cifar import packages, quiet
from edge_cifar.contents import Numbers, Observer, Sources, Weight, damaged, wired
from edge_cifar.contents._tflite_file import Graph, Operator, Tensor, read
from edge_cifar.runtimes import Images, litert
from edge_cifar.runtimes._pixels import ImageInput, Quantization, stored_type

_PLACES = {"kernel": 1, "bias": 2}
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
# Several operators may read one constant, so the file's size is no bound. VGG16 with its ImageNet head: 138 million.
_MOST_NUMBERS = 1 << 28
_READERS = (*_CONVOLUTIONS, "FULLY_CONNECTED", "ADD", "MUL", "SUB")


def weights(path: Path) -> dict[str, Weight]:
    """Every constant that an operator computes with.

    Each goes by its operator's kind, the shapes of the operator's constants, the operator's number among those that
    are alike in these, and its place. Names are not used: the converter makes them anew for each precision. Operators
    may come and go with the precision; those with kernels keep their order.

    Raises:
        BundleError: the file is damaged.
    """
    try:
        return _weights(read(path))
    except (ValueError, IndexError) as error:
        raise damaged(path, error) from error


def _weights(graph: Graph) -> dict[str, Weight]:
    halves = {operator.outputs[0]: operator.inputs[0] for operator in graph.operators if operator.kind == "DEQUANTIZE"}
    counts: Counter[str] = Counter()
    found: dict[str, Weight] = {}
    numbers = 0
    for operator in graph.operators:
        if operator.kind not in _READERS:
            continue
        tensors = {
            place: graph.tensors[halves.get(number, number)]
            for place, number in enumerate(operator.inputs)
            if number >= 0
        }
        constants = {place: tensor for place, tensor in tensors.items() if tensor.constant is not None}
        if not constants:
            continue
        numbers += sum(math.prod(tensor.shape) for tensor in constants.values())
        if numbers > _MOST_NUMBERS:
            raise ValueError(f"more than {_MOST_NUMBERS:,} constants, which no image classifier has")
        # The shape of the kernel, or of whatever constant comes first.
        kind = f"{operator.kind} of {list(next(iter(constants.values())).shape)}"
        counts[kind] += 1
        stem = f"{kind} number {counts[kind]}"
        for place, tensor in constants.items():
            found[f"{stem}, input {place}"] = _weight(graph, operator, stem, place, tensor)
    return found


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
    with warnings.catch_warnings(), quiet.captured():
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


def _weight(graph: Graph, operator: Operator, stem: str, place: int, tensor: Tensor) -> Weight:
    values, step = _real(tensor)
    if operator.kind not in _CONVOLUTIONS:
        return Weight(values=values, step=step)
    if place == _PLACES["bias"]:
        kernel = f"{stem}, input {_PLACES['kernel']}"
        return Weight(values=values, step=step, shifts=kernel, source=_quantization(graph.tensors[operator.inputs[0]]))
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
