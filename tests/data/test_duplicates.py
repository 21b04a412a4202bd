"""Copies of one image: told wherever they do harm, and never divided between training and testing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from support.listener import Listener

from edge_cifar.data import Dataset, loading


def _grey(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), shade).save(path)


def _load(folder: Path) -> tuple[Dataset, str]:
    listener = Listener()
    return loading.load(str(folder), image_size=8, progress=listener), "\n".join(listener.said)


def test_the_same_picture_in_training_and_testing_is_said(tmp_path: Path) -> None:
    for number in range(6):
        _grey(tmp_path / "train" / "ab"[number % 2] / f"{number}.png", 10 * number)
        _grey(tmp_path / "test" / "ab"[number % 2] / f"{number}.png", 10 * number + 3)
    _, said = _load(tmp_path)
    assert "training images, too" not in said
    _grey(tmp_path / "test" / "a" / "leak.png", 40)
    _, said = _load(tmp_path)
    assert (
        "1 test image is a training image, too, and makes the test accuracy too high: test/a/leak.png (train/a/4.png)"
    ) in said


def test_copies_and_contradicting_labels_are_said(tmp_path: Path) -> None:
    for number in range(5):
        _grey(tmp_path / "a" / f"{number}.png", number)
        _grey(tmp_path / "b" / f"{number}.png", 100 + number)
    _grey(tmp_path / "a" / "copy.png", 3)
    _grey(tmp_path / "b" / "wrong.png", 4)
    _, said = _load(tmp_path)
    assert "2 images are copies of others: a/copy.png (a/3.png), b/wrong.png (a/4.png)" in said
    assert "1 image stands in several classes, so that one label is wrong: a/4.png, b/wrong.png" in said


def test_copies_stay_on_one_side_of_the_split(tmp_path: Path) -> None:
    for copy in range(4):
        for number in range(5):
            _grey(tmp_path / "a" / f"{number}-{copy}.png", number)
            _grey(tmp_path / "b" / f"{number}-{copy}.png", 100 + number)
    dataset, _ = _load(tmp_path)
    train, test = (set(split.images[:, 0, 0, 0].tolist()) for split in (dataset.train, dataset.test))
    assert len(dataset.test) == 8
    assert np.bincount(dataset.test.labels).tolist() == [4, 4]
    assert not train & test
