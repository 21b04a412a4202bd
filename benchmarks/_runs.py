"""Where the comparisons find networks that were trained: the runs kept in the repository, then the user's own."""

from __future__ import annotations

from pathlib import Path

from edge_cifar.run import Run

_ROOT = Path(__file__).resolve().parent.parent


def trained(name: str) -> Run | None:
    """The finished run of a backbone that holds its weights, under models/ or runs/; None where there is none."""
    for folder in (_ROOT / "models", _ROOT / "runs"):
        run = Run(folder / name)
        if run.finished and run.model_path.is_file():
            return run
    return None
