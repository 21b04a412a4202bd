"""Models whose graph Keras does not know: classes of one's own and SavedModels, as functional models.

A model whose ``call`` is made of Keras layers and operations is called once with Keras' symbolic tensors, so that its
layers stand in the graph. What that cannot be done with is traced as a TensorFlow graph.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_cifar import packages, traced_graph
from edge_cifar.errors import ModelError, first_line
from edge_cifar.importing.inputs import Size
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.storage import files

SAVED_MODEL = "saved_model.pb"
_SIGNATURE = "serving_default"
_NAME = re.compile(r"[^A-Za-z0-9_]+")


def functional(model: Any, source: str, told: Preprocessing, size: Size | None) -> Any:
    """A model with a known graph that computes the same; itself if it has one.

    Args:
        model: a Keras model.
        source: what messages call it.
        told: channels and layout, as far as they are told.
        size: height and width of the images, where they are known.

    Raises:
        ModelError: its input is not known, it has no weights yet, or it cannot be traced.
    """
    keras = packages.require_keras()
    if _has_graph(keras, model):
        if not model.built or not model.inputs:
            raise ModelError(f"{source} has no weights yet; build and train it first")
        return model
    image = keras.Input(_input_shape(model, source, told, size), name="input")
    try:
        # Unlike calling the model, this enters its layers into the graph and not itself.
        return keras.Model(image, model.call(image))
    except Exception:
        # A `call` can contain any code, and so raises anything where it is not written for symbolic tensors.
        return keras.Model(image, traced(model, [image], source)(image))


def is_own(keras: Any, layer: Any) -> bool:
    """Whether a layer's class is somebody's own, or holds code, so that no file can carry it."""
    if not isinstance(layer, keras.layers.Layer) or type(layer) is traced_graph.layer_class():
        return False
    return type(layer).__module__.partition(".")[0] != "keras" or type(layer).__name__ == "Lambda"


def traced(layer: Any, tensors: Sequence[Any], source: str) -> Any:
    """A layer that computes what another does, as a TensorFlow graph.

    Args:
        layer: a layer or model.
        tensors: Keras' symbolic tensors that it is called with.
        source: what messages call the model.

    Raises:
        ModelError: it cannot be traced.
    """
    tensorflow = packages.require_tensorflow()
    specs = [tensorflow.TensorSpec(one.shape, one.dtype) for one in tensors]
    try:
        function = tensorflow.function(lambda *inputs: layer(*inputs, training=False))
        return traced_graph.of_function(function.get_concrete_function(*specs), layer.name)
    except Exception as error:
        # As above: whatever the code in it raises.
        raise ModelError(
            f"{source} has a layer of its own, {layer.name!r}, which TensorFlow cannot trace ({first_line(error)})"
        ) from error


def saved_model(folder: Path, trust: bool) -> Any:
    """A SavedModel as a functional model around its serving function.

    Args:
        folder: that TensorFlow or Keras wrote.
        trust: load it although its graph could read and write files.

    Raises:
        ModelError: it is damaged, could do anything on this machine, or has no serving function.
    """
    keras, tensorflow = packages.require_keras(), packages.require_tensorflow()
    try:
        if not trust:
            # Before it is loaded, which runs a part of it.
            _demand_harmless(folder)
        loaded = tensorflow.saved_model.load(str(folder))
        signatures = loaded.signatures
    except (*files.DAMAGE, tensorflow.errors.OpError) as error:
        raise ModelError(f"{folder} cannot be loaded as a SavedModel: {first_line(error)}") from error
    if not signatures:
        raise ModelError(f"{folder} has no serving function; save the model with model.export or model.save")
    function = signatures[_SIGNATURE if _SIGNATURE in signatures else next(iter(signatures))]
    specs = function.structured_input_signature[1]
    inputs = {
        name: keras.Input(batch_shape=spec.shape, dtype=spec.dtype.name, name=_NAME.sub("_", name))
        for name, spec in specs.items()
        if spec.shape.rank is not None
    }
    if len(inputs) < len(specs):
        raise ModelError(f"{folder} does not say what shape its input has; save it with one")
    names = list(function.structured_outputs)
    layer = traced_graph.of_function(_in_order(tensorflow, function, specs, names), "saved_model")
    answers = layer(*inputs.values())
    outputs = answers if isinstance(answers, list) else [answers]
    return keras.Model(list(inputs.values()), dict(zip(names, outputs, strict=True)), name=_NAME.sub("_", folder.name))


def _in_order(tensorflow: Any, function: Any, specs: Mapping[str, Any], names: Sequence[str]) -> Any:
    """A serving function, which takes and gives its tensors by name, with both in order."""

    def call(*tensors: Any) -> Any:
        answers = function(**dict(zip(specs, tensors, strict=True)))
        return [answers[name] for name in names]

    return tensorflow.function(call, autograph=False).get_concrete_function(*specs.values())


def _demand_harmless(folder: Path) -> None:
    document = packages.require("tensorflow.core.protobuf.saved_model_pb2", "train").SavedModel()
    try:
        document.ParseFromString((folder / SAVED_MODEL).read_bytes())
    except Exception as error:
        # Protobuf has an error of its own, which shares no base but Exception.
        raise ValueError(f"{SAVED_MODEL} is damaged ({first_line(error)})") from error
    for graph in document.meta_graphs:
        try:
            traced_graph.demand_harmless(traced_graph.operations(graph.graph_def))
        except ValueError as error:
            raise ValueError(f"{error}; if you trust where it comes from, add --trust") from error


def _has_graph(keras: Any, model: Any) -> bool:
    return (
        isinstance(model, keras.Sequential)
        or type(model).__name__ == "Functional"
        or bool(getattr(model, "inputs", None))
    )


def _input_shape(model: Any, source: str, told: Preprocessing, size: Size | None) -> tuple[int | None, ...]:
    """What a model was last built with, or what is told."""
    config = model.get_build_config() or {}
    shape = config.get("input_shape")
    if shape is not None and len(shape) > 1 and not isinstance(shape, dict):
        return tuple(shape[1:])
    if not model.built:
        raise ModelError(f"{source} has no weights yet; call it once on an image, and train it")
    if size is None:
        raise ModelError(f"{source} does not say what images it takes; tell it with --image-size")
    depth = 1 if told.channels == "gray" else 3
    return (depth, *size) if told.layout == "nchw" else (*size, depth)
