"""VGG16, with ImageNet weights as Keras has them.

Architecture: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", 2014, in the form of ``keras.applications.VGG16``; the head of a source report: flatten,
dense 256 with ReLU, dropout 0.5, dense softmax. Another report puts the dense softmax alone behind
the flattened features; a backbone has one head here, and the first report tells more of its settings.
"""

from __future__ import annotations

from edge_cifar.backbones import Backbone, Keras, Model, Tensor
from edge_cifar.backbones.shared.heads import hidden_dense, probabilities
from edge_cifar.backbones.shared.preprocessing import blue_green_red_minus_mean
from edge_cifar.backbones.shared.pretrained import pretrained_trunk
from edge_cifar.backbones.shared.recipes import AUGMENTATION, FINE_QAT, FINE_SPARSITY
from edge_cifar.recipe import Phase, Recipe


def build(keras: Keras, inputs: Tensor, *, classes: int, alpha: float) -> Tensor:
    """The trunk without its ImageNet top, then the report's head. There is no width multiplier."""
    trunk = keras.applications.VGG16(input_tensor=inputs, include_top=False, weights=None)
    flat = keras.layers.Flatten(name="head_flatten")(trunk.output)
    return probabilities(keras, hidden_dense(keras, flat, 256, dropout=0.5, name="dense"), classes)


def pretrained(keras: Keras, alpha: float, weights: str) -> Model:
    """The trunk at the weights' own size, holding ImageNet weights or those of a file."""
    return pretrained_trunk(keras.applications.VGG16, weights)


BACKBONE = Backbone(
    name="vgg16",
    build=build,
    preprocess=blue_green_red_minus_mean,
    pretrained=pretrained,
    qat=FINE_QAT,
    sparsity=FINE_SPARSITY,
    source="Simonyan and Zisserman 2014, https://arxiv.org/abs/1409.1556; source reports: 58.7 % frozen, 73.7 % to "
    "92 % unfrozen, 34 % from scratch",
    parameters=15_241_802,
    multiply_adds=1_253_313_024,
    recipes={
        "default": Recipe(
            image_size=64,
            optimizer="adamw",
            weight_decay=0.02,
            label_smoothing=0.1,
            validation_split=0.05,
            augmentation=AUGMENTATION,
            phases=(
                Phase(name="frozen", epochs=2, trainable="head", learning_rate=1e-3),
                # The last two blocks hold what is particular to ImageNet, and seven eighths of the weights.
                Phase(
                    name="fine-tune",
                    epochs=8,
                    trainable="block4",
                    learning_rate=1e-4,
                    schedule="cosine",
                    warmup_epochs=0.5,
                ),
            ),
        ),
        # Without batch normalization so many layers start only at a low rate, warmed up.
        "scratch": Recipe(
            image_size=32,
            optimizer="adamw",
            weight_decay=0.05,
            validation_split=0.05,
            augmentation=AUGMENTATION,
            phases=(Phase(name="scratch", epochs=40, learning_rate=3e-4, schedule="cosine", warmup_epochs=2),),
        ),
        # Frozen, then the last four layers at a lower rate, which is not given: a tenth.
        "report": Recipe(
            image_size=32,
            batch_size=128,
            validation_split=0.2,
            phases=(
                Phase(name="frozen", epochs=10, trainable="head", learning_rate=1e-4),
                Phase(name="fine-tune", epochs=10, trainable=4, learning_rate=1e-5),
            ),
        ),
    },
)
