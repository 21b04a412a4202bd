"""Keras models as one flat graph of layers: converters and comparisons look at layers, and do not look into models."""

from __future__ import annotations

from typing import Any


def flat(keras: Any, model: Any) -> Any:
    """A functional model that computes the same, the layers of Sequential and nested models in the place of these.

    Args:
        keras: the Keras namespace.
        model: any Keras model; one that is flat already, or has a class of its own, comes back as it is.
    """
    if not _is_graph(keras, model) or not (isinstance(model, keras.Sequential) or _has_nested(keras, model)):
        return model
    while isinstance(model, keras.Sequential) or _has_nested(keras, model):
        if isinstance(model, keras.Sequential):
            inputs = keras.Input(batch_shape=model.input_shape, name=model.inputs[0].name)
            # A model's `call`, unlike calling the model, enters its layers into the graph and not itself.
            model = keras.Model(inputs, model.call(inputs))
        else:
            model = _opened(keras, model)
    # Each layer stands in the graphs that it came from, too; a copy stands in this one alone.
    fresh = keras.models.clone_model(model)
    fresh.set_weights(model.get_weights())
    return fresh


def _opened(keras: Any, model: Any) -> Any:
    """A functional model with the models directly inside it opened."""

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        return layer.call(*arguments) if _is_graph(keras, layer) else layer(*arguments, **options)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


def _has_nested(keras: Any, model: Any) -> bool:
    return any(_is_graph(keras, layer) for layer in model.layers)


def _is_graph(keras: Any, layer: Any) -> bool:
    """Whether a layer is a model whose layers make a known graph: not one with a `call` of its own."""
    return isinstance(layer, keras.Model) and (
        isinstance(layer, keras.Sequential) or type(layer).__name__ == "Functional"
    )
