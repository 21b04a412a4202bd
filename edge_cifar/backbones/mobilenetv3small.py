"""MobileNetV3 Small, with ImageNet weights as Keras has them.

Architecture: Howard et al., "Searching for MobileNetV3", ICCV 2019, in the form of
``keras.applications.MobileNetV3Small``, whose own rescaling is left out in favour of the one before it.
"""

from __future__ import annotations

from functools import partial

from edge_cifar.backbones import Backbone, Keras, Model, Tensor
from edge_cifar.backbones.shared.heads import pooled
from edge_cifar.backbones.shared.preprocessing import signed_range
from edge_cifar.backbones.shared.pretrained import pretrained_trunk
from edge_cifar.backbones.shared.recipes import FINE_QAT, FINE_SPARSITY, fine_tuned, from_scratch


def build(keras: Keras, inputs: Tensor, *, classes: int, alpha: float) -> Tensor:
    """The trunk without its ImageNet top, then average pooling, dropout and a dense softmax."""
    trunk = keras.applications.MobileNetV3Small(
        input_tensor=inputs, include_top=False, weights=None, alpha=alpha, include_preprocessing=False
    )
    return pooled(keras, trunk.output, classes, dropout=0.2)


def pretrained(keras: Keras, alpha: float, weights: str) -> Model:
    """The trunk at the weights' own size, holding ImageNet weights or those of a file."""
    application = partial(keras.applications.MobileNetV3Small, alpha=alpha, include_preprocessing=False)
    return pretrained_trunk(application, weights)


BACKBONE = Backbone(
    name="mobilenetv3small",
    build=build,
    preprocess=signed_range,
    pretrained=pretrained,
    qat=FINE_QAT,
    sparsity=FINE_SPARSITY,
    alphas=(0.75, 1.0),
    source="Howard et al. 2019, https://arxiv.org/abs/1905.02244",
    parameters=944_890,
    multiply_adds=10_463_296,
    recipes={
        "default": fine_tuned(image_size=96, epochs=12, learning_rate=1e-3, batch_norm_momentum=0.99),
        "scratch": from_scratch(
            image_size=64, epochs=60, learning_rate=2e-3, weight_decay=0.02, batch_norm_momentum=0.99, warmup_epochs=1
        ),
    },
)
