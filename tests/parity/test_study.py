"""The study of mutants on a trained network: the share of those that matter that ``verify`` sees, and false alarms.

A quick version, on a network trained for seconds, is in ``test_mutations.py``.
"""

from __future__ import annotations

import os

import pytest
from support import ROOT, study

from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.parity import inspection

RESNET8 = ROOT / "models" / "resnet8"
# Of each variant every so manieth mutant, and how many images; a reference evaluator takes its time.
STUDIED = {
    "tflite-fp32": (1, 300),
    "onnx-fp16": (1, 300),
    "tflite-int8": (1, 300),
    "onnx-int8": (1, 300),
    "coreml-int8": (8, 20),
}
SHARE = 0.97


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A fresh bundle of the trained ResNet8."""
    for package in ("tensorflow", "tf2onnx", "coremltools"):
        pytest.importorskip(package, reason="exporting all three formats needs it")
    if not os.environ.get("EDGE_CIFAR_DATA"):
        pytest.skip("EDGE_CIFAR_DATA does not name the real CIFAR-10, which models/resnet8 was trained on")
    from edge_cifar.steps.export import export

    return export(
        RESNET8,
        formats=["all"],
        precisions=["fp32", "fp16", "int8"],
        reference_images=300,
        out=tmp_path_factory.mktemp("study") / "export",
    )


@pytest.mark.slow
def test_at_least_97_percent_of_the_mutants_that_matter_are_seen_and_nothing_harmless_is_a_fault(bundle):
    reference = Reference.read(bundle.reference_path)
    by_variant = {str(artifact.variant): artifact for artifact in bundle.artifacts}
    matter, harmless = [], []
    for variant, (every, images) in STUDIED.items():
        artifact = by_variant[variant]
        sibling = by_variant.get(str(inspection.sibling_of(artifact.variant)))
        few = reference.first(images)
        rows = list(study.study(artifact, sibling, few, every=every))
        study.tell(variant, rows)
        matter += [row for row in rows if row.effect > study.EFFECT]
    study.tell("all", matter)
    for artifact in bundle.artifacts:
        sibling = by_variant.get(str(inspection.sibling_of(artifact.variant)))
        harmless += study.study(artifact, sibling, reference.first(5), harmless=True)
    print(f"{len(harmless)} harmless changes, of which {sum(bool(row.reason) for row in harmless)} fail")
    assert len(matter) > 500
    assert sum(row.reason is None for row in matter) <= (1 - SHARE) * len(matter)
    assert len(harmless) >= 60
    assert max(row.effect for row in harmless) < 1e-3
    assert [row for row in harmless if row.reason] == []
