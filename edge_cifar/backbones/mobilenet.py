"""MobileNet, with ImageNet weights as Keras has them.

Architecture: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017, in the form of ``keras.applications.MobileNet``.
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
    trunk = keras.applications.MobileNet(input_tensor=inputs, include_top=False, weights=None, alpha=alpha)
    return pooled(keras, trunk.output, classes, dropout=0.1)


def pretrained(keras: Keras, alpha: float, weights: str) -> Model:
    """The trunk at the weights' own size, holding ImageNet weights or those of a file."""
    return pretrained_trunk(partial(keras.applications.MobileNet, alpha=alpha), weights)


BACKBONE = Backbone(
    name="mobilenet",
    build=build,
    preprocess=signed_range,
    pretrained=pretrained,
    qat=FINE_QAT,
    sparsity=FINE_SPARSITY,
    alphas=(0.25, 0.5, 0.75, 1.0),
    source="Howard et al. 2017, https://arxiv.org/abs/1704.04861; source report: 23.8 %",
    parameters=3_239_114,
    multiply_adds=104_284_672,
    recipes={
        "default": fine_tuned(image_size=96, epochs=10, learning_rate=1e-3, batch_norm_momentum=0.99),
        "scratch": from_scratch(
            image_size=64, epochs=60, learning_rate=2e-3, weight_decay=0.02, batch_norm_momentum=0.99, warmup_epochs=1
        ),
        # 23.8 % after 50 epochs at 0.001, 2e-4, 4e-5; when the rate fell is not given, nor the image size: the data's.
        "report": Recipe(
            image_size=32,
            batch_size=32,
            validation_split=0.2,
            phases=(
                Phase(
                    name="fine-tune", epochs=50, learning_rate=1e-3, schedule="step", decay=0.2, step_epochs=(17, 34)
                ),
            ),
        ),
    },
)
