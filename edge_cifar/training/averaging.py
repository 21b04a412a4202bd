"""Averaged weights: validated and kept is the moving average over a phase's steps, not what the last step left.

Averaging iterates: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging",
1992. The averages are the optimizer's own (``use_ema``), so a checkpoint holds them already.
Batch normalization's statistics are moving averages of their own and are left alone.
"""

from __future__ import annotations

from typing import Any

import keras
from numpy.typing import NDArray


class TrainedWeights(keras.callbacks.Callback):  # type: ignore[misc]
    """The weights as an epoch's last step left them.

    Keras puts the averages into the model when ``fit`` ends, which is right for validation; the
    next epoch goes on from the trained weights.
    """

    def __init__(self) -> None:
        """Hold nothing until an epoch ends."""
        super().__init__()
        self._weights: list[NDArray[Any]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Copy them, before Keras replaces them."""
        self._weights = [keras.ops.convert_to_numpy(variable).copy() for variable in self.model.trainable_variables]

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Give the model averages of its own: JAX would free those it shares with the optimizer after one use."""
        for variable in self.model.trainable_variables:
            variable.assign(keras.ops.convert_to_numpy(variable).copy())

    def put_back(self) -> None:
        """Take the averages out of the model again."""
        for variable, trained in zip(self.model.trainable_variables, self._weights, strict=True):
            variable.assign(trained)
