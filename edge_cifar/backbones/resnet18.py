"""ResNet18 with a stem fitted to 32x32 images.

Architecture: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016: four stacks of two
basic blocks, 64 to 512 filters. The 7x7 stem of stride 2 and its pooling, made for 224 pixels, give
way to one 3x3 convolution; 11,173,962 trainable parameters with ten classes.
"""

from __future__ import annotations

from edge_cifar.backbones import Backbone, Keras, Tensor
from edge_cifar.backbones.shared.convolutions import width
from edge_cifar.backbones.shared.heads import pooled
from edge_cifar.backbones.shared.preprocessing import signed_range
from edge_cifar.backbones.shared.recipes import from_scratch
from edge_cifar.backbones.shared.residual import residual_trunk
from edge_cifar.recipe import Phase, Recipe


def build(keras: Keras, inputs: Tensor, *, classes: int, alpha: float) -> Tensor:
    """Stem, four stacks, average pooling, dense softmax; ``alpha`` scales the filters."""
    filters = [width(count, alpha) for count in (64, 128, 256, 512)]
    return pooled(keras, residual_trunk(keras, inputs, filters=filters, blocks=2), classes)


BACKBONE = Backbone(
    name="resnet18",
    build=build,
    preprocess=signed_range,
    alphas=(0.25, 0.5, 1.0),
    minimum_size=8,
    source="He et al. 2016, https://arxiv.org/abs/1512.03385; source report: 78.7 %",
    parameters=11_183_562,
    multiply_adds=555_422_720,
    recipes={
        "default": from_scratch(
            epochs=12,
            learning_rate=0.1,
            # Decoupled: what the usual 5e-4 added to the gradient comes to under a momentum of 0.9.
            weight_decay=5e-3,
            warmup_epochs=2,
            optimizer="sgd",
            label_smoothing=0.1,
        ),
        # Optimizer and batch size are not given; the rate falls from 0.001 to 0.0002 after the 28th epoch.
        "report": Recipe(
            batch_size=128,
            validation_split=0.2,
            phases=(
                Phase(name="scratch", epochs=50, learning_rate=1e-3, schedule="step", decay=0.2, step_epochs=(28,)),
            ),
        ),
    },
)
