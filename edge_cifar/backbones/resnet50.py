"""ResNet50, with ImageNet weights as Keras has them.

Architecture: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, in the form of
``keras.applications.ResNet50``.
"""

from __future__ import annotations

from edge_cifar.backbones import Backbone, Keras, Model, Tensor
from edge_cifar.backbones.shared.heads import pooled
from edge_cifar.backbones.shared.preprocessing import blue_green_red_minus_mean
from edge_cifar.backbones.shared.pretrained import pretrained_trunk
from edge_cifar.backbones.shared.recipes import FINE_QAT, FINE_SPARSITY, fine_tuned, from_scratch
from edge_cifar.recipe import Phase, Recipe


def build(keras: Keras, inputs: Tensor, *, classes: int, alpha: float) -> Tensor:
    """The trunk without its ImageNet top, then average pooling, dropout and a dense softmax."""
    trunk = keras.applications.ResNet50(input_tensor=inputs, include_top=False, weights=None)
    return pooled(keras, trunk.output, classes, dropout=0.2)


def pretrained(keras: Keras, alpha: float, weights: str) -> Model:
    """The trunk at the weights' own size, holding ImageNet weights or those of a file."""
    return pretrained_trunk(keras.applications.ResNet50, weights)


BACKBONE = Backbone(
    name="resnet50",
    build=build,
    preprocess=blue_green_red_minus_mean,
    pretrained=pretrained,
    qat=FINE_QAT,
    sparsity=FINE_SPARSITY,
    source="He et al. 2016, https://arxiv.org/abs/1512.03385; source report: 95 %",
    parameters=23_608_202,
    multiply_adds=708_251_648,
    recipes={
        "default": fine_tuned(image_size=96, epochs=4, learning_rate=2e-4, batch_norm_momentum=0.9),
        "scratch": from_scratch(
            image_size=64, epochs=40, learning_rate=1e-3, weight_decay=0.05, batch_norm_momentum=0.9, warmup_epochs=2
        ),
        # The report says fine-tuned and gives no settings: a frozen phase, then all layers at a low rate.
        "report": Recipe(
            image_size=224,
            batch_size=32,
            validation_split=0.2,
            phases=(
                Phase(name="frozen", epochs=5, trainable="head", learning_rate=1e-3),
                Phase(name="fine-tune", epochs=10, learning_rate=1e-5),
            ),
        ),
    },
)
