"""Find trained runs for the comparisons: first those in the repository, then the user's own."""

from __future__ import annotations

from pathlib import Path

from edge_cifar.documents.run import Run

_ROOT = Path(__file__).resolve().parent.parent


def trained(name: str) -> Run | None:
    """The finished run of a backbone, with weights, under models/ or runs/; None if there is none."""
    for folder in (_ROOT / "models", _ROOT / "runs"):
        run = Run(folder / name)
        if run.finished and run.model_path.is_file():
            return run
    return None


def recorded_accuracy(name: str) -> float | None:
    """Test accuracy, 0..1, of the run of a backbone under models/, with or without weights.

    None where there is none that was trained on all of the data.
    """
    run = Run(_ROOT / "models" / name)
    if not run.finished or run.record().data.limit is not None:
        return None
    return run.record().test.top1
