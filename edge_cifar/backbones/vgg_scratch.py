"""A VGG13 with batch normalization, fitted to 32x32 images, as a source report trained it from nothing.

Architecture: configuration B of Simonyan and Zisserman, "Very Deep Convolutional Networks for
Large-Scale Image Recognition", 2014, in the report's form: five blocks of two convolutions, each
followed by batch normalization, and two dense layers of 4,096 units; 28,340,298 parameters. (The
report prints 590,080 for one batch normalization, a slip for 1,024.) Its list has no activation
layers: ReLU is inside the convolutions.
"""

from __future__ import annotations

from edge_cifar.backbones import Backbone, Keras, Tensor
from edge_cifar.backbones.shared.convolutions import convolution, halved, normalized, width
from edge_cifar.backbones.shared.heads import hidden_dense, probabilities
from edge_cifar.backbones.shared.preprocessing import unit_range
from edge_cifar.backbones.shared.recipes import from_scratch
from edge_cifar.recipe import Phase, Recipe


def build(keras: Keras, inputs: Tensor, *, classes: int, alpha: float) -> Tensor:
    """The network; ``alpha`` scales the filters of the convolutions and the units of the dense layers."""
    hidden = inputs
    for block, filters in enumerate((64, 128, 256, 512, 512), start=1):
        for index in (1, 2):
            hidden = convolution(keras, hidden, width(filters, alpha), relu=True, name=f"block{block}_conv{index}")
            hidden = normalized(keras, hidden, name=f"block{block}_bn{index}")
        hidden = halved(keras, hidden, name=f"block{block}")
    hidden = keras.layers.Flatten(name="head_flatten")(hidden)
    for index in (1, 2):
        hidden = hidden_dense(keras, hidden, width(4096, alpha), dropout=0.5, name=f"dense{index}")
    return probabilities(keras, hidden, classes)


BACKBONE = Backbone(
    name="vgg-scratch",
    build=build,
    preprocess=unit_range,
    alphas=(0.25, 0.5, 1.0),
    source="source report: VGG from scratch, 28,340,298 parameters, 77 %; Simonyan and Zisserman 2014, "
    "https://arxiv.org/abs/1409.1556",
    parameters=28_340_298,
    multiply_adds=247_177_216,
    recipes={
        "default": from_scratch(epochs=24, learning_rate=1e-3, weight_decay=0.05, warmup_epochs=1, label_smoothing=0.1),
        # The report gives no settings: Keras' usual ones.
        "report": Recipe(
            batch_size=64,
            validation_split=0.2,
            phases=(Phase(name="scratch", epochs=50, learning_rate=1e-3),),
        ),
    },
)
