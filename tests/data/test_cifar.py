"""Reading CIFAR: the right pixels from whole files, one sentence for anything else, and no code from a pickle."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from support import cifar_files

from edge_cifar.data import cifar, loading, pickled, places
from edge_cifar.data.cifar import CifarSet
from edge_cifar.data.sets import DataSet, cifar10, cifar100
from edge_cifar.errors import DataError

FILES = cifar_files.contents()
LITTLE = cifar_files.published(FILES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return cifar_files.write(FILES, tmp_path / "little-batches")


@pytest.fixture
def no_usual_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and no EDGE_CIFAR_DATA; returns the cache."""
    monkeypatch.delenv("EDGE_CIFAR_DATA", raising=False)
    monkeypatch.setattr(places, "_cache", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def test_pixels_are_planes_of_rows_turned_into_rgb(folder: Path) -> None:
    dataset = cifar.read(LITTLE, folder)
    row = pickled.read(folder / "batch_2", LITTLE.md5["batch_2"], "")[b"data"][3]

    assert dataset.train.images.shape == (24, 32, 32, 3)
    assert dataset.train.images.dtype == np.uint8
    assert dataset.train.labels.dtype == np.int64
    # Image 15 is the fourth of the second batch; (row 4, column 7) of green is 1024 + 4 * 32 + 7.
    assert dataset.train.images[15, 4, 7, 1] == row[1024 + 4 * 32 + 7]
    assert dataset.train.labels.tolist() == [0, 1, 2] * 8
    assert dataset.labels == cifar_files.LABELS
    assert len(dataset.test) == 12
    assert not dataset.synthetic


def test_data_dir_is_the_folder_or_the_one_that_holds_it(folder: Path, no_usual_places: Path) -> None:
    inside = cifar.load(LITTLE, data_dir=folder)
    around = cifar.load(LITTLE, data_dir=folder.parent)
    renamed = cifar.load(LITTLE, data_dir=folder.rename(folder.parent / "copy"))
    assert inside.checksum == around.checksum == renamed.checksum


def test_an_explicit_data_dir_without_the_set_is_an_error_even_if_the_cache_has_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_CIFAR_DATA", str(folder))
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(DataError, match=rf"{place.name} does not contain little .*--data-dir"):
            cifar.load(LITTLE, data_dir=place)


def test_the_environment_comes_before_the_cache(
    folder: Path, no_usual_places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cifar_files.write({"batch_1": b"not this one"}, no_usual_places / LITTLE.folder)
    monkeypatch.setenv("EDGE_CIFAR_DATA", str(folder.parent))
    assert len(cifar.load(LITTLE).train) == 24


def test_the_cache_is_used_where_the_environment_has_no_such_set(
    no_usual_places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cifar_files.write(FILES, no_usual_places / LITTLE.folder)
    monkeypatch.setenv("EDGE_CIFAR_DATA", str(tmp_path / "elsewhere"))
    assert len(cifar.load(LITTLE).train) == 24


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(FILES[name][:-7])
    with pytest.raises(DataError, match=rf"{name} is truncated or altered: its MD5 is .* expected"):
        cifar.read(LITTLE, folder)


def test_one_changed_bit_is_found(folder: Path) -> None:
    content = bytearray(FILES["batch_1"])
    content[-1000] ^= 1
    (folder / "batch_1").write_bytes(content)
    with pytest.raises(DataError, match="batch_1 is truncated or altered"):
        cifar.read(LITTLE, folder)


def test_a_missing_file_is_named_before_any_is_read(folder: Path) -> None:
    (folder / "batch_1").write_bytes(b"damaged too")
    (folder / "batch_test").unlink()
    with pytest.raises(DataError, match="batch_test is missing"):
        cifar.read(LITTLE, folder)


def test_a_pickle_that_would_run_code_is_refused_although_its_checksum_fits(tmp_path: Path) -> None:
    command = f"touch {tmp_path / 'ran'}"
    content = b"\x80\x02cos\nsystem\nX" + struct.pack("<i", len(command)) + command.encode() + b"\x85R."
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(DataError, match=r"batch is not a CIFAR batch: it refers to os.system"):
        pickled.read(tmp_path / "batch", cifar_files.md5(content), "")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"no pickle", cifar_files.python2_pickle([1]), b"\x80\x02}(U\x05ab"])
def test_a_file_that_is_no_batch_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(DataError, match="batch is not a CIFAR batch"):
        pickled.read(tmp_path / "batch", cifar_files.md5(content), "")


@pytest.mark.parametrize("data_set", [cifar10.DATA_SET, cifar100.DATA_SET])
def test_a_published_set_names_a_checksum_for_each_file_it_reads(data_set: DataSet) -> None:
    published = data_set.published
    assert isinstance(published, CifarSet)
    assert set(published.md5) == {*published.train_files, *published.test_files, published.meta_file}
    assert all(len(md5) == 32 for md5 in (published.archive_md5, *published.md5.values()))


@pytest.mark.skipif(not os.environ.get("EDGE_CIFAR_DATA"), reason="EDGE_CIFAR_DATA does not name the real CIFAR-10")
def test_the_real_cifar10_has_the_published_counts_and_first_images() -> None:
    dataset = loading.load("cifar10", data_dir=Path(os.environ["EDGE_CIFAR_DATA"]))
    assert dataset.train.images.shape == (50_000, 32, 32, 3)
    assert np.bincount(dataset.train.labels).tolist() == [5_000] * 10
    assert np.bincount(dataset.test.labels).tolist() == [1_000] * 10
    assert dataset.labels[dataset.train.labels[0]] == "frog"
    assert dataset.train.images[0, 0, 0].tolist() == [59, 62, 63]
    assert dataset.checksum == "85d212b49fbcdd74bd5059429cc84be1bc8a65ab11159c9b87ba6abfa74d8e0f"
