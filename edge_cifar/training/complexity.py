"""What a network costs by its structure alone: parameters and multiply-adds, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from edge_cifar import keras_graph
from edge_cifar.backbones import Model

# Layers in which each weight of a kernel is multiplied once for every position of the output.
_ONCE_PER_POSITION = frozenset({"Conv1D", "Conv2D", "Dense", "DepthwiseConv2D", "SeparableConv2D"})


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """One layer of a network.

    Attributes:
        name: the layer's name.
        type: its Keras class.
        output_shape: without the batch, such as (8, 8, 64).
        parameters: all weights, moving statistics included.
        multiply_adds: for one image; see :func:`layer_costs` for what is counted.
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


def layer_costs(model: Model) -> Iterator[LayerCost]:
    """The layers of a functional Keras model, in order, those of nested models in their place.

    Counted are the multiplications of convolutions and dense layers: for each position of the
    output, each weight of the kernel once (Howard et al. 2017, arXiv:1704.04861, section 3.1).
    Biases, normalizations (which fold into the convolution before them), activations, pooling
    and resizing are not, as in the papers' own figures.

    Raises:
        TypeError: a layer has a kernel of a kind whose cost is not known here.
    """
    for layer in keras_graph.layers(model):
        shape = tuple(int(side) for side in layer.output.shape[1:])
        yield LayerCost(
            name=layer.name,
            type=type(layer).__name__,
            output_shape=shape,
            parameters=layer.count_params(),
            multiply_adds=math.prod(shape[:-1]) * _kernel_weights(layer),
        )


def multiply_adds(model: Model) -> int:
    """Multiply-adds of a functional Keras model for one image.

    Raises:
        TypeError: a layer has a kernel of a kind whose cost is not known here.
    """
    return sum(layer.multiply_adds for layer in layer_costs(model))


def _kernel_weights(layer: Model) -> int:
    kernels = [math.prod(weight.shape) for weight in layer.weights if len(weight.shape) >= 2]
    if kernels and type(layer).__name__ not in _ONCE_PER_POSITION:
        raise TypeError(f"the MACs of layer {layer.name} ({type(layer).__name__}) are unknown")
    return sum(kernels)
