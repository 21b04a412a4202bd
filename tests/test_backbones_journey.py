"""Every backbone goes the whole way: it trains, exports in the default variants, and every artifact passes verify."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_cifar import backbones
from edge_cifar.steps import _export_plan
from edge_cifar.steps.export import export
from edge_cifar.steps.train import train
from edge_cifar.steps.verify import verify
from edge_cifar.variant import Variant

pytest.importorskip("tensorflow", reason="export needs TensorFlow")
pytest.importorskip("coremltools", reason="the default variants are of all three formats")

# Goes in `make test`, beside the ResNet8 of the shared fixtures: depthwise convolutions beside plain ones. Each of the
# others takes half a minute of a processor or more, narrow as it is.
QUICK = frozenset({"mobilenet"})
NARROWED = tuple(name for name in backbones.names() if len(backbones.get(name).alphas) > 1)


def default_variants() -> set[str]:
    return {
        str(Variant(name, precision))
        for name in ("tflite", "onnx", "coreml")
        for precision in _export_plan.converter(name).DEFAULT
    }


def travel(name: str, *, alpha: float, image_size: int, out: Path) -> dict[str, str | None]:
    """Train on a little synthetic data, export, verify; which variants did not pass, and why."""
    recipe = backbones.get(name).recipe("default", from_scratch=True)
    run = train(
        name,
        data="synthetic",
        limit=200,
        weights="none",
        alpha=alpha,
        image_size=image_size,
        epochs=[0] * (len(recipe.phases) - 1) + [2],
        batch_size=16,
        mixed_precision="off",
        out=out,
    )
    first, last = run.record()["history"]
    assert last["loss"] < first["loss"], "it learns"
    bundle = export(run, formats=["all"], calibration_images=50, reference_images=50, max_drop=100.0)
    assert {str(artifact.variant) for artifact in bundle.artifacts} == default_variants()
    outcomes = verify(bundle)
    assert len(outcomes) == len(bundle.artifacts)
    return {str(one.variant): one.reason for one in outcomes if one.status != "pass"}


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NARROWED]
)
def test_narrow_backbone_trains_exports_and_passes_verify(name: str, tmp_path: Path) -> None:
    backbone = backbones.get(name)
    size = max(32, backbone.minimum_size)
    assert travel(name, alpha=backbone.alphas[0], image_size=size, out=tmp_path / name) == {}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", backbones.names())
def test_backbone_trains_exports_and_passes_verify_at_full_width(name: str, tmp_path: Path) -> None:
    backbone = backbones.get(name)
    size = backbone.recipe("default", from_scratch=True).image_size
    assert travel(name, alpha=1.0, image_size=size, out=tmp_path / name) == {}
