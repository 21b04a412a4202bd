"""A folder of pictures by class: any size, upright, in a fixed order; what is no picture is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.listener import Listener

from edge_cifar.data import image_folder, loading, pictures
from edge_cifar.errors import DataError, UsageError
from edge_cifar.run_data import split_data
from edge_cifar.steps.train import train

COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


def _fill(folder: Path, count: int = 10, size: tuple[int, int] = (40, 30), suffix: str = "png") -> Path:
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            shade = tuple(max(value - number, 0) for value in colour)
            Image.new("RGB", size, shade).save(folder / name / f"{number:02}.{suffix}")
    return folder


def test_subfolders_are_classes_and_a_fifth_of_each_is_held_out(tmp_path: Path) -> None:
    dataset = loading.load(str(_fill(tmp_path / "photos")), image_size=16)
    assert dataset.labels == ("blue", "green", "red")
    assert dataset.train.images.shape == (24, 16, 16, 3)
    assert np.bincount(dataset.train.labels).tolist() == [8, 8, 8]
    assert np.bincount(dataset.test.labels).tolist() == [2, 2, 2]
    # The brightest channel tells the class.
    assert dataset.train.images[:, 0, 0].argmax(axis=1).tolist() == [2 - label for label in dataset.train.labels]
    assert not dataset.synthetic


def test_the_split_follows_the_seed_and_nothing_else(tmp_path: Path) -> None:
    _fill(tmp_path / "photos")
    first, again, other = (
        image_folder.load(tmp_path / "photos", name="photos", image_size=8, seed=seed) for seed in (1, 1, 2)
    )
    assert first.checksum == again.checksum
    assert first.checksum != other.checksum
    everything = np.concatenate([first.train.images, first.test.images])
    assert len(np.unique(everything[:, 0, 0], axis=0)) == 30, "no picture is in both splits"


def test_train_and_test_subfolders_are_the_splits(tmp_path: Path) -> None:
    _fill(tmp_path / "train", count=3)
    _fill(tmp_path / "test", count=1)
    dataset = image_folder.load(tmp_path, name="photos", image_size=8)
    assert (len(dataset.train), len(dataset.test)) == (9, 3)
    assert dataset.labels == ("blue", "green", "red")


def test_a_test_class_that_training_lacks_is_refused(tmp_path: Path) -> None:
    _fill(tmp_path / "train", count=1)
    _fill(tmp_path / "test", count=1)
    (tmp_path / "test" / "violet").mkdir()
    with pytest.raises(DataError, match="classes that train/ does not have: violet"):
        image_folder.load(tmp_path, name="photos", image_size=8)


def test_a_wide_picture_is_cropped_about_its_centre(tmp_path: Path) -> None:
    picture = np.zeros((20, 60, 3), dtype=np.uint8)
    picture[:, 20:40] = 200
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(2):
            Image.fromarray(picture).save(tmp_path / name / f"{number}.png")
    dataset = image_folder.load(tmp_path, name="photos", image_size=10)
    # Resampling rings a little at the edges that were cut off; what lay outside was black.
    assert (dataset.train.images[:] > 180).all()


def test_a_size_may_have_a_height_and_a_width(tmp_path: Path) -> None:
    dataset = loading.load(str(_fill(tmp_path / "photos")), image_size=(8, 14))
    assert dataset.train.images.shape[1:] == (8, 14, 3)


def test_unreadable_files_are_named_counted_and_left_out(tmp_path: Path) -> None:
    _fill(tmp_path)
    (tmp_path / "red" / "notes.txt").write_text("not an image")
    (tmp_path / "blue" / "cut.png").write_bytes((tmp_path / "blue" / "00.png").read_bytes()[:60])
    (tmp_path / "blue" / ".DS_Store").write_bytes(b"macOS leaves these")
    listener = Listener()
    dataset = image_folder.load(tmp_path, name="photos", image_size=8, progress=listener)
    assert len(dataset.train) + len(dataset.test) == 30
    hidden, unreadable = listener.said
    assert "skipped 1 hidden file: blue/.DS_Store" in hidden
    assert "skipped 2 of 32 files that are not readable images: blue/cut.png, red/notes.txt" in unreadable


def test_strict_refuses_the_first_unreadable_file(tmp_path: Path) -> None:
    _fill(tmp_path)
    (tmp_path / "red" / "notes.txt").write_text("not an image")
    with pytest.raises(DataError, match=r"notes\.txt is not an image .*; remove it"):
        loading.load(str(tmp_path), image_size=8, strict=True)


@pytest.mark.parametrize(("classes", "found"), [(["only"], "only 'only'"), ([], "none")])
def test_fewer_than_two_classes_are_refused(tmp_path: Path, classes: list[str], found: str) -> None:
    for name in classes:
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=rf"needs at least two classes; .* has {found}"):
        loading.load(str(tmp_path))


def test_a_class_without_pictures_is_named(tmp_path: Path) -> None:
    _fill(tmp_path)
    (tmp_path / "violet").mkdir()
    with pytest.raises(DataError, match="no readable images of violet"):
        loading.load(str(tmp_path))


def test_a_class_name_that_would_break_the_list_of_labels_is_refused(tmp_path: Path) -> None:
    _fill(tmp_path)
    (tmp_path / "two\nlines").mkdir()
    with pytest.raises(DataError, match="is not printable"):
        loading.load(str(tmp_path))


def test_a_picture_is_prepared_as_it_is_for_a_prediction(tmp_path: Path) -> None:
    _fill(tmp_path, size=(50, 31), suffix="jpg")
    dataset = image_folder.load(tmp_path, name="photos", image_size=12)
    asked = pictures.read(tmp_path / "green" / "04.jpg", height=12, width=12).pixels
    everything = np.concatenate([dataset.train.images, dataset.test.images])
    assert (everything == asked).all(axis=(1, 2, 3)).any()


def test_one_picture_a_class_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few images to hold out a test set"):
        loading.load(str(_fill(tmp_path / "photos", count=1)))


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder at .*nowhere"):
        loading.load(str(tmp_path / "nowhere"))


def test_a_folder_that_was_moved_is_found_by_data_dir(tmp_path: Path) -> None:
    before = loading.load(str(_fill(tmp_path / "photos")), image_size=8)
    moved = (tmp_path / "photos").rename(tmp_path / "moved")
    after = loading.load(str(tmp_path / "photos"), data_dir=moved, image_size=8)
    assert after.checksum == before.checksum


@pytest.mark.parametrize("size", [0, -3, 10**6, (8, 0)])
def test_an_impossible_image_size_is_refused(tmp_path: Path, size: int | tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="between 1 and 1024 pixels"):
        loading.load(str(_fill(tmp_path / "photos", count=2)), image_size=size)


def test_a_folder_named_without_a_slash_is_known_for_one_from_another_directory(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(in_folder / "photos")
    (in_folder / "elsewhere").mkdir()
    before = loading.load("photos", image_size=8)
    monkeypatch.chdir(in_folder / "elsewhere")
    assert loading.is_folder(before.name)
    with pytest.raises(DataError, match="no folder at photos"):
        loading.load(before.name, image_size=8)
    assert loading.load(before.name, data_dir=in_folder / "photos", image_size=8).checksum == before.checksum


def _flat(folder: Path, *names: str, count: int = 5) -> None:
    """Class folders that hold pictures, each of a grey of its own."""
    for shade, name in enumerate(names, start=1):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("L", (8, 8), 20 * shade + number).save(folder / name / f"{number}.png")


def test_folders_below_a_class_belong_to_it(tmp_path: Path) -> None:
    _flat(tmp_path, "blue", "red", "blue/album", "red/album/deep")
    dataset = loading.load(str(tmp_path), image_size=8)
    assert dataset.labels == ("blue", "red")
    counts = np.bincount(dataset.train.labels) + np.bincount(dataset.test.labels)
    assert counts.tolist() == [10, 10], "5 pictures of each class lie one folder deeper"


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", None),
        ("train", "valid", "test"),
        ("Train", None, "Test"),
        ("training", None, "testing"),
        ("TRAIN", "Validation", "TEST"),
        ("train", None, None),
    ],
)
def test_splits_are_known_by_the_names_people_give_them(
    tmp_path: Path, train: str, validation: str | None, test: str | None
) -> None:
    for split, count in ((train, 10), (validation, 3), (test, 4)):
        if split:
            _flat(tmp_path / split, "blue", "red", count=count)
    listener = Listener()
    dataset = loading.load(str(tmp_path), image_size=8, progress=listener)
    assert dataset.labels == ("blue", "red")
    assert (dataset.validation is None) == (validation is None)
    if dataset.validation is not None and validation is not None:
        assert len(dataset.validation) == 6
        assert f"6 of {validation}/ for validation" in listener.said[-1]
    # Without a test folder a fifth of the training pictures is held out for it.
    assert (len(dataset.train), len(dataset.test)) == ((20, 8) if test else (16, 4))
    assert ("as there is no test folder" in listener.said[-1]) == (test is None)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    _flat(tmp_path, "bus", "train")
    assert loading.load(str(tmp_path), image_size=8).labels == ("bus", "train")


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [(("train", "Training", "test"), "mean the same split"), (("val", "test"), "no train/")],
)
def test_splits_that_make_no_sense_are_refused(tmp_path: Path, folders: tuple[str, ...], sentence: str) -> None:
    for folder in folders:
        _flat(tmp_path / folder, "blue", "red", count=2)
    with pytest.raises(DataError, match=sentence):
        loading.load(str(tmp_path), image_size=8)


def test_the_validation_pictures_that_a_folder_brings_are_those_of_the_training(tmp_path: Path) -> None:
    _flat(tmp_path / "train", "blue", "red", count=10)
    _flat(tmp_path / "val", "blue", "red", count=3)
    dataset = loading.load(str(tmp_path), image_size=8)
    data = split_data(dataset, fraction=0.5, seed=0)
    assert data.validation is dataset.validation
    assert data.train is dataset.train
    before = dataset.checksum
    Image.new("L", (8, 8), 255).save(tmp_path / "val" / "red" / "0.png")
    assert loading.load(str(tmp_path), image_size=8).checksum != before


def test_a_split_of_its_own_and_a_share_of_the_training_pictures_contradict_each_other(tmp_path: Path) -> None:
    _flat(tmp_path / "train", "blue", "red", count=10)
    _flat(tmp_path / "val", "blue", "red", count=3)
    with pytest.raises(DataError, match="has its own validation images; omit --validation-split"):
        train("resnet8", data=str(tmp_path), validation_split=0.3, out=tmp_path / "run")


def test_what_belongs_to_no_class_is_counted_with_its_reason(tmp_path: Path) -> None:
    for split in ("train", "test"):
        _flat(tmp_path / split, "blue", "red")
    (tmp_path / "extra").mkdir()
    (tmp_path / "README.txt").write_text("pictures")
    (tmp_path / "test" / "labels.csv").write_text("a,b")
    (tmp_path / "train" / "red" / "more").symlink_to(tmp_path / "extra")
    listener = Listener()
    loading.load(str(tmp_path), image_size=8, progress=listener)
    said = "\n".join(listener.said)
    assert "skipped 1 folder next to the splits: extra" in said
    assert "skipped 1 file next to the splits: README.txt" in said
    assert "skipped 1 file next to the class folders: test/labels.csv" in said
    assert "skipped 1 symbolic link to a folder: train/red/more" in said


def test_16_bit_grey_in_a_folder_is_scaled_and_counted(tmp_path: Path) -> None:
    _flat(tmp_path, "dark")
    (tmp_path / "deep").mkdir()
    for number in range(5):
        Image.fromarray(np.full((8, 8), 4095 - number, np.uint16)).save(tmp_path / "deep" / f"{number}.png")
    listener = Listener()
    dataset = loading.load(str(tmp_path), image_size=8, progress=listener)
    assert dataset.train.images[dataset.train.labels == 1].min() == 255
    assert "5 images: 16-bit grayscale using 12 bits: 0 to 4,095 scaled to 0 to 255" in "\n".join(listener.said)
