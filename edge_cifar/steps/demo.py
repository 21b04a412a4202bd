"""The whole way on built-in data: which commands the demonstration runs, and the folder they run in."""

from __future__ import annotations

from pathlib import Path

from edge_cifar import files
from edge_cifar.errors import RunError

MARKER = ".edge-cifar-demo"

# Two networks of like cost in time and unlike in size, trained from scratch just long enough to be worth
# converting: a minute or two each on two cores. (A depthwise network such as MobileNetV2 has learned next
# to nothing by then without its ImageNet weights, which the demonstration would have to download.)
_TRAININGS = (("resnet8", ("--epochs", "10")), ("baseline-cnn", ("--epochs", "12")))


def prepare(folder: Path) -> None:
    """Make the demonstration's folder, or recognize it from an earlier time.

    Raises:
        RunError: the folder holds something else, which must not be overwritten.
        EdgeCifarError: the place cannot be written.
    """
    if folder.exists() and not (folder / MARKER).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} holds something else than a demo; choose another place with --out")
    files.write_text(folder / MARKER, "Made by edge-cifar demo, which may overwrite what stands here.\n")


def commands(folder: Path) -> list[list[str]]:
    """The demonstration as the arguments of ``edge-cifar``, in order.

    Args:
        folder: where runs, results and the page go.
    """
    runs = [str(folder / backbone) for backbone, _ in _TRAININGS]
    train = [
        ["train", backbone, "--data", "synthetic", "--validation-split", "0.1", *options, "--out", run, "--overwrite"]
        for run, (backbone, options) in zip(runs, _TRAININGS, strict=True)
    ]
    return [
        *train,
        *(["export", run, "--overwrite"] for run in runs),
        *(["verify", run] for run in runs),
        ["bench", *runs, "--output", str(folder / "bench.json")],
        ["report", *runs, "--output", str(folder / "report.html")],
    ]
