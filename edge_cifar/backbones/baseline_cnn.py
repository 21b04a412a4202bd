"""Blocks of one convolution, batch normalization, max pooling and dropout: a source report's baseline.

The report: convolution 32 3x3 with ReLU, batch normalization, max pooling, dropout, deeper ones
likewise, flatten, dense. The deeper filters and the dropout rates are not given: 64, 128 and 256,
and 0.2 here.
"""

from __future__ import annotations

from edge_cifar.backbones import Backbone, Keras, Tensor
from edge_cifar.backbones.shared.convolutions import convolution, halved, normalized, width
from edge_cifar.backbones.shared.heads import probabilities
from edge_cifar.backbones.shared.preprocessing import unit_range
from edge_cifar.backbones.shared.recipes import from_scratch
from edge_cifar.recipe import Phase, Recipe


def build(keras: Keras, inputs: Tensor, *, classes: int, alpha: float) -> Tensor:
    """The network; ``alpha`` scales the filters of the convolutions."""
    hidden = inputs
    for block, filters in enumerate((32, 64, 128, 256), start=1):
        hidden = convolution(keras, hidden, width(filters, alpha), relu=True, name=f"block{block}_conv")
        hidden = normalized(keras, hidden, name=f"block{block}_bn")
        hidden = halved(keras, hidden, dropout=0.2, name=f"block{block}")
    return probabilities(keras, keras.layers.Flatten(name="head_flatten")(hidden), classes)


BACKBONE = Backbone(
    name="baseline-cnn",
    build=build,
    preprocess=unit_range,
    alphas=(0.25, 0.5, 1.0),
    minimum_size=16,
    source="source report: a baseline CNN, 82.0 % of the validation images after 10 epochs",
    parameters=400_586,
    multiply_adds=15_050_752,
    recipes={
        "default": from_scratch(epochs=20, learning_rate=2e-3, weight_decay=0.02, warmup_epochs=1, batch_size=64),
        # The validation split is not given.
        "report": Recipe(
            batch_size=64,
            validation_split=0.2,
            phases=(Phase(name="scratch", epochs=10, learning_rate=1e-3),),
        ),
    },
)
