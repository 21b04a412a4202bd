"""Images and labels as arrays: what is taken, what becomes of it, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from edge_cifar.data import arrays, loading, npz_file
from edge_cifar.data.arrays import Labelled
from edge_cifar.errors import DataError, UsageError


def _images(*shape: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def _dataset(images: Any, labels: Any, **options: Any) -> Any:
    return arrays.dataset({"train": Labelled(images=images, labels=labels)}, name="these", **options)


LABELS = np.arange(20) % 4


@pytest.mark.parametrize("shape", [(20, 6, 8), (20, 6, 8, 1), (20, 1, 6, 8)])
def test_grey_images_become_rgb(shape: tuple[int, ...]) -> None:
    images = _images(*shape)
    made = _dataset(images, LABELS)
    assert made.train.images.shape == (16, 6, 8, 3)
    assert {plane.tobytes() for plane in images.reshape(20, 6, 8)} == {
        image[..., channel].tobytes()
        for split in (made.train, made.test)
        for image in split.images
        for channel in range(3)
    }


def test_channels_may_come_first() -> None:
    images = _images(20, 3, 6, 8)
    assert np.array_equal(_dataset(images, LABELS).train.images[0], images[0].transpose(1, 2, 0))


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)])
def test_floats_become_the_pixels_they_were_made_of_and_their_range_is_known(low: float, high: float) -> None:
    images = _images(20, 4, 4, 3)
    images[:, 0, 0] = [0, 128, 255]
    made = _dataset((images / 255 * (high - low) + low).astype(np.float32), LABELS)
    assert np.array_equal(made.train.images, _dataset(images, LABELS).train.images)
    assert made.given_range == ((low, high) if high < 255 else None), "whole numbers up to 255 are raw pixels"
    assert _dataset(images, LABELS).given_range is None


@pytest.mark.parametrize(
    "labels",
    [LABELS[:, None], LABELS.astype(float), np.eye(4)[LABELS], np.array(["a", "b", "c", "d"])[LABELS]],
    ids=["column", "floats", "one-hot", "names"],
)
def test_labels_may_be_numbers_one_hot_or_names(labels: Any) -> None:
    made = _dataset(_images(20, 4, 4, 3), labels)
    assert made.train.labels.tolist() == _dataset(_images(20, 4, 4, 3), LABELS).train.labels.tolist()
    assert made.labels == (("a", "b", "c", "d") if labels.dtype.kind == "U" else arrays.numbered_names(4))


def test_a_fifth_of_each_class_is_held_out_for_testing() -> None:
    made = _dataset(_images(40, 4, 4, 3), np.arange(40) % 4)
    assert np.bincount(made.test.labels).tolist() == [2, 2, 2, 2]
    assert len(made.train) == 32


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (_images(20, 4, 4, 5), LABELS, "shape"),
        (_images(20, 4), LABELS, "shape"),
        (_images(19, 4, 4, 3), LABELS, "are 19, their labels 20"),
        (np.full((20, 4, 4, 3), 2.6), LABELS - 1, "class numbers must be integers from 0 on"),
        (np.array([[[[-2.1]]], [[[2.6]]]] * 10), LABELS, "--mean and --std"),
        (_images(20, 4, 4, 3), np.ones((20, 3)), "one class an image"),
        (np.array(["a"] * 20), LABELS, "must be arrays of numbers"),
        (_images(2, 4, 4, 3), np.array([0, 1]), "too few images"),
    ],
)
def test_what_is_no_images_with_labels_is_refused(images: Any, labels: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        _dataset(images, labels)


def test_more_classes_than_names_are_refused() -> None:
    with pytest.raises(DataError, match="4 classes but 2 class names"):
        _dataset(_images(20, 4, 4, 3), LABELS, class_names=["a", "b"])


def test_images_and_labels_in_memory_are_taken_as_keras_and_batches_have_them() -> None:
    images = _images(20, 4, 4, 3)
    whole, _ = arrays.given((images, LABELS))
    assert list(whole) == ["train"]
    pairs, _ = arrays.given(((images[:12], LABELS[:12]), (images[12:], LABELS[12:])))
    assert {split: len(part.images) for split, part in pairs.items()} == {"train": 12, "test": 8}
    batches, _ = arrays.given((images[at : at + 6], LABELS[at : at + 6]) for at in range(0, 20, 6))
    assert np.array_equal(batches["train"].images, images)
    single, _ = arrays.given(iter([(image, label) for image, label in zip(images, LABELS, strict=True)]))
    assert np.array_equal(single["train"].labels, LABELS)


class _Sequence:
    """As ``keras.utils.PyDataset``: by number, and without an end of its own."""

    class_indices: ClassVar = {"a": 0, "b": 1, "c": 2, "d": 3}

    def __len__(self) -> int:
        return 2

    def __getitem__(self, number: int) -> Any:
        return _images(10, 4, 4, 3), LABELS[:10]


def test_a_sequence_ends_by_its_length_and_may_name_the_classes() -> None:
    parts, names = arrays.given(_Sequence())
    assert len(parts["train"].images) == 20
    assert names == ("a", "b", "c", "d")


def test_a_tensorflow_data_set_is_taken_unless_it_is_endless() -> None:
    tensorflow = pytest.importorskip("tensorflow")
    made = tensorflow.data.Dataset.from_tensor_slices((_images(20, 4, 4, 3), LABELS)).batch(8)
    parts, _ = arrays.given(made)
    assert np.array_equal(parts["train"].images, _images(20, 4, 4, 3))
    with pytest.raises(DataError, match=r"without repeat\(\)"):
        arrays.given(made.repeat())


@pytest.mark.parametrize("data", [7, [], iter([]), iter([np.zeros((2, 2))])])
def test_other_data_in_memory_are_refused(data: Any) -> None:
    with pytest.raises(DataError):
        arrays.given(data)


@pytest.mark.parametrize(
    ("images", "labels"),
    [("x", "y"), ("images", "labels"), ("X", "Y"), ("arr_0", "arr_1")],
)
def test_a_file_of_one_split_is_read(tmp_path: Path, images: str, labels: str) -> None:
    np.savez(tmp_path / "data.npz", **{images: _images(20, 4, 4, 3), labels: LABELS})
    made = loading.load(str(tmp_path / "data.npz"))
    assert (len(made.train), len(made.test), made.labels) == (16, 4, arrays.numbered_names(4))


def test_a_file_of_several_splits_is_read_by_its_names(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "medical.npz",
        **{f"{split}_images": _images(8, 4, 4) for split in ("train", "val", "test")},
        **{f"{split}_labels": LABELS[:8, None] for split in ("train", "val", "test")},
        class_names=np.array(["a", "b", "c", "d"]),
    )
    made = loading.load(str(tmp_path / "medical.npz"))
    assert {name: len(split) for name, split in made.splits.items()} == {"train": 8, "validation": 8, "test": 8}
    assert made.labels == ("a", "b", "c", "d")


def test_what_was_written_is_read_back_the_same(tmp_path: Path) -> None:
    made = _dataset(_images(20, 4, 4, 3), LABELS, class_names=("a", "b", "c", "d"))
    npz_file.write(made, tmp_path / "kept.npz")
    again = loading.load("somewhere/else.npz", data_dir=tmp_path / "kept.npz")
    assert (again.checksum, again.labels) == (made.checksum, made.labels)


def test_a_file_that_holds_objects_or_nothing_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", x=np.array([{"a": 1}], dtype=object), y=np.zeros(1))
    with pytest.raises(DataError, match="neither numbers nor text"):
        loading.load(str(tmp_path / "objects.npz"))
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    with pytest.raises(DataError, match="it has weights"):
        loading.load(str(tmp_path / "other.npz"))
    (tmp_path / "cut.npz").write_bytes(b"PK\3\4")
    with pytest.raises(DataError, match=r"numpy\.savez"):
        loading.load(str(tmp_path / "cut.npz"))
    with pytest.raises(DataError, match="no file at"):
        loading.load(str(tmp_path / "missing.npz"))


@pytest.mark.parametrize("dtype", ["int64", "uint16", "float32"])
def test_whole_numbers_up_to_255_are_raw_pixels_whatever_their_type(dtype: str) -> None:
    images = _images(20, 6, 8, 3)
    assert _dataset(images.astype(dtype), LABELS).given_range is None, "so the model's range stays to be found"
    assert _dataset(images + np.float32(-0.5) * (images > 0), LABELS).given_range == (0.0, 255.0)


def test_an_unknown_name_is_no_folder_either() -> None:
    with pytest.raises(
        UsageError, match=r"unknown data set 'nowhere'; choose from .*; there is no folder of that name"
    ):
        loading.load("nowhere")
