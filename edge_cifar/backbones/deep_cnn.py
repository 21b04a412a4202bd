"""Ten convolutions in five blocks, global average pooling and two dense layers: the deep CNN of a source report.

The report lists its layers with their parameters, 5,772,970 in all: in each block only the first
convolution is batch-normalized, and the very first has 5x5 kernels. The list has no activation
layers: ReLU is inside the convolutions and the dense layers. Dropout rates are not given.
"""

from __future__ import annotations

from edge_cifar.backbones import Backbone, Keras, Tensor
from edge_cifar.backbones.shared.convolutions import convolution, halved, normalized, width
from edge_cifar.backbones.shared.heads import hidden_dense, probabilities
from edge_cifar.backbones.shared.preprocessing import unit_range
from edge_cifar.backbones.shared.recipes import from_scratch
from edge_cifar.recipe import Phase, Recipe

# Filters and dropout rate of each block: the later a block, the more filters say the same.
_BLOCKS = ((32, 0.1), (64, 0.1), (128, 0.2), (256, 0.2), (512, 0.2))


def build(keras: Keras, inputs: Tensor, *, classes: int, alpha: float) -> Tensor:
    """The network; ``alpha`` scales the filters of the convolutions."""
    hidden = inputs
    for block, (filters, dropout) in enumerate(_BLOCKS, start=1):
        count = width(filters, alpha)
        kernel = 5 if block == 1 else 3
        hidden = convolution(keras, hidden, count, kernel=kernel, relu=True, name=f"block{block}_conv1")
        hidden = normalized(keras, hidden, name=f"block{block}_bn")
        hidden = convolution(keras, hidden, count, relu=True, name=f"block{block}_conv2")
        hidden = halved(keras, hidden, dropout=dropout, name=f"block{block}")
    hidden = keras.layers.GlobalAveragePooling2D(name="head_pool")(hidden)
    for index, units in enumerate((1024, 512), start=1):
        hidden = hidden_dense(keras, hidden, units, dropout=0.3, name=f"dense{index}")
    return probabilities(keras, hidden, classes)


BACKBONE = Backbone(
    name="deep-cnn",
    build=build,
    preprocess=unit_range,
    alphas=(0.25, 0.5, 1.0),
    source="source report: a deep CNN of 5,772,970 parameters, 85 %",
    parameters=5_772_970,
    multiply_adds=69_571_584,
    recipes={
        "default": from_scratch(
            epochs=24, learning_rate=1.5e-3, weight_decay=0.05, warmup_epochs=2, label_smoothing=0.05
        ),
        # The report gives no settings: Keras' usual ones.
        "report": Recipe(
            batch_size=64,
            validation_split=0.2,
            phases=(Phase(name="scratch", epochs=50, learning_rate=1e-3),),
        ),
    },
)
