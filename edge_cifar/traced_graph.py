"""A Keras layer that computes a TensorFlow graph: what somebody's own layer or SavedModel computes, without its code.

The graph, its weights among it as constants, travels in the ``.keras`` file as an asset of the layer. TensorFlow's
graphs can read and write files: those with operations that do are refused, whoever wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from edge_cifar import packages

_FILE = "graph.pb"
# Operations that run Python, read or write files, or talk to other machines.
_REFUSED = re.compile(
    r"(Eager)?PyFunc\w*|ReadFile|WriteFile|MatchingFiles|\w*Reader(V2)?|\w*Summary\w*|\w*Dataset\w*|Rpc\w*|_?Send|_?Recv"
)

Shape = Sequence[int | None]


def demand_harmless(operations: Iterable[str]) -> None:
    """Refuse a graph by the names of its operations.

    Raises:
        ValueError: one of them runs Python, or reads or writes files.
    """
    if found := sorted({name for name in operations if _REFUSED.fullmatch(name)}):
        raise ValueError(f"its TensorFlow graph could read or write files, or run code: it has {', '.join(found)}")


def operations(graph: Any) -> Iterable[str]:
    """The names of all operations of a GraphDef, those of its functions included."""
    yield from (node.op for node in graph.node)
    yield from (node.op for function in graph.library.function for node in function.node_def)


@cache
def layer_class() -> Any:
    """The layer's class, known to Keras by its name once it was asked for."""
    keras = packages.require_keras()
    tensorflow = packages.require_tensorflow()

    @keras.saving.register_keras_serializable("edge_cifar")
    class TracedGraph(keras.layers.Layer):  # type: ignore[misc,name-defined]
        """Computes a graph.

        Attributes:
            outputs: names of the graph's outputs, in their order.
            shapes: of the outputs, the batch included.
        """

        def __init__(
            self, inputs: Sequence[str], outputs: Sequence[str], shapes: Sequence[Shape], **options: Any
        ) -> None:
            super().__init__(trainable=False, **options)
            self.inputs, self.outputs, self.shapes = list(inputs), list(outputs), [tuple(shape) for shape in shapes]
            self._graph: Any = None
            self._eager: Any = None
            self.built = True

        def get_config(self) -> dict[str, Any]:
            shapes = [list(shape) for shape in self.shapes]
            return {
                **{key: value for key, value in super().get_config().items() if key != "trainable"},
                "inputs": self.inputs,
                "outputs": self.outputs,
                "shapes": shapes,
            }

        def build(self, *shapes: Any) -> None:
            """There is nothing to build."""

        def compute_output_spec(self, *inputs: Any, **options: Any) -> Any:
            specs = [keras.KerasTensor(shape, dtype="float32") for shape in self.shapes]
            return specs[0] if len(specs) == 1 else specs

        def call(self, *inputs: Any) -> Any:
            if tensorflow.executing_eagerly():
                results = self._eager(*inputs)
            else:
                # Into the graph of whoever converts it, not as the call of a function.
                given = dict(zip(self.inputs, inputs, strict=True))
                results = tensorflow.graph_util.import_graph_def(
                    self._graph, input_map=given, return_elements=self.outputs, name=self.name
                )
            return results[0] if len(results) == 1 else results

        def save_assets(self, folder: str) -> None:
            Path(folder, _FILE).write_bytes(self._graph.SerializeToString())

        def load_assets(self, folder: str) -> None:
            graph = tensorflow.compat.v1.GraphDef()
            graph.ParseFromString(Path(folder, _FILE).read_bytes())
            self.hold(graph)

        def hold(self, graph: Any) -> None:
            """Take the graph that the layer is to compute."""
            demand_harmless(operations(graph))
            self._graph = graph
            whole = tensorflow.compat.v1.wrap_function(
                lambda: tensorflow.graph_util.import_graph_def(graph, name=""), []
            )
            ends = [whole.graph.get_tensor_by_name(name) for name in self.outputs]
            self._eager = whole.prune([f"{name}:0" for name in self.inputs], ends)

    return TracedGraph


def with_constants(concrete: Any) -> Any:
    """A concrete TensorFlow function whose variables are turned into constants."""
    constants = packages.require("tensorflow.python.framework.convert_to_constants", "train")
    return constants.convert_variables_to_constants_v2(concrete)


def of_function(concrete: Any, name: str) -> Any:
    """A layer that computes what a concrete TensorFlow function does, its variables turned into constants.

    Args:
        concrete: the function; its outputs are tensors.
        name: of the layer.
    """
    frozen = with_constants(concrete)
    layer = layer_class()(
        inputs=[one.name.partition(":")[0] for one in frozen.inputs],
        outputs=[one.name for one in frozen.outputs],
        shapes=[tuple(one.shape) for one in frozen.outputs],
        name=name,
    )
    layer.hold(frozen.graph.as_graph_def())
    return layer
