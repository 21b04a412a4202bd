"""Folders as people have them: wrapped, flat with a table of labels, linked; nothing is left out in silence."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.listener import Listener

from edge_cifar.data import Dataset, loading
from edge_cifar.errors import DataError


def _pictures(folder: Path, *names: str) -> None:
    """Pictures of different greys."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8), len(list(folder.rglob("*.png"))) * 5).save(folder / name)


def _classes(folder: Path, count: int = 5) -> None:
    for name in ("blue", "red"):
        _pictures(folder / name, *(f"{number}.png" for number in range(count)))


def _load(folder: Path, size: int | tuple[int, int] = 8) -> tuple[Dataset, str]:
    listener = Listener()
    dataset = loading.load(str(folder), image_size=size, progress=listener)
    return dataset, "\n".join(listener.said)


@pytest.mark.parametrize("wrapper", ["flowers", "archive/flowers"])
def test_a_folder_that_only_wraps_another_is_looked_through(tmp_path: Path, wrapper: str) -> None:
    _classes(tmp_path / wrapper / "Train")
    _classes(tmp_path / wrapper / "Test", count=2)
    (tmp_path / "readme.txt").touch()
    (tmp_path / "__MACOSX").mkdir()
    dataset, said = _load(tmp_path)
    assert (len(dataset.train), len(dataset.test)) == (10, 4)
    assert f"reading {wrapper}/, the only folder in it" in said
    assert "skipped 1 file next to the only folder: readme.txt" in said
    assert "skipped 1 hidden file: __MACOSX" in said


def test_a_single_class_in_a_wrapper_stays_a_single_class(tmp_path: Path) -> None:
    _pictures(tmp_path / "photos" / "only", "0.png")
    with pytest.raises(DataError, match=r"at least two classes; .* has only 'photos'"):
        _load(tmp_path)


def test_a_flat_folder_takes_its_labels_from_a_table(tmp_path: Path) -> None:
    _pictures(tmp_path, *(f"{number}.png" for number in range(10)), "forgotten.png")
    lines = [f"{number}.png,{'odd' if number % 2 else 'even'}" for number in range(10)]
    lines += ["missing.png,odd", "../secret.png,odd", "3.png,odd", "4.png,", ""]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *lines]))
    dataset, said = _load(tmp_path)
    assert dataset.labels == ("even", "odd")
    assert (np.bincount(dataset.train.labels) + np.bincount(dataset.test.labels)).tolist() == [5, 5]
    assert "skipped 1 file named in labels.csv that does not exist: missing.png" in said
    assert "skipped 1 file named in labels.csv that lies outside its folder: ../secret.png" in said
    assert "1 file is named in labels.csv more than once and read once: 3.png" in said
    assert "skipped 1 line of labels.csv without a file or a label: line 15" in said
    assert "skipped 1 file that labels.csv does not name: forgotten.png" in said


@pytest.mark.parametrize(
    ("name", "head", "line"),
    [
        ("labels.csv", "file,label", "images/{}.png,{}"),
        ("Labels.CSV", "id;Class;Filename", "7;{1};images/{0}.png"),
        ("labels.csv", "\ufeffimage\tcategory", "images\\{}.png\t{}"),
    ],
)
def test_tables_as_spreadsheets_write_them(tmp_path: Path, name: str, head: str, line: str) -> None:
    _pictures(tmp_path / "images", *(f"{number}.png" for number in range(6)))
    rows = [line.format(number, "ab"[number % 2]) for number in range(6)]
    (tmp_path / name).write_text("\r\n".join([head, *rows]), encoding="utf-8")
    dataset, said = _load(tmp_path)
    assert dataset.labels == ("a", "b")
    assert len(dataset.train) + len(dataset.test) == 6
    assert said == ""


def test_a_table_in_each_split(tmp_path: Path) -> None:
    for split, count in (("train", 6), ("test", 4)):
        _pictures(tmp_path / split, *(f"{number}.png" for number in range(count)))
        rows = [f"{number}.png,{'ab'[number % 2]}" for number in range(count)]
        (tmp_path / split / "labels.csv").write_text("\n".join(["file,label", *rows]))
    dataset, _ = _load(tmp_path)
    assert (len(dataset.train), len(dataset.test), dataset.labels) == (6, 4, ("a", "b"))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (b"0.png,a\n0.png,b\n", "gives 0.png two labels, 'a' and 'b'"),
        (b"0.png,a\n1.png,a\n", r"at least two classes; .* has only 'a'"),
        (b"0.png,\xff\n", "is not CSV in UTF-8"),
    ],
)
def test_a_table_that_makes_no_sense_is_one_sentence(tmp_path: Path, rows: bytes, sentence: str) -> None:
    _pictures(tmp_path, "0.png", "1.png")
    (tmp_path / "labels.csv").write_bytes(b"file,label\n" + rows)
    with pytest.raises(DataError, match=sentence):
        _load(tmp_path)


def test_links_are_told_whether_they_are_read_or_not(tmp_path: Path) -> None:
    _classes(tmp_path / "photos")
    _pictures(tmp_path / "elsewhere", "0.png")
    (tmp_path / "photos" / "red" / "linked.png").symlink_to(tmp_path / "elsewhere" / "0.png")
    (tmp_path / "photos" / "red" / "broken.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "photos" / "red" / "circle").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "violet").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "photos" / "blue" / "pipe.png")
    dataset, said = _load(tmp_path / "photos")
    assert len(dataset.train) + len(dataset.test) == 12
    assert "1 image is a symbolic link, and is read like any other: red/linked.png" in said
    assert "1 class folder is a link, and is read like any other: violet" in said
    assert "skipped 1 broken symbolic link: red/broken.png" in said
    assert "skipped 1 symbolic link to a folder: red/circle" in said
    assert "skipped 1 special file: blue/pipe.png" in said


def test_a_test_folder_without_labels_is_not_used_and_that_is_said(tmp_path: Path) -> None:
    _classes(tmp_path / "train")
    _pictures(tmp_path / "test", "0.png", "1.png")
    dataset, said = _load(tmp_path)
    assert (len(dataset.train), len(dataset.test)) == (8, 2)
    assert "test/ is not used: it has no labelled images" in said
    assert "skipped 2 files without a label: test/0.png, test/1.png" in said
    assert "as there is no test folder" in said


def test_a_class_that_a_test_folder_lacks_is_said(tmp_path: Path) -> None:
    _classes(tmp_path / "train")
    _pictures(tmp_path / "test" / "red", "0.png")
    dataset, said = _load(tmp_path)
    assert dataset.test.labels.tolist() == [1]
    assert "test/ has no images of blue" in said


def test_images_need_not_be_square(tmp_path: Path) -> None:
    _classes(tmp_path)
    assert _load(tmp_path, (6, 10))[0].train.images.shape == (8, 6, 10, 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name,klass\n0.png,red\n", "its labels.csv has the columns name, klass; it needs file and label"),
        ("", "its labels.csv has no columns; it needs file and label"),
    ],
)
def test_a_table_that_cannot_be_used_is_named_with_its_columns(content: str, said: str, tmp_path: Path) -> None:
    _pictures(tmp_path, "0.png")
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(DataError, match=said):
        _load(tmp_path)


def test_a_line_of_separators_alone_counts_as_dropped(tmp_path: Path) -> None:
    _pictures(tmp_path, *(f"{number}.png" for number in range(10)))
    lines = [f"{number}.png,{'odd' if number % 2 else 'even'}" for number in range(10)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *lines, ",", "", " , "]))
    assert "lines of labels.csv without a file or a label: line 12, line 14" in _load(tmp_path)[1]
