"""A network whose weights become few: many of them zero, or all of them of a few values a layer.

Neither makes a file smaller or faster as it stands; what is gained shows when it is compressed.
Kernels of depthwise convolutions are left alone: they are the smallest part of a network and the one
that bears it least.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras

from edge_cifar.backbones import Model
from edge_cifar.compression.folded_model import PREPROCESSING, Kernels, kernels_of
from edge_cifar.keras_graph import Weights

_SPARSIFIED = ("Conv2D", "Dense")


class Pruning:
    """A network in which the smallest weights of each layer are set to zero, more of them from step to step.

    Attributes:
        model: what is trained.
    """

    def __init__(self, network: Model, percent: int, steps: int) -> None:
        """Prepare.

        Args:
            network: of a folded model; its layers become part of ``model``.
            percent: of the weights of a layer that are zero in the end.
            steps: of the training; the last zeros come after two thirds of them.
        """
        self._network = network
        last = max(1, 2 * steps // 3)
        schedule = tfmot.sparsity.keras.PolynomialDecay(
            # Zhu and Gupta 2017, "To prune, or not to prune", section 3: fast first, then slower.
            initial_sparsity=0.0,
            final_sparsity=percent / 100,
            begin_step=0,
            end_step=last,
            frequency=max(1, last // 20),
        )
        self.model = tf_keras.models.clone_model(
            network,
            clone_function=lambda layer: (
                tfmot.sparsity.keras.prune_low_magnitude(layer, pruning_schedule=schedule)
                if _is_sparsified(layer)
                else layer
            ),
        )
        self._callback = tfmot.sparsity.keras.UpdatePruningStep()

    def begin(self, optimizer: Any) -> None:
        """Count steps from here."""
        self.model.optimizer = optimizer
        self._callback.set_model(self.model)
        self._callback.on_train_begin()

    def kernels(self) -> Kernels:
        """Kernel and bias of each weighted layer as they are now, zeros in place."""
        self._callback.on_epoch_end(batch=-1)
        return _half_precision(kernels_of(tfmot.sparsity.keras.strip_pruning(self.model)))


class Clustering:
    """A network in which the weights of a layer share a few values.

    Attributes:
        model: what is trained: the values, and which weight has which.
    """

    def __init__(self, network: Model, values: int) -> None:
        """Prepare.

        Args:
            network: of a folded model; its layers become part of ``model``.
            values: of each layer; smaller layers keep theirs.
        """
        self.model = tf_keras.models.clone_model(
            network,
            clone_function=lambda layer: (
                tfmot.clustering.keras.cluster_weights(
                    layer,
                    number_of_clusters=values,
                    cluster_centroids_init=tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS,
                )
                if _is_sparsified(layer) and np.prod(layer.kernel.shape) > values
                else layer
            ),
        )

    def begin(self, optimizer: Any) -> None:
        """Nothing has to be told of the optimizer."""

    def kernels(self) -> Kernels:
        """Kernel and bias of each weighted layer as they are now, each weight one of the layer's values."""
        return _half_precision(kernels_of(tfmot.clustering.keras.strip_clustering(self.model)))


def _half_precision(kernels: Kernels) -> Kernels:
    """Weights that half precision holds, as training leaves them: fp16 variants answer alike, and bytes compress."""

    def half(values: Weights) -> Weights:
        with np.errstate(over="ignore"):
            halved = values.astype(np.float16).astype(np.float32)
        return np.where(np.isfinite(halved), halved, values)

    return {name: [half(array) for array in arrays] for name, arrays in kernels.items()}


def _is_sparsified(layer: Any) -> bool:
    return type(layer).__name__ in _SPARSIFIED and layer.name != PREPROCESSING
