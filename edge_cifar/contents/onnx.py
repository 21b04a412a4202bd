"""ONNX: the weights of an ``.onnx`` file, and the values on the way through it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar import packages
from edge_cifar.contents import Observer, Sources, Weight, damaged, wired
from edge_cifar.contents._onnx_file import Graph, Node, read, with_outputs
from edge_cifar.errors import BundleError
from edge_cifar.runtimes import Images, onnxruntime
from edge_cifar.runtimes._pixels import ImageInput, Quantization, stored_type

# How ONNX Runtime's quantizer names what it makes of a constant.
_QUANTIZED, _SCALE, _ZERO_POINT = "_quantized", "_scale", "_zero_point"
# How the converter names a node's third input.
_BIAS = "/constant_2"
_CONVOLUTIONS = ("Conv", "ConvInteger")


def weights(path: Path) -> dict[str, Weight]:
    """Every constant of floating point, or made of one, by the name that it has in full precision.

    Raises:
        BundleError: the file is damaged.
    """
    try:
        return _weights(read(path))
    except (ValueError, IndexError) as error:
        raise damaged(path, error) from error


def _weights(graph: Graph) -> dict[str, Weight]:
    readers = {node.inputs[0]: node for node in graph.nodes if node.kind == "DequantizeLinear" and node.inputs}
    found = {}
    for name, array in graph.constants.items():
        if name.endswith(_QUANTIZED):
            weight = _dequantized(graph, name, readers.get(name))
            if weight is not None:
                found[name.removesuffix(_QUANTIZED)] = weight
        elif array.dtype.kind == "f" and not name.endswith(_SCALE):
            found[name] = Weight(values=array)
    origins = {reader.outputs[0]: name for name, reader in readers.items()}
    for node in graph.nodes:
        if node.kind in _CONVOLUTIONS:
            source = _quantization(graph, readers.get(origins.get(node.inputs[0], "")))
            _shape(found, node, [origins.get(name, name).removesuffix(_QUANTIZED) for name in node.inputs], source)
    return found


def sources(path: Path) -> Sources:
    """The values that depend on the image.

    Raises:
        BundleError: the file is damaged.
    """
    return _sources(read(path))


def observe(path: Path, images: Images, observer: Observer) -> None:
    """Compute images by ONNX Runtime, its graph left as it is.

    Args:
        path: an ``.onnx`` file with one input.
        images: uint8 ``[N, H, W, 3]``.
        observer: told of every value.

    Raises:
        MissingPackage: ONNX Runtime is not installed.
        BundleError: the file is damaged.
    """
    runtime = packages.require(onnxruntime.LIBRARY, "device")
    graph = read(path)
    names = [name for name in _sources(graph) if name and name not in (*graph.inputs, *graph.outputs)]
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = runtime.InferenceSession(with_outputs(path.read_bytes(), names), options)
    (given,) = session.get_inputs()
    shape = tuple(size if isinstance(size, int) else None for size in given.shape)
    dtype = np.dtype(np.float32 if given.type == "tensor(float)" else np.uint8)
    encoder = ImageInput.of(shape, Quantization(dtype=dtype), path.name)
    names = [output.name for output in session.get_outputs()]
    for image, encoded in enumerate(encoder.encode(images)):
        values = session.run(names, {given.name: encoded[np.newaxis]})
        for name, value in zip(names, values, strict=True):
            if value.dtype.kind == "f":
                observer(image, name, value.astype(np.float32))


def _sources(graph: Graph) -> Sources:
    fed = [name for name in graph.inputs if name not in graph.constants]
    return wired(fed, ((node.inputs, node.outputs) for node in graph.nodes))


def _dequantized(graph: Graph, name: str, reader: Node | None) -> Weight | None:
    """A quantized constant by the scale that its reader gives it; by its name where nothing reads it alone."""
    stem = name.removesuffix(_QUANTIZED)
    names = reader.inputs[1:] if reader else (stem + _SCALE, stem + _ZERO_POINT)
    parameters = [graph.constants[given] for given in names if given in graph.constants]
    if not parameters:
        return None
    stored = graph.constants[name]
    scale, zero_point = (_along_channels(parameter, stored) for parameter in (*parameters, np.zeros(1))[:2])
    return Weight(values=(stored.astype(np.float64) - zero_point) * scale, step=scale)


def _along_channels(vector: NDArray[Any], stored: NDArray[Any]) -> NDArray[Any]:
    """A vector with a number for each output channel: the first axis of a kernel, the last of a matrix."""
    if vector.size == 1:
        return vector.reshape(())
    if vector.size not in stored.shape:
        raise BundleError(f"a constant of shape {stored.shape} has {vector.size} scales; the file is damaged")
    shape = [1] * stored.ndim
    shape[0 if stored.ndim != 2 or stored.shape[1] != vector.size else 1] = vector.size
    return vector.reshape(shape)


def _shape(found: dict[str, Weight], node: Node, names: Sequence[str], source: Quantization | None) -> None:
    """Bring a convolution's kernel into the form of :class:`Weight`, and tell its bias what it shifts.

    Args:
        found: the constants by name.
        node: the convolution.
        names: of its inputs, in full precision.
        source: how its first input is quantized.
    """
    if len(names) < 2 or names[1] not in found:
        return
    kernel = found[names[1]]
    flat = (*kernel.values.shape[:2], -1)
    step = kernel.step
    if step is not None:
        step = np.broadcast_to(step, kernel.values.shape).reshape(flat)
    found[names[1]] = Weight(values=kernel.values.reshape(flat), step=step)
    if node.kind == "Conv" and len(names) > 2 and names[2] in found:
        bias = found[names[2]]
        # By its node: int8 gives each a bias of its own.
        found[f"{node.name}{_BIAS}"] = Weight(values=bias.values, step=bias.step, shifts=names[1], source=source)


def _quantization(graph: Graph, reader: Node | None) -> Quantization | None:
    """What a value can be that comes out of a DequantizeLinear."""
    if reader is None or len(reader.inputs) != 3:
        return None
    scale, zero_point = (graph.constants.get(name) for name in reader.inputs[1:])
    if scale is None or zero_point is None or scale.size != 1 or zero_point.size != 1:
        return None
    return stored_type(zero_point.dtype, float(scale.item()), int(zero_point.item()))
