"""The network in an ONNX graph, whichever way its precision is spelled.

Pairs of QuantizeLinear and DequantizeLinear, casts and identities store values in another type; they become part of
what links operations. What dynamic quantization makes of a convolution or a matrix product (its input quantized as it
comes, multiplied as integers, cast, scaled, a bias added) becomes the one operation again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import BundleError
from edge_cifar.pixels import Quantization, stored_type
from edge_cifar.readers import BIAS, KERNEL, OPERAND, Link, Network, Operation, Weight
from edge_cifar.readers._onnx_attributes import counted, settings
from edge_cifar.readers._onnx_file import Graph, Node

_PASSING = ("Cast", "Identity", "Dropout")
# They only change the shape of a constant.
_RESHAPING = ("Reshape", "Squeeze", "Unsqueeze", "Flatten")
_INTEGERS = {"ConvInteger": "Conv", "MatMulInteger": "Gemm"}
_COMMUTATIVE = ("Add", "Mul")
# Which whole numbers stand at an operator's second place.
_SECOND = {
    **dict.fromkeys(("Squeeze", "Unsqueeze", "ReduceMean", "ReduceSum", "ReduceMax"), "axes"),
    "Reshape": "shape",
}
_IMAGE_RANK = 4


def network(graph: Graph) -> Network:
    """The operations of a graph that compute with its input.

    Raises:
        ValueError, IndexError: the graph does not hold together.
        BundleError: it does not, in words.
    """
    return _Reader(graph).network()


class _Reader:
    """Reads a graph node by node.

    Attributes:
        _links: by name, the values that are computed from the image.
        _ranks: of these, how many dimensions they have, where that is known.
        _weights: by name, the constants of floating point, or made of one.
        _scales: by name, the scale of a value that is quantized as it comes, and what it was multiplied by.
        _products: by name, products of whole numbers: of which node, value and constant.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        fed = [name for name in graph.inputs if name not in graph.constants]
        self._links: dict[str, Link] = dict.fromkeys(fed, Link(source=None))
        self._ranks: dict[str, int | None] = dict.fromkeys(fed, _IMAGE_RANK)
        self._weights = {
            name: Weight(values=array) for name, array in graph.constants.items() if array.dtype.kind == "f"
        }
        self._scales: dict[str, tuple[Link, NDArray[Any] | None]] = {}
        self._products: dict[str, tuple[Node, Link, NDArray[Any]]] = {}
        self._uses = Counter(name for node in graph.nodes for name in node.inputs)
        self._uses.update(graph.outputs)
        self._operations: list[Operation] = []

    def network(self) -> Network:
        for node in self._graph.nodes:
            if node.inputs and node.outputs and node.kind != "Constant":
                self._read(node)
        (name,) = self._graph.outputs
        if name not in self._links:
            raise ValueError("its output does not depend on its input")
        return Network(operations=tuple(self._operations), answer=self._links[name])

    def _read(self, node: Node) -> None:
        first, output = node.inputs[0], node.outputs[0]
        if node.kind in _PASSING and (first in self._links or first in self._products):
            self._pass(node)
        elif node.kind in ("QuantizeLinear", "DequantizeLinear") and first in self._links:
            self._links[output] = self._links[first].stored(self._quantization(node))
            self._ranks[output] = self._ranks.get(first)
        elif node.kind == "DequantizeLinear" and first in self._graph.constants:
            self._weights[output] = self._dequantized(node)
        elif node.kind in _RESHAPING and first in self._weights:
            self._weights[output] = self._reshaped(node)
        elif node.kind == "DynamicQuantizeLinear" and first in self._links:
            self._links[output] = self._links[first]
            self._ranks[output] = self._ranks.get(first)
            self._scales[node.outputs[1]] = self._links[first], None
        elif not (self._scaled(node) or self._multiplied(node) or self._biased(node)):
            self._add(node)

    def _pass(self, node: Node) -> None:
        first, output = node.inputs[0], node.outputs[0]
        if first in self._links:
            self._links[output], self._ranks[output] = self._links[first], self._ranks.get(first)
        else:
            self._products[output] = self._products[first]

    def _scaled(self, node: Node) -> bool:
        """Whether a node multiplies the scale of a value by that of a constant, or products by both."""
        if node.kind != "Mul" or len(node.inputs) != 2:
            return False
        for one, other in (node.inputs, node.inputs[::-1]):
            if one in self._scales and self._scales[one][1] is None and other in self._weights:
                self._scales[node.outputs[0]] = self._scales[one][0], self._weights[other].values
                return True
            if one in self._products and other in self._scales:
                link, scale = self._scales[other]
                source, given, integers = self._products[one]
                if scale is not None and link == given:
                    self._whole(node, source, given, integers, scale)
                    return True
        return False

    def _multiplied(self, node: Node) -> bool:
        """Whether a node multiplies whole numbers, of a value that was quantized as it comes and of a constant."""
        if node.kind not in _INTEGERS or len(node.inputs) < 2 or node.inputs[0] not in self._links:
            return False
        stored = self._graph.constants.get(node.inputs[1])
        if stored is None:
            return False
        zero = self._graph.constants.get(node.inputs[3]) if len(node.inputs) > 3 else None
        axis = 0 if node.kind == "ConvInteger" else stored.ndim - 1
        shifted = stored.astype(np.float64) - (0 if zero is None else _along(axis, zero, stored))
        self._products[node.outputs[0]] = node, self._links[node.inputs[0]], shifted
        self._ranks[node.outputs[0]] = self._ranks.get(node.inputs[0])
        return True

    def _whole(self, node: Node, source: Node, link: Link, integers: NDArray[Any], scale: NDArray[Any]) -> None:
        """Add the operation that was split into integers and their scales."""
        step = _along(0 if source.kind == "ConvInteger" else integers.ndim - 1, scale, integers)
        kernel = _kernel(source, Weight(values=integers * step, step=step))
        self._append(
            node,
            Operation(
                kind=_INTEGERS[source.kind],
                name=source.name,
                settings=settings(source.kind, source.attributes, None),
                links=(link,),
                weights={KERNEL: kernel},
            ),
            self._ranks.get(source.outputs[0]),
        )

    def _biased(self, node: Node) -> bool:
        """Whether a node adds the bias to a convolution or a matrix product that has none."""
        if node.kind != "Add" or len(node.inputs) != 2:
            return False
        for one, other in (node.inputs, node.inputs[::-1]):
            link, bias = self._links.get(one), self._weights.get(other)
            if link is None or bias is None or link.source is None or link.quantizations or self._uses[one] != 1:
                continue
            before = self._operations[link.source]
            kernel = before.weights.get(KERNEL)
            if kernel is None or BIAS in before.weights or bias.values.size != len(kernel.values):
                continue
            trailing = 2 if before.kind == "Conv" else 0
            if bias.values.shape[bias.values.ndim - trailing :] != (1,) * trailing:
                continue
            step = None if bias.step is None else bias.step.reshape(-1)
            added = Weight(values=bias.values.reshape(-1), step=step)
            outputs = tuple(node.outputs)
            self._operations[link.source] = replace(before, weights={**before.weights, BIAS: added}, outputs=outputs)
            self._links[node.outputs[0]], self._ranks[node.outputs[0]] = link, self._ranks.get(one)
            return True
        return False

    def _add(self, node: Node) -> None:
        """Add a node's operation, if it computes with the image."""
        links = tuple(self._links[name] for name in node.inputs if name in self._links)
        if not links:
            return
        rank = next((self._ranks.get(name) for name in node.inputs if name in self._links), None)
        kernel = self._weights.get(node.inputs[1]) if len(node.inputs) > 1 else None
        matrix = node.kind in ("Gemm", "MatMul") and kernel is not None and kernel.values.ndim == 2
        said = settings(node.kind, node.attributes, rank)
        weights: dict[str, Weight] = {}
        for number, name in enumerate(node.inputs):
            place = _place(node, number, matrix)
            if name in self._weights:
                weights[place] = self._weights[name]
            elif name in self._graph.constants:
                numbers = tuple(self._graph.constants[name].reshape(-1).tolist())
                said[place] = counted(numbers, rank) if place == "axes" else numbers
        if KERNEL in weights:
            weights[KERNEL] = _kernel(node, weights[KERNEL])
            said.pop("transB", None)
        kind = "Gemm" if matrix else node.kind
        operation = Operation(kind=kind, name=node.name, settings=said, links=links, weights=weights)
        self._append(node, operation, _rank(operation, rank))

    def _append(self, node: Node, operation: Operation, rank: int | None) -> None:
        for output, name in enumerate(node.outputs):
            self._links[name], self._ranks[name] = Link(source=len(self._operations), output=output), rank
        self._operations.append(replace(operation, outputs=tuple(node.outputs)))

    def _quantization(self, node: Node) -> Quantization | None:
        """What a value can be behind a QuantizeLinear or a DequantizeLinear."""
        scale, zero_point = (self._graph.constants.get(name) for name in (*node.inputs[1:3], "", "")[:2])
        if scale is None or scale.size != 1:
            raise BundleError(f"the scale of {node.kind} {node.name!r} is not a single constant")
        if zero_point is None:
            return stored_type(np.uint8, float(scale.item()), 0)
        return stored_type(zero_point.dtype, float(scale.item()), int(zero_point.reshape(-1)[0]))

    def _dequantized(self, node: Node) -> Weight:
        stored = self._graph.constants[node.inputs[0]]
        given = [self._graph.constants.get(name) for name in node.inputs[1:3]]
        if not given or given[0] is None:
            raise BundleError(f"the scale of {node.kind} {node.name!r} is not a constant")
        axis = int(node.attributes.get("axis", 1))
        scale = _along(axis, given[0], stored)
        zero = _along(axis, given[1], stored) if len(given) > 1 and given[1] is not None else 0
        return Weight(values=(stored.astype(np.float64) - zero) * scale, step=scale)

    def _reshaped(self, node: Node) -> Weight:
        weight = self._weights[node.inputs[0]]
        shape = self._graph.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
        if node.kind != "Reshape" or shape is None:
            return weight
        sides = tuple(int(side) for side in shape.reshape(-1))
        step = weight.step
        return Weight(
            values=weight.values.reshape(sides),
            step=None if step is None else np.broadcast_to(step, weight.values.shape).reshape(sides),
        )


def _place(node: Node, number: int, matrix: bool) -> str:
    if (node.kind == "Conv" or matrix) and number in (1, 2):
        return (KERNEL, BIAS)[number - 1]
    if node.kind in _COMMUTATIVE:
        return OPERAND
    return _SECOND.get(node.kind, f"input {number}") if number == 1 else f"input {number}"


def _kernel(node: Node, weight: Weight) -> Weight:
    """A kernel in the form of :class:`Weight`: outputs first."""
    values, step = weight.values, weight.step
    if step is not None:
        step = np.broadcast_to(step, values.shape)
    if node.kind in ("Conv", "ConvInteger"):
        flat = (*values.shape[:2], -1)
        return Weight(values=values.reshape(flat), step=None if step is None else step.reshape(flat))
    if node.attributes.get("transB"):
        return Weight(values=values, step=step)
    return Weight(values=values.T, step=None if step is None else step.T)


def _along(axis: int, vector: NDArray[Any], stored: NDArray[Any]) -> NDArray[Any]:
    """A vector of one number for each place along an axis of a constant, shaped to be combined with it."""
    if vector.size == 1:
        return vector.reshape(())
    if not -stored.ndim <= axis < stored.ndim or vector.size != stored.shape[axis]:
        raise BundleError(f"a constant of shape {list(stored.shape)} has {vector.size} scales along its axis {axis}")
    shape = [1] * stored.ndim
    shape[axis] = vector.size
    return vector.reshape(shape)


def _rank(operation: Operation, rank: int | None) -> int | None:
    """How many dimensions an operation's result has, where that is known."""
    said: Mapping[str, Any] = operation.settings
    if operation.kind in ("Flatten", "Gemm"):
        return 2
    if operation.kind == "Reshape":
        return len(said["shape"]) if "shape" in said else None
    if operation.kind == "Squeeze" or (operation.kind.startswith("Reduce") and said.get("keepdims") == 0):
        return None if rank is None or "axes" not in said else rank - len(said["axes"])
    return rank
