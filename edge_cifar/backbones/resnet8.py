"""ResNet8, the image-classification reference network of MLPerf Tiny.

Architecture: Banbury et al., "MLPerf Tiny Benchmark", 2021: three residual stacks of one block each,
16, 32 and 64 filters, convolutions with biases; 78,666 parameters with ten classes.
"""

from __future__ import annotations

from edge_cifar.backbones import Backbone, Keras, Tensor
from edge_cifar.backbones.shared.convolutions import convolution, normalized, width
from edge_cifar.backbones.shared.heads import pooled
from edge_cifar.backbones.shared.preprocessing import signed_range
from edge_cifar.backbones.shared.recipes import from_scratch
from edge_cifar.recipe import Augmentation, Phase, Recipe


def _block(keras: Keras, inputs: Tensor, filters: int, *, strides: int, name: str) -> Tensor:
    """Two 3x3 convolutions beside a shortcut; where the shape changes the shortcut is a bare 1x1 convolution."""
    hidden = convolution(keras, inputs, filters, strides=strides, name=f"{name}_conv1")
    hidden = normalized(keras, hidden, relu=True, name=f"{name}_bn1")
    hidden = convolution(keras, hidden, filters, name=f"{name}_conv2")
    hidden = normalized(keras, hidden, name=f"{name}_bn2")
    shortcut = inputs
    if strides != 1:
        shortcut = convolution(keras, inputs, filters, kernel=1, strides=strides, name=f"{name}_shortcut")
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_add")([shortcut, hidden]))


def build(keras: Keras, inputs: Tensor, *, classes: int, alpha: float) -> Tensor:
    """Stem, three stacks, average pooling, dense softmax. ``alpha`` scales the filters."""
    filters = [width(count, alpha) for count in (16, 32, 64)]
    hidden = convolution(keras, inputs, filters[0], name="stem_conv")
    hidden = normalized(keras, hidden, relu=True, name="stem_bn")
    for stack, count in enumerate(filters, start=1):
        hidden = _block(keras, hidden, count, strides=1 if stack == 1 else 2, name=f"stack{stack}")
    return pooled(keras, hidden, classes)


BACKBONE = Backbone(
    name="resnet8",
    build=build,
    # MLPerf's own network reads raw pixels; scaled ones train at usual rates.
    preprocess=signed_range,
    alphas=(0.5, 1.0, 2.0),
    source="Banbury et al. 2021 (MLPerf Tiny), https://arxiv.org/abs/2106.07597",
    parameters=78_666,
    multiply_adds=12_501_632,
    recipes={
        "default": from_scratch(
            epochs=80,
            learning_rate=0.1,
            # Keras decouples the decay from the momentum: this acts as 1e-4 in the usual coupled form.
            weight_decay=1e-3,
            warmup_epochs=2,
            optimizer="sgd",
            # Follows the weights closely enough that validation tells the truth after a few dozen steps too.
            batch_norm_momentum=0.9,
        ),
        # MLPerf Tiny's own training script: Adam, the rate times 0.99 each epoch, 500 epochs of 32. Its penalty on
        # the convolutions' weights (L2, 1e-4, part of the loss) is left out: recipes know decoupled decay alone.
        "report": Recipe(
            batch_size=32,
            optimizer="adam",
            validation_split=0.1,
            augmentation=Augmentation(flip=True, translation=0.1, rotation=15),
            phases=(Phase(name="scratch", epochs=500, learning_rate=1e-3, schedule="exponential", decay=0.99),),
        ),
    },
)
