"""Ways to break an ONNX file that leave it loadable, or nearly so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Edit = Callable[[Any], None]


def apply(edit: Edit, path: Path) -> None:
    """Edit the graph of a file in place."""
    import onnx

    model = onnx.load(path)
    edit(model)
    path.write_bytes(model.SerializeToString())


def _constant(model: Any, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    from onnx import numpy_helper

    (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name == name]
    changed = np.asarray(change(numpy_helper.to_array(tensor).copy()))
    tensor.CopyFrom(numpy_helper.from_array(changed, name))


def _nodes(model: Any, kind: str) -> list[Any]:
    found = [node for node in model.graph.node if node.op_type == kind]
    assert found, f"the graph has no {kind}"
    return found


def _source(model: Any, node: Any, place: int) -> str:
    """The constant behind a node's input, through a DequantizeLinear where there is one."""
    name = node.input[place]
    for other in model.graph.node:
        if other.op_type == "DequantizeLinear" and name in other.output:
            return str(other.input[0])
    return str(name)


def _conv(number: int, place: int, change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    def edit(model: Any) -> None:
        _constant(model, _source(model, _nodes(model, "Conv")[number], place), change)

    return edit


def _bypass(kind: str) -> Edit:
    def edit(model: Any) -> None:
        node = _nodes(model, kind)[0]
        node.op_type = "Identity"
        del node.attribute[:]

    return edit


def _attribute(kind: str, number: int, name: str, values: list[int]) -> Edit:
    def edit(model: Any) -> None:
        (attribute,) = [item for item in _nodes(model, kind)[number].attribute if item.name == name]
        attribute.ints[:] = values

    return edit


def _head(change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    """Change the classifier's constants along the classes: the weights' last axis and the biases."""

    def edit(model: Any) -> None:
        node = (_nodes_or_none(model, "Gemm") or _nodes(model, "MatMul"))[0]
        for place in range(1, len(node.input)):
            _constant(model, _source(model, node, place), change)
            # In 8 bits each class has a scale of its own, which moves with it.
            for behind in _nodes_or_none(model, "DequantizeLinear"):
                if node.input[place] in behind.output:
                    _constant(model, behind.input[1], lambda scale: change(scale) if scale.size > 1 else scale)

    return edit


def _nodes_or_none(model: Any, kind: str) -> list[Any]:
    return [node for node in model.graph.node if node.op_type == kind]


def _one_weight(weights: np.ndarray) -> np.ndarray:
    weights.flat[weights.size // 2] += 2.0
    return weights


def _swap_two(classes: np.ndarray) -> np.ndarray:
    order = np.arange(classes.shape[-1])
    order[[2, 5]] = order[[5, 2]]
    return classes[..., order]


def _not_a_number(weights: np.ndarray) -> np.ndarray:
    weights.flat[0] = np.nan
    return weights


def _rescaling(model: Any) -> None:
    node = _nodes(model, "Mul")[0]
    names = {tensor.name for tensor in model.graph.initializer}
    _constant(model, next(name for name in node.input if name in names), lambda scale: scale * np.float32(1.1))


def _seen(kind: str, *constants: np.ndarray) -> Edit:
    """Change the image before the network sees it."""

    def edit(model: Any) -> None:
        from onnx import helper, numpy_helper

        graph = model.graph
        image, changed = graph.input[0].name, "image/changed"
        for node in graph.node:
            node.input[:] = [changed if name == image else name for name in node.input]
        names = [f"image/constant_{number}" for number in range(len(constants))]
        for name, constant in zip(names, constants, strict=True):
            graph.initializer.append(numpy_helper.from_array(constant, name))
        graph.node.insert(0, helper.make_node(kind, [image, *names], [changed]))

    return edit


def _reversed(axis: int) -> Edit:
    integers = [np.array([value], np.int64) for value in (-1, np.iinfo(np.int64).min, axis, -1)]
    return _seen("Slice", *integers)


def _labels(model: Any) -> None:
    (entry,) = [entry for entry in model.metadata_props if entry.key == "labels"]
    entry.value = json.dumps(json.loads(entry.value)[::-1])


def _activation_scale(model: Any) -> None:
    """A scale that the activations behind the second convolution are stored with, and read with another."""
    behind = _nodes(model, "QuantizeLinear")[2]
    name = f"{behind.input[1]}/wrong"
    _constant_copy(model, behind.input[1], name, 3.0)
    behind.input[1] = name


def _constant_copy(model: Any, source: str, name: str, factor: float) -> None:
    from onnx import numpy_helper

    (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name == source]
    scaled = (numpy_helper.to_array(tensor) * factor).astype(numpy_helper.to_array(tensor).dtype)
    model.graph.initializer.append(numpy_helper.from_array(scaled, name))


def _weight_scale(model: Any) -> None:
    name = _nodes(model, "Conv")[2].input[1]
    (node,) = [node for node in _nodes(model, "DequantizeLinear") if name in node.output]
    _constant(model, node.input[1], lambda scale: scale * np.float32(0.3))


def _dynamic(suffix: str, change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    """Change what dynamic quantization made of the last convolution's kernel."""

    def edit(model: Any) -> None:
        name = _nodes(model, "ConvInteger")[1].input[1].removesuffix("_quantized")
        _constant(model, name + suffix, change)

    return edit


def _slightly(weights: np.ndarray) -> np.ndarray:
    """One weight by as little as no answer shows."""
    place = np.abs(weights.astype(np.float64)).argmax()
    weights.flat[place] *= 0.98
    return weights


def _two_steps(weights: np.ndarray) -> np.ndarray:
    weights.flat[weights.size // 2] += -2 if weights.flat[weights.size // 2] > 0 else 2
    return weights


STRUCTURE: dict[str, Edit] = {
    "axes swapped": _conv(0, 1, lambda weights: weights.swapaxes(2, 3)),
    "activation dropped": _bypass("Relu"),
    "softmax dropped": _bypass("Softmax"),
    "stride": _attribute("Conv", 1, "strides", [2, 2]),
    "padding": _attribute("Conv", 0, "pads", [1, 1, 0, 0]),
    "classes swapped": _head(_swap_two),
    "channels swapped": _conv(0, 1, lambda weights: weights[:, ::-1]),
    "bias lost": _conv(2, 2, np.zeros_like),
    "labels reordered": _labels,
}

IMAGE: dict[str, Edit] = {
    "image mirrored": _reversed(2),
    "image upside down": _reversed(1),
    "image shifted": _seen("Pad", np.array([0, 2, 2, 0, 0, -2, -2, 0], np.int64)),
    "pixels of 0 to 1": _seen("Mul", np.float32(1 / 255).reshape(())),
    "pixels about 0": _seen("Sub", np.float32(128).reshape(())),
}

FLOAT: dict[str, Edit] = {
    **STRUCTURE,
    **IMAGE,
    "one weight": _conv(1, 1, _one_weight),
    "kernel mirrored": _conv(2, 1, lambda weights: weights[..., ::-1]),
    "filters reordered": _conv(0, 1, lambda weights: weights[::-1]),
    "rescaling": _rescaling,
    "not a number": _conv(0, 1, _not_a_number),
}

QUANTIZED: dict[str, Edit] = {
    **IMAGE,
    # Each of these in 8 bits, where only the class of sure images is held to the Keras model.
    "classes swapped": _head(_swap_two),
    "channels swapped": _conv(0, 1, lambda weights: weights[:, ::-1]),
    "axes swapped": _conv(0, 1, lambda weights: weights.swapaxes(2, 3)),
    "weights of another layout": _conv(2, 1, lambda weights: weights[::-1]),
    "activation scale": _activation_scale,
    "weight scales": _weight_scale,
    "a weight by two steps": _conv(2, 1, _two_steps),
    "bias lost": _conv(2, 2, np.zeros_like),
    "labels reordered": _labels,
}

HALF: dict[str, Edit] = {
    "a weight, slightly": _conv(1, 1, _slightly),
    "bias lost": _conv(2, 2, np.zeros_like),
    "activation dropped": _bypass("Relu"),
}

DYNAMIC: dict[str, Edit] = {
    "weight scales": _dynamic("_scale", lambda scale: scale * np.float32(0.3)),
    "a weight by two steps": _dynamic("_quantized", _two_steps),
}
