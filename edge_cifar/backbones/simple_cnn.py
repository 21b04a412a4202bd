"""Three convolutions and one wide dense layer, the simplest network of the source reports.

Convolutions of 32, 64 and 128 filters, each with batch normalization and ReLU; max pooling after the
first and the second; dense 512, dropout 0.5, dense softmax. The report gives no kernel size and no
padding: 3x3 here, and none, as Keras has it where nothing is said.
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
        hidden = convolution(keras, hidden, width(filters, alpha), padding="valid", name=f"block{block}_conv")
        hidden = normalized(keras, hidden, relu=True, name=f"block{block}_bn")
        if block < 3:
            hidden = halved(keras, hidden, name=f"block{block}")
    flat = keras.layers.Flatten(name="head_flatten")(hidden)
    return probabilities(keras, hidden_dense(keras, flat, 512, dropout=0.5, name="dense"), classes)


BACKBONE = Backbone(
    name="simple-cnn",
    build=build,
    preprocess=unit_range,
    alphas=(0.25, 0.5, 1.0),
    minimum_size=18,
    source="source report: a simple CNN, 74.5 % after 10 epochs",
    parameters=1_148_362,
    multiply_adds=6_125_952,
    recipes={
        # As many epochs as the report's.
        "default": from_scratch(epochs=10, learning_rate=1e-3, weight_decay=0.02, warmup_epochs=0.5, batch_size=64),
        "report": Recipe(
            batch_size=32,
            validation_split=0.2,
            # The training is the report's. Its moving statistics lag behind weights that move this fast, and are
            # computed anew at the end.
            phases=(Phase(name="scratch", epochs=10, learning_rate=1e-3, reestimate_batch_norm=True),),
        ),
    },
)
