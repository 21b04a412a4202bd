"""Outputs of a Keras model have the same names wherever it is taken: those of its layers."""

from __future__ import annotations

import pytest

from edge_cifar import keras_graph, packages
from edge_cifar.errors import BundleError
from edge_cifar.pixels import Setup
from edge_cifar.runtimes.keras import KerasRuntime

pytest.importorskip("tensorflow", reason="the model is a Keras model")


def test_outputs_are_called_as_the_layers_that_they_come_from() -> None:
    keras = packages.require_keras()
    image = keras.Input((4, 4, 3))
    flat = keras.layers.Flatten()(image)
    colour, shape = keras.layers.Dense(3, name="colour")(flat), keras.layers.Dense(5, name="shape")(flat)
    model = keras.Model(image, [colour, shape])
    assert list(keras_graph.outputs_by_name(model)) == ["colour", "shape"]
    assert KerasRuntime(model, Setup(output="shape")).classes == 5
    with pytest.raises(BundleError, match=r"2 outputs \(colour, shape\)"):
        KerasRuntime(model)
