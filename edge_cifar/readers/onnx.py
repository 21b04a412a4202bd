"""ONNX: the network in an ``.onnx`` file, and the values on the way through it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_cifar import packages
from edge_cifar.errors import BundleError
from edge_cifar.int8_saturation import LARGEST_PAIR
from edge_cifar.pixels import ImageInput, Images, Quantization
from edge_cifar.readers import Network, Observer, Sources, _onnx_network, damaged, wired
from edge_cifar.readers._onnx_file import Graph, read, with_outputs
from edge_cifar.readers._onnx_products import overflowing
from edge_cifar.runtimes import onnxruntime


def network(path: Path) -> Network:
    """The operations that compute with the image, and their constants.

    Raises:
        BundleError: the file is damaged.
    """
    graph = read(path)
    try:
        return _onnx_network.network(graph)
    except (ValueError, IndexError, TypeError, BundleError) as error:
        raise damaged(path, error) from error


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


def overflow(path: Path) -> str | None:
    """Why a file gives other answers on x86 processors without VNNI, in words; None where it does not.

    Raises:
        BundleError: the file is damaged.
    """
    found = overflowing(path)
    if not found:
        return None
    name = max(found, key=lambda name: found[name])
    return (
        "its 8-bit products can overflow the 16-bit sums of x86 processors without VNNI: two weights of a filter "
        f"of {name!r} have magnitudes that sum to {found[name]}; at most {LARGEST_PAIR} is safe"
    )


def _sources(graph: Graph) -> Sources:
    fed = [name for name in graph.inputs if name not in graph.constants]
    return wired(fed, ((node.inputs, node.outputs) for node in graph.nodes))
