"""MobileNetV2, with ImageNet weights as Keras has them.

Architecture: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018,
in the form of ``keras.applications.MobileNetV2``.
"""

from __future__ import annotations

from functools import partial

from edge_cifar.backbones import Backbone, Keras, Model, Tensor
from edge_cifar.backbones.shared.heads import pooled
from edge_cifar.backbones.shared.preprocessing import signed_range
from edge_cifar.backbones.shared.pretrained import pretrained_trunk
from edge_cifar.backbones.shared.recipes import FINE_QAT, FINE_SPARSITY, fine_tuned, from_scratch
from edge_cifar.recipe import Phase, Recipe


def build(keras: Keras, inputs: Tensor, *, classes: int, alpha: float) -> Tensor:
    """The trunk without its ImageNet top, then average pooling, dropout and a dense softmax."""
    trunk = keras.applications.MobileNetV2(input_tensor=inputs, include_top=False, weights=None, alpha=alpha)
    return pooled(keras, trunk.output, classes, dropout=0.2)


def pretrained(keras: Keras, alpha: float, weights: str) -> Model:
    """The trunk at the weights' own size, holding ImageNet weights or those of a file."""
    return pretrained_trunk(partial(keras.applications.MobileNetV2, alpha=alpha), weights)


BACKBONE = Backbone(
    name="mobilenetv2",
    build=build,
    preprocess=signed_range,
    pretrained=pretrained,
    qat=FINE_QAT,
    sparsity=FINE_SPARSITY,
    alphas=(0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
    source="Sandler et al. 2018, https://arxiv.org/abs/1801.04381; source report: over 95 %, 72 % from scratch",
    parameters=2_270_794,
    multiply_adds=55_021_952,
    recipes={
        "default": fine_tuned(image_size=96, epochs=10, learning_rate=1e-3, batch_norm_momentum=0.99, trainable=-10),
        "scratch": from_scratch(
            image_size=64, epochs=60, learning_rate=2e-3, weight_decay=0.02, batch_norm_momentum=0.99, warmup_epochs=1
        ),
        # The report: frozen base first, then everything behind the first ten layers, over 95 %.
        "report": Recipe(
            image_size=96,
            batch_size=32,
            validation_split=0.2,
            phases=(
                Phase(name="frozen", epochs=10, trainable="head", learning_rate=1e-3),
                Phase(name="fine-tune", epochs=10, trainable=-10, learning_rate=1e-4),
            ),
        ),
    },
)
