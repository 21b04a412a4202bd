"""Every backbone in every precision of every format: float artifacts pass, rounded constants are proven."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.backbones import trained

from edge_cifar import backbones
from edge_cifar.steps.export import export
from edge_cifar.steps.verify import verify

pytest.importorskip("tensorflow", reason="export needs TensorFlow")
pytest.importorskip("coremltools", reason="a third of the variants are of Core ML")

PRECISIONS = ("fp32", "fp16", "dynamic", "int8", "int16x8", "w8", "w6", "w4")
# TFLite's converter has no hard swish for 16-bit activations.
IMPOSSIBLE = {"mobilenetv3small": {"int16x8"}}
EPOCHS = 15
# At a quarter of its width, with one position left of 32 pixels, it learns slowest; while it doubts, rounding decides.
LONGER = {"mobilenet": 40}


@pytest.mark.slow
@pytest.mark.parametrize("name", backbones.names())
@pytest.mark.usefixtures("images_without_doubt")
def test_a_backbone_is_proven_in_every_precision(name: str, tmp_path: Path) -> None:
    backbone = backbones.get(name)
    size = max(32, backbone.minimum_size)
    run = trained(name, alpha=backbone.alphas[0], image_size=size, epochs=LONGER.get(name, EPOCHS), out=tmp_path / name)
    precisions = [one for one in PRECISIONS if one not in IMPOSSIBLE.get(name, ())]
    bundle = export(
        run, formats=["all"], precisions=precisions, calibration_images=50, reference_images=50, max_drop=100.0
    )
    assert {artifact.variant.precision for artifact in bundle.artifacts} == set(precisions)
    for outcome in verify(bundle, layers=True):
        assert outcome.layers is not None
        last = outcome.layers.layers[-1]
        if outcome.variant.precision in ("fp32", "fp16"):
            # Whether fewer bits suffice for the answers of a network of a few epochs is no question of parity.
            assert (outcome.status, outcome.reason) == ("pass", None), str(outcome.variant)
            assert outcome.layers.sentence() is None, str(outcome.variant)
            assert (last.kind, last.state) == ("Dense", "same"), str(outcome.variant)
        if outcome.variant.precision != "fp32":
            assert outcome.weights is not None, str(outcome.variant)
            assert outcome.weights.proven, str(outcome.variant)
