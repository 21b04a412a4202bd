"""CSV: what was written reads back to the same arrays, and what was altered is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_cifar.data import Dataset, Split, csv_files
from edge_cifar.errors import DataError


@pytest.fixture
def dataset() -> Dataset:
    generator = np.random.default_rng(0)

    def split(count: int) -> Split:
        images = generator.integers(0, 256, (count, 4, 5, 3), dtype=np.uint8)
        return Split(images=images, labels=generator.integers(0, 3, count))

    return Dataset(name="x", train=split(1100), test=split(7), labels=("a", "b, c", "ü"), checksum="", synthetic=True)


@pytest.fixture
def folder(dataset: Dataset, tmp_path: Path) -> Path:
    csv_files.write(dataset, tmp_path / "csv")
    return tmp_path / "csv"


def test_what_was_written_reads_back_to_the_same_arrays(dataset: Dataset, folder: Path) -> None:
    for name, split in (("train", dataset.train), ("test", dataset.test)):
        read = csv_files.read(folder / f"{name}.csv")
        assert np.array_equal(read.images, split.images)
        assert np.array_equal(read.labels, split.labels)
        assert (read.images.dtype, read.labels.dtype) == (np.uint8, np.int64)


def test_the_columns_are_a_label_and_the_pixels_by_name(dataset: Dataset, folder: Path) -> None:
    header, first = (folder / "train.csv").read_text().splitlines()[:2]
    columns = dict(zip(header.split(","), map(int, first.split(",")), strict=True))
    assert list(columns)[:5] == ["label", "r_0_0", "g_0_0", "b_0_0", "r_0_1"]
    assert columns["label"] == dataset.train.labels[0]
    assert columns["g_2_3"] == dataset.train.images[0, 2, 3, 1]
    assert (folder / "labels.txt").read_text(encoding="utf-8").splitlines() == list(dataset.labels)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"label", b"", "truncated or altered"),
        (b",b_3_4\n", b"\n", "no header with label and pixel columns"),
        (b"\n", b"\n1,300", "truncated or altered"),
        (b"\n", b"\n1,x", "truncated or altered"),
    ],
)
def test_an_altered_file_is_refused(folder: Path, old: bytes, new: bytes, complaint: str) -> None:
    content = (folder / "test.csv").read_bytes()
    if old == b"label":
        content = content[:-9]
    (folder / "test.csv").write_bytes(content.replace(old, new, 1))
    with pytest.raises(DataError, match=complaint):
        csv_files.read(folder / "test.csv")


def test_pixels_outside_a_byte_are_refused(folder: Path) -> None:
    header, *rows = (folder / "test.csv").read_text().splitlines()
    cells = rows[0].split(",")
    for value in ("256", "-1"):
        (folder / "test.csv").write_text("\n".join([header, ",".join([*cells[:-1], value])]))
        with pytest.raises(DataError, match=r"outside 0\.\.255"):
            csv_files.read(folder / "test.csv")


def test_a_header_alone_is_no_images(folder: Path) -> None:
    path = folder / "test.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert csv_files.read(path).images.shape == (0, 4, 5, 3)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b"a,b\n1,2\n"])
def test_no_such_file_or_another_kind_of_file_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.csv"):
        csv_files.read(path)
