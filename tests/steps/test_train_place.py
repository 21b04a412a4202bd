"""Where a training goes, and which command goes on with one that was cut off."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from edge_cifar.cli.main import main
from edge_cifar.documents.run import Run
from edge_cifar.errors import EdgeCifarError, RunError, UsageError
from edge_cifar.steps._train_place import continuing, refuse_occupied, resumable, run_at


def at(out: str | None = None, name: str | None = None, *, increment: bool = False, kept: bool = False) -> str:
    return str(run_at("resnet8", out, name, increment=increment, kept=kept).path)


def test_a_name_is_a_folder_below_runs(in_folder: Path) -> None:
    assert at() == "runs/resnet8"
    assert at(name="wide") == "runs/wide"
    assert at(out="elsewhere/wide") == "elsewhere/wide"
    for name in ("a/b", "..", "/a", ""):
        with pytest.raises(UsageError, match="--name"):
            at(name=name)
    with pytest.raises(UsageError, match="only one of them"):
        at(out="a", name="b")


def test_increment_takes_the_first_free_number(in_folder: Path) -> None:
    assert at(increment=True) == "runs/resnet8"
    for taken in ("resnet8", "resnet8-2", "resnet8-4"):
        Path("runs", taken).mkdir(parents=True)
    assert at(increment=True) == "runs/resnet8-3"
    assert at(name="wide", increment=True) == "runs/wide"
    with pytest.raises(UsageError, match="--increment"):
        at(increment=True, kept=True)


@pytest.mark.parametrize("stands", ["record.json", "checkpoint"])
def test_a_taken_place_is_refused_with_the_next_free_name(stands: str, in_folder: Path) -> None:
    folder = Path("runs/resnet8")
    folder.mkdir(parents=True)
    (folder / stands).touch()
    with pytest.raises(RunError, match=r"train runs/resnet8-2 with --increment"):
        refuse_occupied(Run(folder), resume=False, overwrite=False)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("train resnet8", "train resnet8 --resume"),
        ("train resnet8 --overwrite --seed 3", "train resnet8 --seed 3 --resume"),
        ("train resnet8 --resume", "train resnet8 --resume"),
        ("train resnet8 --out 'my runs/one'", "train resnet8 --out 'my runs/one' --resume"),
        ("train resnet8 --increment --seed 3", "train resnet8 --seed 3 --out 'my runs/it' --resume"),
        ("train resnet8 --name a --increment", "train resnet8 --out 'my runs/it' --resume"),
        ("train -o x --increment resnet8 --out=y", "train resnet8 --out 'my runs/it' --resume"),
        ("demo", None),
    ],
)
def test_the_command_that_goes_on(given: str, expected: str | None) -> None:
    going_on = continuing(f"edge-cifar {given}", Run(Path("my runs/it")))
    assert going_on == (f"edge-cifar {expected}" if expected else None)


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), 130), (EdgeCifarError("the disk is full"), 1), (OSError(28, "No space left"), 1)],
    ids=["Ctrl-C", "an error of ours", "an error of the system"],
)
def test_a_training_that_is_cut_off_names_the_command_that_goes_on(
    error: BaseException,
    status: int,
    in_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def train(backbone: str, *, out: Path, **options: object) -> Run:
        run = Run(out)
        with resumable(run):
            run.checkpoint_path.mkdir(parents=True)
            raise error

    arguments = ["train", "resnet8", "--out", "with space", "--overwrite"]
    monkeypatch.setattr("edge_cifar.steps.train.train", train)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/edge-cifar", *arguments])
    assert main(arguments) == status
    last = capsys.readouterr().err.splitlines()[-1]
    words = ["edge-cifar", "train", "resnet8", "--out", "with space", "--resume"]
    assert shlex.split(last.removeprefix("continue with: ")) == words


def test_what_was_not_begun_is_started_again(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write_bundle(*_: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_cifar.steps.export.write_bundle", write_bundle)
    assert main(["export", "my runs/one"]) == 130
    assert capsys.readouterr().err.strip().splitlines() == [
        "edge-cifar: interrupted",
        "start again with: edge-cifar export 'my runs/one'",
    ]
