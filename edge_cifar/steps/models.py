"""``models``: the backbones with their parameters and MACs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edge_cifar import backbones
from edge_cifar.packages import require_keras
from edge_cifar.progress import SILENT, Progress

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
        image_size: side of the network's input, in pixels.
        source: paper or report that the architecture follows.
        recipes: names of its recipes.
        layers: its layers in order, with the parameters and MACs of each.
    """

    name: str
    image_size: int
    source: str
    recipes: tuple[str, ...]
    layers: tuple[LayerCost, ...]

    @property
    def parameters(self) -> int:
        """All weights, moving statistics included."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """MACs for one image (see :mod:`edge_cifar.training.complexity`)."""
        return sum(layer.multiply_adds for layer in self.layers)

    def document(self, *, layers: bool = False) -> dict[str, Any]:
        """The description as JSON, with its layers where asked for."""
        document: dict[str, Any] = {
            "name": self.name,
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "image_size": self.image_size,
            "source": self.source,
            "recipes": list(self.recipes),
        }
        if layers:
            document["layers"] = [asdict(layer) for layer in self.layers]
        return document


def models(*names: str, progress: Progress = SILENT) -> list[Description]:
    """Describe the named backbones, or all of them.

    Raises:
        UsageError: a name is unknown.
        MissingPackage: Keras or its backend is not installed.
    """
    chosen = [backbones.get(name) for name in names or backbones.names()]
    keras = require_keras()
    described = []
    with progress.bar("Building backbones", len(chosen)) as advance:
        for backbone in chosen:
            described.append(_describe(keras, backbone))
            advance(1)
    return described


def _describe(keras: Any, backbone: backbones.Backbone) -> Description:
    from edge_cifar.training.assembly import build_model
    from edge_cifar.training.complexity import layer_costs

    image_size = backbone.recipes["default"].image_size
    model = build_model(
        keras, backbone, input_shape=_INPUT_SHAPE, classes=_CLASSES, image_size=image_size, weights="none"
    )
    return Description(
        name=backbone.name,
        image_size=image_size,
        source=backbone.source,
        recipes=tuple(backbone.recipes),
        layers=tuple(layer_costs(model)),
    )
