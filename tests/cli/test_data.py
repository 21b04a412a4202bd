"""``edge-cifar data``: what it prints, writes and refuses, with the exit status of each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_cifar.cli.main import main
from edge_cifar.data import csv_files, loading, places


@pytest.fixture(autouse=True)
def _offline_with_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data anywhere, no network, and an empty working directory."""
    monkeypatch.delenv("EDGE_CIFAR_DATA", raising=False)
    monkeypatch.setattr(places, "_cache", lambda: tmp_path / "cache")
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def test_show_counts_the_classes_and_draws_samples(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the picture of samples needs Matplotlib")
    assert main(["data", "show", "--data", "synthetic", "--limit", "40", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["splits"]["train"]["images"] == 40
    assert document["splits"]["test"]["classes"] == dict.fromkeys(document["labels"], 4)
    assert document["image_shape"] == [32, 32, 3]
    assert document["synthetic"] is True
    with Image.open(document["picture"]) as picture:
        assert picture.format == "PNG"


def test_show_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the picture of samples needs Matplotlib")
    assert main(["data", "show", "--data", "synthetic", "--limit", "40", "-o", "samples.png"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["disc", "4", "4"] in rows
    assert ["all", "40", "40"] in rows
    assert Path("samples.png").is_file()


def test_csv_reads_back_to_the_same_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "csv", "--data", "synthetic", "--limit", "50", "--seed", "3"]) == 0
    dataset = loading.load("synthetic", limit=50, seed=3)
    assert np.array_equal(csv_files.read(Path("synthetic-csv/train.csv")).images, dataset.train.images)
    assert "synthetic-csv/test.csv" in capsys.readouterr().out


def test_csv_replaces_an_export_only_when_told_and_other_things_never(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["data", "csv", "--data", "synthetic", "--limit", "10", "--out", "pixels"]
    assert main(arguments) == 0
    assert main(arguments) == 1
    assert "pixels already exists; replace it with --overwrite" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0
    Path("pixels/diary.txt").write_text("mine")
    assert main([*arguments, "--overwrite"]) == 1
    assert Path("pixels/diary.txt").read_text() == "mine"
    assert [path.name for path in Path().iterdir()] == ["pixels"], "no scratch is left"


@pytest.mark.parametrize("command", ["fetch", "show", "csv"])
def test_offline_without_data_is_one_sentence_with_the_ways_out(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", command]) == 1
    message = capsys.readouterr().err
    assert message.startswith("edge-cifar: no cifar10 data found, and https://www.cs.toronto.edu/")
    assert message.endswith("set --data-dir or EDGE_CIFAR_DATA to a folder with the data, or use --data synthetic\n")
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["fetc"], 2, "did you mean 'data fetch'?"),
        (["fetch", "--data", "synthetic"], 2, "cannot be downloaded"),
        (["fetch", "--data", "."], 2, "cannot be downloaded"),
        (["show", "--data", "cifar11"], 2, "did you mean 'cifar10'?"),
        (["show", "--data", "synthetic", "--limit", "0"], 2, "at least 1 image"),
        (["show", "--data", "synthetic", "--limit", "many"], 2, "--limit"),
        (["show", "--data", "synthetic", "--seed", "-1"], 2, "must be at least 0"),
        (["show", "--data", "synthetic", "--data-dir", "."], 2, "omit --data-dir"),
        (["show", "--data", "synthetic", "--image-size", "8"], 2, "have a fixed size"),
        (["show", "--data-dir", "nowhere"], 1, "nowhere does not contain cifar10"),
        (["show", "--data", "./nowhere"], 1, "no folder at nowhere"),
        (["csv", "--data", "synthetic", "--limit", "10", "--out", "/dev/null/pixels"], 1, "cannot write"),
    ],
)
def test_bad_requests_are_one_sentence(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", *arguments]) == status
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize("name", ["samples.jpg", "samples"])
def test_a_picture_of_another_kind_is_refused_before_the_data_are_read(
    name: str, in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "show", "--data", "nowhere/photos", "-o", name]) == 2
    assert "must end in .png or .svg" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["data", "show", "--data", "~nosuchuser/photos"],
        ["data", "show", "--data-dir", "~nosuchuser"],
        ["train", "resnet8", "--data-dir", "~nosuchuser"],
    ],
    ids=" ".join,
)
def test_the_home_of_nobody_is_one_sentence(
    arguments: list[str], in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert "begins with the name of a user without a home directory here" in capsys.readouterr().err


def test_a_folder_may_be_named_without_its_option(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the picture of samples needs Matplotlib")
    for name, value in (("dark", 20), ("bright", 230)):
        Path("photos", name).mkdir(parents=True)
        for number in range(5):
            Image.new("L", (8, 8), value + number).save(Path("photos", name, f"{number}.png"))
    assert main(["data", "show", "photos", "--image-size", "8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == ["bright", "dark"]
    assert main(["data", "show", "photos", "--data", "synthetic"]) == 2
    assert "name the data once" in capsys.readouterr().err
