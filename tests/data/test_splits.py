"""Choices among images: balanced over the classes, disjoint, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_cifar.data import Dataset, Split, calibration, loading, splits
from edge_cifar.errors import DataError, UsageError


def _split(labels: NDArray[np.int64]) -> Split:
    """Images that carry their own index, so that they can be told apart."""
    images = np.zeros((len(labels), 1, 2, 3), dtype=np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.divmod(np.arange(len(labels)), 256)
    return Split(images=images, labels=labels)


def _indices(split: Split) -> NDArray[np.int64]:
    return split.images[:, 0, 0, 0].astype(np.int64) * 256 + split.images[:, 0, 1, 0]


LABELS = st.lists(st.integers(0, 6), min_size=1, max_size=200).map(lambda values: np.array(values, dtype=np.int64))


@given(labels=LABELS, count=st.integers(1, 250), seed=st.integers(0, 5))
def test_a_balanced_choice_gives_no_class_more_than_one_above_what_another_could_still_give(
    labels: NDArray[np.int64], count: int, seed: int
) -> None:
    chosen = splits.balanced_indices(labels, count, seed)
    assert len(chosen) == min(count, len(labels))
    assert (np.diff(chosen) > 0).all(), "ascending, none twice"
    have, taken = np.bincount(labels, minlength=7), np.bincount(labels[chosen], minlength=7)
    could_give_more = taken < have
    if could_give_more.any():
        assert taken.max() <= taken[could_give_more].min() + 1


@given(labels=LABELS, fraction=st.floats(0.01, 0.99), seed=st.integers(0, 5))
def test_validation_takes_its_part_of_every_class_and_leaves_some(
    labels: NDArray[np.int64], fraction: float, seed: int
) -> None:
    split = _split(labels)
    sizes = np.bincount(labels)
    if sizes.max() < 2:
        with pytest.raises(DataError, match="too few"):
            splits.validation_split(split, fraction, seed)
        return
    train, validation = splits.validation_split(split, fraction, seed)
    assert sorted([*_indices(train), *_indices(validation)]) == list(range(len(labels)))
    for label, size in enumerate(sizes):
        marked = int((validation.labels == label).sum())
        if size >= 2:
            assert 1 <= marked < size
            assert abs(marked - fraction * size) <= 1
        else:
            assert marked == 0


def test_a_tenth_of_balanced_classes_is_exactly_a_tenth_of_each() -> None:
    _, validation = splits.validation_split(_split(np.arange(1000) % 10), 0.1, 0)
    assert np.bincount(validation.labels).tolist() == [10] * 10


def test_a_seed_fixes_the_choice_and_another_changes_it() -> None:
    split = _split(np.arange(500) % 10)
    for choose in (
        lambda seed: _indices(splits.validation_split(split, 0.2, seed)[1]),
        lambda seed: calibration.sample(split, 50, seed),
    ):
        assert np.array_equal(choose(3), choose(3))
        assert not np.array_equal(choose(3), choose(4))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_fraction_outside_0_to_1_is_refused(fraction: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        splits.validation_split(_split(np.arange(10) % 2), fraction, 0)


def test_calibration_takes_all_where_there_are_fewer_and_refuses_none() -> None:
    split = _split(np.arange(20) % 2)
    assert calibration.sample(split, 100, 0).tolist() == list(range(20))
    with pytest.raises(UsageError, match="at least 1 image"):
        calibration.sample(split, 0, 0)


def test_a_limit_takes_a_balanced_subset_of_both_splits() -> None:
    whole, part = loading.load("synthetic"), loading.load("synthetic", limit=100)
    for split in (part.train, part.test):
        assert np.bincount(split.labels).tolist() == [10] * 10
    assert part.checksum != whole.checksum
    assert part.checksum == loading.load("synthetic", limit=100).checksum
    assert len(loading.load("synthetic", limit=10**6).train) == len(whole.train)


def test_what_cannot_be_is_refused_from_the_request_alone() -> None:
    with pytest.raises(UsageError, match="at least 1 image; got 0"):
        loading.load("synthetic", limit=0)
    with pytest.raises(UsageError, match="must be at least 0"):
        loading.load("synthetic", seed=-1)
    with pytest.raises(UsageError, match="did you mean 'cifar10'"):
        loading.load("cifra10")
    with pytest.raises(UsageError, match="have a fixed size"):
        loading.load("cifar10", image_size=64)


def test_the_checksum_depends_on_pixels_labels_and_shape() -> None:
    from edge_cifar.data import checksum

    split = _split(np.arange(6) % 2)
    reshaped = Split(images=split.images.reshape(6, 2, 1, 3), labels=split.labels)
    relabelled = Split(images=split.images, labels=1 - split.labels)
    assert len({checksum.of_splits(one) for one in (split, reshaped, relabelled)}) == 3


def test_the_small_synthetic_fixture_is_a_dataset(synthetic: Dataset) -> None:
    assert len(synthetic.train) == len(synthetic.test) == 400
