"""Three convolutions, each with max pooling, and two dense layers: a source report's own network.

The report gives no widths, and mentions batch normalization and dropout without their places. Here:
3x3 convolutions of 32, 64 and 128 filters with ReLU, each followed by max pooling, then by batch
normalization (a quarter of the values are left to normalize there) and dropout; dense layers of 256
and 128 units with ReLU and dropout; softmax.
"""

from __future__ import annotations

from edge_cifar.backbones import Backbone, Keras, Tensor
from edge_cifar.backbones.shared.convolutions import convolution, halved, normalized, width
from edge_cifar.backbones.shared.heads import hidden_dense, probabilities
from edge_cifar.backbones.shared.preprocessing import unit_range
from edge_cifar.backbones.shared.recipes import from_scratch
from edge_cifar.recipe import Phase, Recipe


def build(keras: Keras, inputs: Tensor, *, classes: int, alpha: float) -> Tensor:
    """The network; ``alpha`` scales the filters of the convolutions."""
    hidden = inputs
    for block, filters in enumerate((32, 64, 128), start=1):
        hidden = convolution(keras, hidden, width(filters, alpha), relu=True, name=f"block{block}_conv")
        hidden = halved(keras, hidden, name=f"block{block}")
        hidden = normalized(keras, hidden, name=f"block{block}_bn")
        hidden = keras.layers.Dropout(0.2, name=f"block{block}_dropout")(hidden)
    hidden = keras.layers.Flatten(name="head_flatten")(hidden)
    for index, units in enumerate((256, 128), start=1):
        hidden = hidden_dense(keras, hidden, units, dropout=0.3, name=f"dense{index}")
    return probabilities(keras, hidden, classes)


BACKBONE = Backbone(
    name="custom-cnn",
    build=build,
    preprocess=unit_range,
    alphas=(0.25, 0.5, 1.0),
    minimum_size=8,
    source="source report: a custom CNN, 78.9 % after 100 epochs",
    parameters=652_874,
    multiply_adds=10_880_256,
    recipes={
        "default": from_scratch(epochs=30, learning_rate=2e-3, weight_decay=0.02, warmup_epochs=1),
        # Batch size and validation split are not given.
        "report": Recipe(
            batch_size=64,
            validation_split=0.1,
            phases=(
                Phase(name="scratch", epochs=100, learning_rate=1e-3, schedule="step", decay=0.1, decay_epochs=20),
            ),
        ),
    },
)
