"""``edge-cifar runs``: what is listed, shown, removed, renamed and compared."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from support import report_samples as samples
from support.terminal import on_terminal

from edge_cifar.cli.main import main
from edge_cifar.documents.predictions import Predictions
from edge_cifar.documents.run import Run
from edge_cifar.errors import RunError
from edge_cifar.steps import runs
from edge_cifar.storage import exclusion

HOUR = 3600


@pytest.fixture(autouse=True)
def some_runs(in_folder: Path) -> None:
    """Three runs below ``./runs``: an exported one, a newer one, and one that was cut off last of all."""
    folder = samples.write_run(Path("runs/mobilenetv2"))
    rows = [samples.verified_row("mobilenetv2", row.variant) for row in runs.summary(Run(folder)).artifacts]
    manifest = json.loads((folder / "export" / "manifest.json").read_text())
    checksums = {entry["variant"]: entry["sha256"] for entry in manifest["artifacts"]}
    rows = [row | {"sha256": checksums[row["variant"]]} for row in rows]
    # Of another file than stands there now.
    rows[0]["sha256"] = "0" * 64
    samples.write(folder / "verify.json", samples.verify_document(*rows))
    samples.write(Path("runs/resnet8/record.json"), samples.record_document("resnet8"))
    Path("runs/resnet8-2/checkpoint").mkdir(parents=True)
    Path("runs/no run").mkdir()
    now = 1_800_000_000
    for age, path in enumerate(("resnet8-2/checkpoint", "resnet8/record.json", "mobilenetv2/record.json")):
        os.utime(Path("runs") / path, (now - age * HOUR, now - age * HOUR))


def listed(*options: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["runs", "ls", *options, "--json"]) == 0
    return [one["name"] for one in json.loads(capsys.readouterr().out)["runs"]]


def test_the_newest_is_listed_first_with_what_was_made_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "ls", "--json"]) == 0
    unfinished, resnet8, mobilenetv2 = json.loads(capsys.readouterr().out)["runs"]
    assert (unfinished["name"], unfinished["state"], unfinished["backbone"]) == ("resnet8-2", "unfinished", None)
    assert (resnet8["name"], resnet8["exported"], resnet8["verified"]) == ("resnet8", 0, 0)
    assert resnet8["accuracy"] == {"top1": 0.8733, "low": 0.8683, "high": 0.8783, "images": 10_000}
    # Core ML was not verified, and the first artifact has been replaced since.
    assert (mobilenetv2["name"], mobilenetv2["exported"], mobilenetv2["verified"]) == ("mobilenetv2", 9, 5)
    assert mobilenetv2["size_bytes"] > 1000
    assert mobilenetv2["date"] == "2027-01-15T06:00:00+00:00"


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--backbone", "resnet8"), ["resnet8"]),
        (("--data", "cifar10"), ["resnet8", "mobilenetv2"]),
        (("--data", "cifar100"), []),
        (("--min-accuracy", "90"), ["mobilenetv2"]),
        (("--exported",), ["mobilenetv2"]),
        (("--not-exported",), ["resnet8-2", "resnet8"]),
        (("--verified",), []),
        (("--not-verified", "--exported"), ["mobilenetv2"]),
        ((".",), []),
    ],
    ids=lambda value: "-".join(value) or "none" if isinstance(value, tuple) else None,
)
def test_filters(options: tuple[str, ...], names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(*options, capsys=capsys) == names


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize(
    "command",
    [("ls",), ("show", "mobilenetv2"), ("diff", "resnet8", "mobilenetv2", "--all")],
    ids=lambda command: command[0],
)
def test_no_line_is_longer_than_the_terminal(
    command: tuple[str, ...], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = on_terminal(width, lambda: main(["runs", *command]), monkeypatch)
    assert screen.status == 0
    assert screen.widest <= width
    assert "mobilenetv2" in screen.raw


def test_a_damaged_run_is_listed_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs/resnet8/record.json").write_text("{")
    assert main(["runs", "ls"]) == 0
    shown = capsys.readouterr()
    assert "damaged" in shown.out
    assert "resnet8: " in shown.err


def test_show_tells_how_it_was_trained_and_what_was_verified(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "show", "mobilenetv2"]) == 0
    shown = capsys.readouterr().out
    assert "94.12% (95 % CI 93.62% to 94.62%) on 10,000 images" in shown
    assert "edge-cifar train mobilenetv2" in shown
    assert [line.split() for line in shown.splitlines() if "coreml-w8" in line] == [["coreml-w8", "2.41", "unverified"]]
    assert main(["runs", "show", "runs/mobilenetv2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["record"]["backbone"] == "mobilenetv2"
    assert document["artifacts"][1] == {"variant": "tflite-fp16", "size_bytes": 4_513_014, "verified": "pass"}


def test_show_takes_the_run_that_was_finished_last(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "resnet8"


def test_an_unknown_run_is_refused_with_the_way_to_find_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "show", "resnet9"]) == 1
    assert "edge-cifar runs ls" in capsys.readouterr().err
    assert main(["runs", "list"]) == 2
    assert "did you mean 'runs ls'" in capsys.readouterr().err


# ---- removing


def test_nothing_is_removed_without_a_yes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "rm", "resnet8"]) == 2
    assert "--yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, status in (("n\n", 130), ("y\n", 0)):
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _, answer=answer: answer.strip())
        assert main(["runs", "rm", "resnet8"]) == status
        assert Path("runs/resnet8").exists() == (status != 0)


def test_several_are_removed_whole_and_the_others_stay(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "rm", "mobilenetv2", "resnet8-2", "--yes"]) == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["no run", "resnet8"]
    assert "runs/mobilenetv2: " in capsys.readouterr().err
    # Nothing is removed where one of them is none.
    assert main(["runs", "rm", "resnet8", "no run", "--yes"]) == 1
    assert Path("runs/resnet8").exists()


def test_a_run_in_use_is_neither_removed_nor_moved(capsys: pytest.CaptureFixture[str]) -> None:
    with exclusion.training(Path("runs/resnet8")):
        assert main(["runs", "rm", "resnet8", "--yes"]) == 1
        assert main(["runs", "mv", "resnet8", "other"]) == 1
    assert "another process is writing" in capsys.readouterr().err
    assert Path("runs/resnet8/record.json").exists()


def test_a_folder_with_other_runs_or_the_working_directory_is_not_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("runs/mobilenetv2/record.json").rename("runs/record.json")
    with pytest.raises(RunError, match="also contains the run"):
        runs.remove(Run(Path("runs")))
    monkeypatch.chdir("runs/resnet8")
    with pytest.raises(RunError, match="working directory"):
        runs.remove(Run(Path("../resnet8")))


# ---- renaming


@pytest.mark.parametrize(("to", "place"), [("wide", "runs/wide"), ("kept/deep/wide", "kept/deep/wide")])
def test_a_run_is_renamed_whole(to: str, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(str(path.relative_to("runs/mobilenetv2")) for path in Path("runs/mobilenetv2").rglob("*"))
    assert main(["runs", "mv", "mobilenetv2", to]) == 0
    assert f"run: {place}" in capsys.readouterr().out
    assert not Path("runs/mobilenetv2").exists()
    assert sorted(str(path.relative_to(place)) for path in Path(place).rglob("*")) == before


def test_a_run_is_copied_whole_where_it_cannot_be_renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def rename(source: object, target: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "rename", rename)
    before = sorted(path.name for path in Path("runs/mobilenetv2").rglob("*"))
    assert runs.move(Run(Path("runs/mobilenetv2")), "other/wide").path == Path("other/wide")
    assert sorted(path.name for path in Path("other/wide").rglob("*")) == before
    assert not Path("runs/mobilenetv2").exists()


def test_a_taken_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "mv", "mobilenetv2", "resnet8"]) == 1
    assert "already exists" in capsys.readouterr().err
    assert Path("runs/mobilenetv2/record.json").exists()


# ---- comparing


def predictions(right: int) -> Predictions:
    labels = np.arange(1000) % 10
    predicted = np.where(np.arange(1000) < right, labels, (labels + 1) % 10)
    return Predictions(labels=labels, predicted=predicted, confidence=np.ones(1000, np.float32))


def test_diff_shows_what_differs_and_the_paired_difference(capsys: pytest.CaptureFixture[str]) -> None:
    predictions(900).write(Path("runs/mobilenetv2/predictions.npz"))
    predictions(850).write(Path("runs/resnet8/predictions.npz"))
    assert main(["runs", "diff", "mobilenetv2", "resnet8"]) == 0
    shown = capsys.readouterr().out
    lines = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line}
    assert lines["backbone"] == ["mobilenetv2", "resnet8"]
    assert lines["test.top1"] == ["0.9412", "0.8733"]
    assert "recipe.batch_size" not in lines
    assert "resnet8 against mobilenetv2: -5.00 points of top-1 (95 % CI -6.53 to -3.81) on 1,000 test images" in shown
    assert main(["runs", "diff", "mobilenetv2", "resnet8", "--all", "--csv"]) == 0
    assert "recipe.batch_size,64,64\n" in capsys.readouterr().out
    assert main(["runs", "diff", "mobilenetv2", "resnet8", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["differences"]["backbone"] == ["mobilenetv2", "resnet8"]
    assert document["drop"]["points"] == pytest.approx(5.0)


def test_accuracies_on_different_images_are_not_paired(capsys: pytest.CaptureFixture[str]) -> None:
    record = samples.record_document("resnet8")
    record["data"]["checksum"] = "a" * 64
    samples.write(Path("runs/resnet8/record.json"), record)
    for name in ("mobilenetv2", "resnet8"):
        predictions(900).write(Path("runs") / name / "predictions.npz")
    assert main(["runs", "diff", "mobilenetv2", "resnet8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["drop"] is None


@pytest.mark.parametrize(("other", "status"), [("mobilenetv2", 2), ("resnet8-2", 1)])
def test_one_run_twice_and_an_unfinished_one_are_refused(other: str, status: int) -> None:
    assert main(["runs", "diff", "mobilenetv2", other]) == status
