"""The state of an unfinished training, in one file, so that it is whole or absent.

Plain arrays in an ``.npz``: every variable of the training model (weights, batch-norm statistics,
the random generators of dropout and augmentation), the optimizer's, and the best weights so far.
Resumed at an epoch's end, a training goes on as if it had never stopped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.errors import RunError
from edge_cifar.storage import archives, files, strict_json

FILE = "state.npz"
Arrays = list[NDArray[Any]]


@dataclass(kw_only=True)
class State:
    """Where a training stands after a whole epoch.

    Attributes:
        settings: what the training was started with; a resumed one must be the same.
        phase: index of the phase that comes next or is under way.
        epoch: epochs of that phase that are done.
        history: one entry an epoch, over all phases.
        phases: one entry a finished phase.
        plan: what each phase trains on, as decided at the start (a disk may be fuller when it is resumed).
        caching_seconds: spent on the features of the phase under way.
        best_accuracy: best validation accuracy so far; -1 before the first epoch.
        best: the model's weights at that point.
        variables: of the training model.
        optimizer: variables of the optimizer of the phase under way; empty between phases.
    """

    settings: dict[str, Any]
    phase: int = 0
    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    phases: list[dict[str, Any]] = field(default_factory=list)
    plan: list[dict[str, Any]] = field(default_factory=list)
    caching_seconds: float = 0.0
    best_accuracy: float = -1.0
    best: Arrays = field(default_factory=list)
    variables: Arrays = field(default_factory=list)
    optimizer: Arrays = field(default_factory=list)

    _ARRAYS = ("best", "variables", "optimizer")
    _FACTS = ("settings", "phase", "epoch", "history", "phases", "plan", "caching_seconds", "best_accuracy")

    def write(self, folder: Path) -> None:
        """Write the state over an older one, whole."""
        facts = json.dumps({name: getattr(self, name) for name in self._FACTS})
        arrays = {
            f"{name}/{index:05d}": array for name in self._ARRAYS for index, array in enumerate(getattr(self, name))
        }
        with files.atomic_write(folder / FILE) as partial:
            np.savez(partial, facts=np.array(facts), **arrays)

    @classmethod
    def read(cls, folder: Path) -> State:
        """Read the state of an interrupted training.

        Raises:
            RunError: there is none, or it is damaged.
        """
        try:
            with archives.opened(folder / FILE) as archive:
                state = cls(**strict_json.parse(str(archive["facts"])))
                for name in cls._ARRAYS:
                    keys = sorted(key for key in archive.names if key.startswith(f"{name}/"))
                    setattr(state, name, [archive[key] for key in keys])
        except FileNotFoundError as error:
            raise RunError(f"nothing to resume in {folder.parent}; start without --resume") from error
        except files.DAMAGE as error:
            raise RunError(f"the checkpoint in {folder} is damaged ({error}); start again with --overwrite") from error
        return state
