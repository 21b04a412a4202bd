"""``models``: the backbones with their parameters and MACs, and the layers of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_cifar import backbones
from edge_cifar.packages import require_keras

if TYPE_CHECKING:
    from edge_cifar.training.complexity import LayerCost

# Every backbone is listed with the figures for CIFAR-10: ten classes, 32 by 32 pixels.
_INPUT_SHAPE = (32, 32, 3)
_CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class Description:
    """A backbone as built by its default recipe, with width multiplier 1, for ten classes.

    Attributes:
        name: as on the command line.
        parameters: all weights, moving statistics included.
        multiply_adds: MACs for one image (see :mod:`edge_cifar.training.complexity`).
        image_size: side of the network's input, in pixels.
        source: paper or report that the architecture follows.
        recipes: names of its recipes.
    """

    name: str
    parameters: int
    multiply_adds: int
    image_size: int
    source: str
    recipes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The attributes by their names."""
        return {
            "name": self.name,
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "image_size": self.image_size,
            "source": self.source,
            "recipes": list(self.recipes),
        }


def models(*names: str) -> list[Description]:
    """Describe the named backbones, or all of them; builds none.

    Raises:
        UsageError: a name is unknown.
    """
    return [
        Description(
            name=backbone.name,
            parameters=backbone.parameters,
            multiply_adds=backbone.multiply_adds,
            image_size=backbone.recipes["default"].image_size,
            source=backbone.source,
            recipes=tuple(backbone.recipes),
        )
        for backbone in map(backbones.get, names or backbones.names())
    ]


def layers(name: str) -> list[LayerCost]:
    """The layers of a backbone in order, with the parameters and MACs of each; builds it.

    Raises:
        UsageError: the name is unknown.
        MissingPackage: Keras or its backend is not installed.
    """
    backbone = backbones.get(name)
    keras = require_keras()
    from edge_cifar.training.assembly import build_model
    from edge_cifar.training.complexity import layer_costs

    model = build_model(
        keras,
        backbone,
        input_shape=_INPUT_SHAPE,
        classes=_CLASSES,
        image_size=backbone.recipes["default"].image_size,
        weights="none",
    )
    return list(layer_costs(model))
