"""The answers that are kept with a run: what is written is read again, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_cifar.documents.predictions import Predictions
from edge_cifar.errors import RunError


def made(count: int = 10_000, classes: int = 10) -> Predictions:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, classes, count)
    probabilities = generator.dirichlet(np.full(classes, 0.1), count).astype(np.float32)
    return Predictions.of(labels, probabilities)


@pytest.mark.parametrize("classes", [2, 10, 300])
def test_predictions_are_read_as_they_were_written(classes: int, tmp_path: Path) -> None:
    predictions = made(500, classes)
    predictions.write(tmp_path / "predictions.npz")
    read = Predictions.read(tmp_path / "predictions.npz")
    np.testing.assert_array_equal(read.labels, predictions.labels)
    np.testing.assert_array_equal(read.predicted, predictions.predicted)
    np.testing.assert_allclose(read.confidence, predictions.confidence, atol=5.1e-4)
    assert (read.labels.dtype, read.predicted.dtype, read.confidence.dtype) == (np.int64, np.int64, np.float32)


def test_right_is_where_the_most_probable_class_is_the_true_one() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32)
    predictions = Predictions.of(np.array([0, 0, 0]), probabilities)
    assert predictions.right.tolist() == [True, False, True]
    assert predictions.confidence.tolist() == pytest.approx([0.9, 0.8, 0.6])


def test_ten_thousand_answers_take_little_room(tmp_path: Path) -> None:
    made().write(tmp_path / "predictions.npz")
    assert (tmp_path / "predictions.npz").stat().st_size < 40_000


@pytest.mark.parametrize(
    "arrays",
    [
        {"labels": np.zeros(3, np.uint16)},
        {name: np.zeros(3) for name in ("labels", "predicted", "confidence")},
        {name: np.array([{}]) for name in ("labels", "predicted", "confidence")},
        {name: np.zeros(size, np.uint16) for name, size in (("labels", 3), ("predicted", 2), ("confidence", 3))},
        {name: np.array(3, np.uint16) for name in ("labels", "predicted", "confidence")},
    ],
    ids=["lacking", "other-types", "pickled", "other-lengths", "no-vectors"],
)
def test_arrays_that_are_no_predictions_are_refused(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    np.savez(tmp_path / "predictions.npz", **arrays)
    with pytest.raises(RunError, match=r"predictions\.npz .*train again, or delete the file"):
        Predictions.read(tmp_path / "predictions.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive"])
def test_damaged_file_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "predictions.npz").write_bytes(content)
    with pytest.raises(RunError) as caught:
        Predictions.read(tmp_path / "predictions.npz")
    assert "\n" not in str(caught.value)
