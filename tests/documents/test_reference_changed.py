"""A reference that holds the answers of weights that were trained again, beside the model's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_cifar.documents.reference import Reference
from edge_cifar.errors import BundleError
from edge_cifar.variant import Variant


@pytest.mark.parametrize(
    ("precision", "base", "change"),
    [
        ("int8", "int8", None),
        ("int16x8", "int16x8", None),
        ("int8-qat", "int8", "qat"),
        ("fp32-pruned50", "fp32", "pruned50"),
        ("w8-cluster16", "w8", "cluster16"),
        ("int8-pruned", "int8-pruned", None),
        ("fp32-pruned05", "fp32-pruned05", None),
        ("pruned50", "pruned50", None),
    ],
)
def test_a_precision_tells_what_was_done_to_the_weights(precision: str, base: str, change: str | None) -> None:
    variant = Variant.parse(f"onnx-{precision}")
    assert (variant.base, variant.compression) == (base, change)
    assert str(variant) == f"onnx-{precision}"


def reference(count: int = 4) -> Reference:
    answers = np.random.default_rng(0).dirichlet(np.ones(3), (2, count)).astype(np.float32)
    return Reference(
        images=np.zeros((count, 8, 8, 3), np.uint8),
        labels=np.arange(count) % 3,
        probabilities=answers[0],
        changed={"pruned50": answers[1]},
    )


def test_each_variant_is_compared_with_the_weights_it_holds(tmp_path: Path) -> None:
    written = reference()
    written.write(tmp_path / "reference.npz")
    read = Reference.read(tmp_path / "reference.npz").first(3)
    for precision, expected in (("int8", written.probabilities), ("int8-pruned50", written.changed["pruned50"])):
        np.testing.assert_array_equal(read.of(Variant("onnx", precision)).probabilities, expected[:3])


def test_answers_that_are_not_there_are_one_sentence() -> None:
    with pytest.raises(BundleError, match="no predictions for the weights of tflite-int8-qat; export again"):
        reference().of(Variant("tflite", "int8-qat"))


def test_answers_of_another_number_of_images_are_refused(tmp_path: Path) -> None:
    whole = reference()
    broken = Reference(
        images=whole.images,
        labels=whole.labels,
        probabilities=whole.probabilities,
        changed={"qat": whole.probabilities[:2]},
    )
    broken.write(tmp_path / "reference.npz")
    with pytest.raises(BundleError, match="do not match each other"):
        Reference.read(tmp_path / "reference.npz")
