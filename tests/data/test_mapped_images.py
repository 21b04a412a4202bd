"""Images in a file: indexed like an array, chosen without being read, and never all in memory."""

from __future__ import annotations

import hashlib
import mmap
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_cifar.data import Split, checksum, mapped_images
from edge_cifar.data.mapped_images import MappedImages
from edge_cifar.storage import mapped_files


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (20, 5, 4, 3), dtype=np.uint8)


@pytest.fixture
def mapped(pixels: NDArray[np.uint8], tmp_path: Path) -> MappedImages:
    np.save(tmp_path / "images.npy", pixels)
    return MappedImages(tmp_path / "images.npy")


@pytest.mark.parametrize(
    "index",
    [
        *(3, np.int64(-1), slice(None), slice(2, 9, 3), slice(7, 2), np.array([5, 0, 5]), np.arange(20) % 3 == 0),
        *((slice(None), 0, 0), (4, 1), (np.array([1, 2]), slice(1, 3))),
    ],
    ids=repr,
)
def test_it_is_indexed_like_an_array(pixels: NDArray[np.uint8], mapped: MappedImages, index: object) -> None:
    for images, expected in ((mapped, pixels), (mapped.choose(np.arange(19, -1, -1)), pixels[::-1])):
        found = images[index]
        assert found.dtype == np.uint8
        assert np.array_equal(found, expected[index])
        # What it gives is the caller's own, and may be written to.
        found[...] = 0


def test_a_choice_of_a_choice(pixels: NDArray[np.uint8], mapped: MappedImages) -> None:
    chosen = mapped.choose(np.array([9, 3, 4, 1])).choose(slice(1, 3))
    assert chosen.shape == (2, 5, 4, 3)
    assert len(chosen) == 2
    assert chosen.nbytes == 2 * 5 * 4 * 3
    assert np.array_equal(np.asarray(chosen), pixels[[3, 4]])
    assert np.concatenate([chosen, mapped]).shape == (22, 5, 4, 3)


def test_a_split_in_a_file_is_divided_without_reading_it(mapped: MappedImages) -> None:
    digests = np.arange(20 * 32, dtype=np.uint8).reshape(20, 32)
    part = Split(images=mapped, labels=np.arange(20), digests=digests).take(np.array([7, 2]))
    assert isinstance(part.images, MappedImages)
    assert part.labels.tolist() == [7, 2]
    assert part.digests is not None
    assert np.array_equal(part.digests, digests[[7, 2]])


def test_memory_that_was_read_is_given_back(
    pixels: NDArray[np.uint8], mapped: MappedImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    advice: list[int] = []

    class Memory:
        def madvise(self, option: int) -> None:
            advice.append(option)

    monkeypatch.setattr(mapped_files, "_GIVE_BACK_BYTES", 2 * pixels.nbytes)
    assert isinstance(mapped._mapping._resident._memory, mmap.mmap)
    monkeypatch.setattr(mapped._mapping._resident, "_memory", Memory())
    for _ in range(5):
        assert np.array_equal(mapped[:], pixels)
    assert advice == [mmap.MADV_DONTNEED] * 2


def test_what_is_written_through_memory_stays_when_that_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped_files, "_GIVE_BACK_BYTES", 1)
    array = mapped_files.create(tmp_path / "array.npy", (3, 5000), np.dtype(np.int64))
    resident = mapped_files.Resident(array[1:])
    for row in range(3):
        array[row] = row + 1
        resident.touched(array[row].nbytes)
    assert array.sum(axis=1).tolist() == [5000, 10000, 15000]
    array.flush()
    assert np.load(tmp_path / "array.npy").sum(axis=1).tolist() == [5000, 10000, 15000]
    # An array that lies in memory is left alone.
    mapped_files.Resident(np.zeros(3)).touched(10)


@pytest.mark.parametrize("chunk_bytes", [1, 150, 1 << 20])
def test_checksums_and_files_are_those_of_the_array(
    pixels: NDArray[np.uint8], mapped: MappedImages, chunk_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped_images, "_CHUNK_BYTES", chunk_bytes)
    digest = hashlib.sha256()
    mapped_images.update(digest, mapped)
    assert digest.hexdigest() == hashlib.sha256(pixels.tobytes()).hexdigest()
    labels = np.arange(20)
    in_memory, in_file = (checksum.of_splits(Split(images=images, labels=labels)) for images in (pixels, mapped))
    assert in_memory == in_file
    mapped_images.save(tmp_path / "saved.npy", mapped, pixels[:3])
    assert np.array_equal(np.load(tmp_path / "saved.npy"), np.concatenate([pixels, pixels[:3]]))
