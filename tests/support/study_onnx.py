"""Systematic changes of an ONNX graph: every place broken in each of its ways, and changes that mean nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Edit = Callable[[Any], None]


def _set(number: int, change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    def edit(model: Any) -> None:
        from onnx import numpy_helper

        tensor = model.graph.initializer[number]
        array = numpy_helper.to_array(tensor)
        changed = np.asarray(change(array.copy())).astype(array.dtype)
        tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))

    return edit


def largest(change: Callable[[Any], Any]) -> Callable[[np.ndarray], np.ndarray]:
    """A change of the largest number of an array."""

    def applied(array: np.ndarray) -> np.ndarray:
        place = np.abs(array.astype(np.float64)).argmax()
        array.reshape(-1)[place] = change(array.reshape(-1)[place])
        return array

    return applied


def mutants(model: Any) -> Iterator[tuple[str, Edit]]:
    """Every constant, scale, zero point, operator and link of a graph, changed one at a time."""
    from onnx import numpy_helper

    scales = {node.input[1] for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")}
    zeros = {node.input[2] for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")}
    for number, tensor in enumerate(model.graph.initializer):
        array = numpy_helper.to_array(tensor)
        name = tensor.name
        if name in scales or name.endswith("_scale"):
            for factor in (0.5, 0.9, 1.1, 2.0):
                yield f"scale {name} x {factor}", _set(number, lambda scale, factor=factor: scale * factor)
        elif name in zeros or name.endswith("_zero_point"):
            if array.dtype == np.uint8:
                for step in (1, 5, 250):
                    yield f"zero point {name} + {step}", _set(number, lambda zero, step=step: zero + np.uint8(step))
        elif array.dtype.kind == "f":
            yield f"float {name} x 1.05", _set(number, lambda values: values * 1.05)
            yield f"largest of {name} x 0.9", _set(number, largest(lambda value: value * 0.9))
            yield f"largest of {name} lost", _set(number, largest(lambda value: value * 0))
        elif array.dtype == np.int8:
            yield f"largest of {name} off", _set(number, largest(lambda value: value - 3 * np.sign(value)))
            yield f"{name} negated", _set(number, lambda values: -values)
        elif array.dtype == np.int32:
            yield f"largest of {name} x 0.8", _set(number, largest(lambda value: int(value * 0.8)))
            yield f"{name} lost", _set(number, np.zeros_like)
    yield from _operators(model)


_OTHERS = {
    "Relu": ("Identity", "LeakyRelu", "Abs"),
    "Add": ("Sub", "Mul", "Max"),
    "GlobalAveragePool": ("GlobalMaxPool",),
    "Softmax": ("Sigmoid", "LogSoftmax"),
    "MaxPool": ("AveragePool",),
}


def _operators(model: Any) -> Iterator[tuple[str, Edit]]:
    for number, node in enumerate(model.graph.node):
        for kind in _OTHERS.get(node.op_type, ()):
            yield f"{node.name} as {kind}", _kind(number, kind)
        if node.op_type == "Add" and len(set(node.input)) == 2:
            yield f"{node.name} of one value twice", _twice(number)
        for place, attribute in enumerate(node.attribute):
            if attribute.name == "pads" and any(attribute.ints):
                yield f"pads of {node.name} reversed", _integers(number, place, lambda pads: pads[::-1])
                yield f"pads of {node.name} moved", _integers(number, place, lambda pads: [*pads[2:], *pads[:2]])
            if attribute.name == "alpha":
                yield f"alpha of {node.name}", _float(number, place, 1.2)


def _kind(number: int, kind: str) -> Edit:
    def edit(model: Any) -> None:
        node = model.graph.node[number]
        node.op_type = kind
        if kind in ("Sigmoid", "Abs", "Identity"):
            del node.attribute[:]

    return edit


def _twice(number: int) -> Edit:
    def edit(model: Any) -> None:
        model.graph.node[number].input[1] = model.graph.node[number].input[0]

    return edit


def _integers(number: int, place: int, change: Callable[[list[int]], list[int]]) -> Edit:
    def edit(model: Any) -> None:
        attribute = model.graph.node[number].attribute[place]
        attribute.ints[:] = change(list(attribute.ints))

    return edit


def _float(number: int, place: int, value: float) -> Edit:
    def edit(model: Any) -> None:
        model.graph.node[number].attribute[place].f = value

    return edit


def _rename(what: Callable[[str], bool]) -> Edit:
    """Other names for all values, except those that callers know."""

    def edit(model: Any) -> None:
        graph = model.graph
        kept = {value.name for value in (*graph.input, *graph.output)} | {""}
        constants = {tensor.name for tensor in graph.initializer}
        names: dict[str, str] = {}

        def other(name: str) -> str:
            if name in kept or not what("constant" if name in constants else "value"):
                return name
            return names.setdefault(name, f"v{len(names)}")

        for node in graph.node:
            node.input[:] = [other(name) for name in node.input]
            node.output[:] = [other(name) for name in node.output]
        for tensor in (*graph.initializer, *graph.value_info):
            tensor.name = other(tensor.name)

    return edit


def _nodes_renamed(model: Any) -> None:
    for number, node in enumerate(model.graph.node):
        node.name, node.doc_string = f"n{number}", "another"


def _reordered(model: Any) -> None:
    """Nodes in another order in which they can be computed."""
    graph = model.graph
    waiting = list(graph.node)
    known = {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input} | {""}
    order = []
    while waiting:
        node = next(node for node in reversed(waiting) if set(node.input) <= known)
        waiting.remove(node)
        order.append(copy.deepcopy(node))
        known |= set(node.output)
    del graph.node[:]
    graph.node.extend(order)


def _swapped(model: Any) -> None:
    for node in model.graph.node:
        if node.op_type == "Add":
            node.input[:] = list(node.input)[::-1]


def _defaults_spelled(model: Any) -> None:
    from onnx import helper

    for node in model.graph.node:
        present = {attribute.name for attribute in node.attribute}
        for name, value in {"Conv": {"auto_pad": "NOTSET", "group": 1}, "Softmax": {"axis": -1}}.get(
            node.op_type, {}
        ).items():
            if name not in present:
                node.attribute.append(helper.make_attribute(name, value))


def _defaults_left_out(model: Any) -> None:
    for node in model.graph.node:
        if node.op_type in ("Conv", "ConvInteger"):
            kept = [
                attribute
                for attribute in node.attribute
                if attribute.name not in ("auto_pad", "kernel_shape")
                and not (attribute.name in ("strides", "dilations") and set(attribute.ints) == {1})
                and not (attribute.name == "group" and attribute.i == 1)
                and not (attribute.name == "pads" and set(attribute.ints) == {0})
            ]
            del node.attribute[:]
            node.attribute.extend(kept)


def _as_numbers(model: Any) -> None:
    """Constants as lists of numbers, not as bytes."""
    from onnx import numpy_helper

    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32:
            tensor.ClearField("raw_data")
            tensor.float_data[:] = array.reshape(-1).tolist()


def _as_nodes(model: Any) -> None:
    """Constants of floats as nodes of their own."""
    from onnx import helper, numpy_helper

    floats = [tensor for tensor in model.graph.initializer if numpy_helper.to_array(tensor).dtype == np.float32]
    for tensor in copy.deepcopy(floats):
        model.graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], value=tensor))
    kept = [tensor for tensor in model.graph.initializer if tensor not in floats]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _identity(model: Any) -> None:
    from onnx import helper

    graph = model.graph
    (name,) = [value.name for value in graph.output]
    for node in graph.node:
        node.output[:] = ["before/the/end" if output == name else output for output in node.output]
    graph.node.append(helper.make_node("Identity", ["before/the/end"], [name]))


def _dead(model: Any) -> None:
    from onnx import numpy_helper

    model.graph.initializer.append(numpy_helper.from_array(np.ones((3, 3), np.float32), "nobody/reads/this"))


def _described(model: Any) -> None:
    model.producer_name, model.producer_version, model.doc_string = "somebody", "2", "a text"
    model.graph.name, model.graph.doc_string = "graph", "a text"
    entry = model.metadata_props.add()
    entry.key, entry.value = "author", "somebody"


def _no_shapes(model: Any) -> None:
    del model.graph.value_info[:]


def _batch(model: Any) -> None:
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"


def _initializers_reversed(model: Any) -> None:
    kept = list(copy.deepcopy(list(model.graph.initializer)))[::-1]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


HARMLESS: dict[str, Edit] = {
    "written again": lambda model: None,
    "constants renamed": _rename(lambda kind: kind == "constant"),
    "values renamed": _rename(lambda kind: kind == "value"),
    "all renamed": _rename(lambda kind: True),
    "nodes renamed": _nodes_renamed,
    "nodes in another order": _reordered,
    "constants in another order": _initializers_reversed,
    "operands swapped": _swapped,
    "defaults spelled out": _defaults_spelled,
    "defaults left out": _defaults_left_out,
    "constants as numbers": _as_numbers,
    "constants as nodes": _as_nodes,
    "an identity at the end": _identity,
    "a constant that nothing reads": _dead,
    "described otherwise": _described,
    "no shapes of values": _no_shapes,
    "another name of the batch": _batch,
}
