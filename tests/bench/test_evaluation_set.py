"""What a subject's answers are worth: the figures of ``bench`` are those of the comparison that ``verify`` makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_cifar.bench.evaluation_set import EvaluationSet
from edge_cifar.data.mapped_images import MappedImages
from edge_cifar.documents.bench_figures import DetailedAccuracy
from edge_cifar.documents.fields import Fields
from edge_cifar.documents.reference import Reference
from edge_cifar.parity.comparison import compare


def test_agreement_and_drop_are_those_of_verify() -> None:
    generator = np.random.default_rng(0)
    reference = Reference(
        images=np.zeros((200, 2, 2, 3), np.uint8),
        labels=generator.integers(0, 3, 200),
        probabilities=generator.dirichlet(np.ones(3), 200).astype(np.float32),
    )
    answers = generator.dirichlet(np.ones(3), 200).astype(np.float32)
    by_verify = compare(reference, answers, over=0.2)
    by_bench = EvaluationSet(
        images=reference.images, labels=reference.labels, classes=3, reference=reference.probabilities
    ).evaluate(answers)
    assert by_bench.agreement is not None
    assert by_bench.agreement.top1 == by_verify.agreement.top1_agreement < 1
    assert by_bench.agreement.max_abs_diff == by_verify.agreement.max_abs_diff
    assert by_bench.drop == by_verify.drop
    assert by_bench.accuracy.top1 == by_verify.accuracy.value


def test_without_the_keras_models_answers_there_is_accuracy_alone() -> None:
    images, labels = np.zeros((4, 2, 2, 3), np.uint8), np.array([0, 1, 2, 0])
    found = EvaluationSet(images=images, labels=labels, classes=3).evaluate(np.eye(3, dtype=np.float32)[[0, 1, 2, 1]])
    assert found.accuracy.top1 == 0.75
    assert (found.agreement, found.drop) == (None, None)


def test_balanced_accuracy_stands_beside_accuracy_where_it_tells_something_else() -> None:
    images, labels = np.zeros((10, 2, 2, 3), np.uint8), np.array([0] * 9 + [1])
    evaluation_set = EvaluationSet(images=images, labels=labels, classes=2)
    always_first = evaluation_set.evaluate(np.eye(2, dtype=np.float32)[[0] * 10]).accuracy
    assert (always_first.top1, always_first.balanced, always_first.unbalanced) == (0.9, 0.5, True)
    assert DetailedAccuracy.from_json(Fields(always_first.to_json(), "a file")) == always_first
    right = evaluation_set.evaluate(np.eye(2, dtype=np.float32)[labels]).accuracy
    assert not right.unbalanced


def test_images_in_a_file_have_the_checksum_of_those_in_memory(tmp_path: Path) -> None:
    images, labels = np.arange(10 * 12, dtype=np.uint8).reshape(10, 2, 2, 3), np.zeros(10, np.int64)
    np.save(tmp_path / "images.npy", images)
    answers = np.eye(2, dtype=np.float32)[[0] * 10]
    in_memory, in_file = (
        EvaluationSet(images=some, labels=labels, classes=2).evaluate(answers).accuracy.images_sha256
        for some in (images, MappedImages(tmp_path / "images.npy"))
    )
    assert in_memory == in_file
