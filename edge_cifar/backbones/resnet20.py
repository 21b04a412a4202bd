"""ResNet20, the small residual network made for CIFAR-10.

Architecture: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2:
three stacks of three basic blocks, 16, 32 and 64 filters. Where the shape changes the shortcut is a
1x1 convolution, which converters fold, in place of the paper's padding with zeros: 272,474 trainable
parameters with ten classes instead of 269,722.
"""

from __future__ import annotations

from edge_cifar.backbones import Backbone, Keras, Tensor
from edge_cifar.backbones.shared.convolutions import width
from edge_cifar.backbones.shared.heads import pooled
from edge_cifar.backbones.shared.preprocessing import signed_range
from edge_cifar.backbones.shared.recipes import AUGMENTATION, from_scratch
from edge_cifar.backbones.shared.residual import residual_trunk
from edge_cifar.recipe import Phase, Recipe


def build(keras: Keras, inputs: Tensor, *, classes: int, alpha: float) -> Tensor:
    """Stem, three stacks, average pooling, dense softmax; ``alpha`` scales the filters."""
    filters = [width(count, alpha) for count in (16, 32, 64)]
    return pooled(keras, residual_trunk(keras, inputs, filters=filters, blocks=3), classes)


BACKBONE = Backbone(
    name="resnet20",
    build=build,
    preprocess=signed_range,
    alphas=(0.5, 1.0, 2.0),
    minimum_size=8,
    source="He et al. 2016, https://arxiv.org/abs/1512.03385",
    parameters=274_042,
    multiply_adds=40_813_184,
    recipes={
        "default": from_scratch(epochs=60, learning_rate=0.1, weight_decay=1e-3, warmup_epochs=2, optimizer="sgd"),
        # The paper: batch 128, 64,000 steps on 45,000 images, a tenth of the rate after 32,000 and 48,000.
        # Its weight decay of 1e-4 is part of the gradient: 1e-3 when decoupled, under a momentum of 0.9.
        "report": Recipe(
            batch_size=128,
            optimizer="sgd",
            weight_decay=1e-3,
            validation_split=0.1,
            augmentation=AUGMENTATION,
            phases=(
                Phase(name="scratch", epochs=182, learning_rate=0.1, schedule="step", decay=0.1, step_epochs=(91, 137)),
            ),
        ),
    },
)
