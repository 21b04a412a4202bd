"""InceptionV3, with ImageNet weights as Keras has them.

Architecture: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016,
in the form of ``keras.applications.InceptionV3``, which takes images of 75 pixels or more.
"""

from __future__ import annotations

from edge_cifar.backbones import Backbone, Keras, Model, Tensor
from edge_cifar.backbones.shared.heads import pooled
from edge_cifar.backbones.shared.preprocessing import signed_range
from edge_cifar.backbones.shared.pretrained import pretrained_trunk
from edge_cifar.backbones.shared.recipes import FINE_QAT, FINE_SPARSITY, fine_tuned, from_scratch
from edge_cifar.recipe import Phase, Recipe

_MINIMUM_SIZE = 75


def build(keras: Keras, inputs: Tensor, *, classes: int, alpha: float) -> Tensor:
    """The trunk without its ImageNet top, then average pooling, dropout and a dense softmax."""
    trunk = keras.applications.InceptionV3(input_tensor=inputs, include_top=False, weights=None)
    return pooled(keras, trunk.output, classes, dropout=0.2)


def pretrained(keras: Keras, alpha: float, weights: str) -> Model:
    """The trunk with ImageNet weights or those of a file."""
    return pretrained_trunk(keras.applications.InceptionV3, weights)


BACKBONE = Backbone(
    name="inceptionv3",
    build=build,
    preprocess=signed_range,
    pretrained=pretrained,
    qat=FINE_QAT,
    sparsity=FINE_SPARSITY,
    minimum_size=_MINIMUM_SIZE,
    source="Szegedy et al. 2016, https://arxiv.org/abs/1512.00567; source report: abandoned, 48 hours for 10 epochs",
    parameters=21_823_274,
    multiply_adds=201_498_208,
    recipes={
        "default": fine_tuned(image_size=_MINIMUM_SIZE, epochs=6, learning_rate=3e-4, batch_norm_momentum=0.9),
        # As many epochs as the report had planned.
        "scratch": from_scratch(
            image_size=_MINIMUM_SIZE,
            epochs=10,
            learning_rate=1e-3,
            weight_decay=0.05,
            batch_norm_momentum=0.9,
            warmup_epochs=0.5,
            batch_size=64,
        ),
        # The report gives neither rate nor image size: Keras' rate, the architecture's own 299 pixels, which
        # alone explain its two days.
        "report": Recipe(
            image_size=299,
            batch_size=32,
            validation_split=0.2,
            phases=(Phase(name="fine-tune", epochs=10, learning_rate=1e-3),),
        ),
    },
)
