"""Every backbone goes the whole way: it trains, exports in the default variants, and every artifact passes verify."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import backbones as backbones_support
from support.export import answering_here, converting_here

from edge_cifar import backbones
from edge_cifar import formats as available
from edge_cifar.backbones import resnet18, resnet20
from edge_cifar.backbones.shared import residual
from edge_cifar.export import pool
from edge_cifar.report import figures
from edge_cifar.steps.export import export
from edge_cifar.steps.verify import verify
from edge_cifar.variant import Variant

pytest.importorskip("tensorflow", reason="export needs TensorFlow")
pytest.importorskip("coremltools", reason="the default variants are of all three formats")

# Where Keras's own architectures end in `make test`: behind at least one block of every kind that the whole one is
# made of, but for InceptionV3's modules of 1x7 and 7x1, which lie too deep. Ours are narrow there, two also shallow.
ENDS = {
    "inceptionv3": ("InceptionV3", "mixed0"),
    "mobilenet": ("MobileNet", "conv_pw_4_relu"),
    "mobilenetv2": ("MobileNetV2", "block_3_project_BN"),
    "mobilenetv3small": ("MobileNetV3Small", "expanded_conv_4_add"),
    "resnet50": ("ResNet50", "conv3_block1_out"),
    "vgg16": ("VGG16", "block3_pool"),
}

pytestmark = pytest.mark.usefixtures("images_without_doubt")


@pytest.fixture
def reduced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A backbone's name; its architecture is cut short, and what costs more than it tells here is left out.

    Pictures of a training are not drawn, and neither export nor verify starts processes.
    """
    import keras

    name: str = request.param
    if name in ENDS:
        application, end = ENDS[name]
        monkeypatch.setattr(keras.applications, application, begun(getattr(keras.applications, application), end))
    for module in (resnet18, resnet20):
        monkeypatch.setattr(module, "residual_trunk", shallow)
    for picture in ("curves", "confusion", "mistakes"):
        monkeypatch.setattr(figures, picture, lambda *_: None)
    monkeypatch.setattr(pool, "converting", converting_here)
    answering_here(monkeypatch)
    return name


def shallow(keras: Any, inputs: Any, *, filters: Sequence[int], blocks: int) -> Any:
    return residual.residual_trunk(keras, inputs, filters=filters, blocks=1)


class EndReachedError(Exception):
    """An architecture is built as far as it is wanted; holds the output of its last layer."""


def begun(application: Callable[..., Any], end: str) -> Callable[..., SimpleNamespace]:
    """An architecture of Keras's that is built to the layer called ``end`` and no further."""
    import keras

    whole_call = keras.layers.Layer.__call__

    def call(layer: Any, *given: Any, **named: Any) -> Any:
        output = whole_call(layer, *given, **named)
        if layer.name == end:
            raise EndReachedError(output)
        return output

    def build(**settings: Any) -> SimpleNamespace:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(keras.layers.Layer, "__call__", call)
            try:
                application(**settings)
            except EndReachedError as reached:
                return SimpleNamespace(output=reached.args[0])
        raise AssertionError(f"there is no layer {end}")

    return build


def default_variants(names: Sequence[str]) -> set[str]:
    return {str(Variant(name, precision)) for name in names for precision in available.get(name).defaults}


def travel(
    name: str,
    *,
    alpha: float,
    image_size: int,
    epochs: int,
    out: Path,
    formats: Sequence[str] = ("tflite", "onnx", "coreml"),
) -> dict[str, str | None]:
    """Train on a few images, export, verify; which variants did not pass, and why."""
    run = backbones_support.trained(name, alpha=alpha, image_size=image_size, epochs=epochs, out=out)
    first, last = (run.record().to_json()["history"][place] for place in (0, -1))
    assert last["loss"] < first["loss"], "it learns"
    bundle = export(run, formats=formats, calibration_images=50, reference_images=20, max_drop=100.0)
    assert {str(artifact.variant) for artifact in bundle.artifacts} == default_variants(formats)
    outcomes = verify(bundle)
    assert len(outcomes) == len(bundle.artifacts)
    return {str(one.variant): one.reason for one in outcomes if one.status != "pass"}


@pytest.mark.parametrize("reduced", backbones.names(), indirect=True)
def test_reduced_backbone_trains_exports_and_passes_verify(reduced: str, tmp_path: Path) -> None:
    backbone = backbones.get(reduced)
    size = max(32, backbone.minimum_size)
    out = tmp_path / reduced
    into = ("tflite", "onnx", "coreml") if reduced in backbones_support.WITH_EVERY_LAYER else ("tflite",)
    assert travel(reduced, alpha=backbone.alphas[0], image_size=size, epochs=5, out=out, formats=into) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", backbones.names())
def test_backbone_trains_exports_and_passes_verify_at_full_width(name: str, tmp_path: Path) -> None:
    backbone = backbones.get(name)
    size = backbone.recipe("default", from_scratch=True).image_size
    assert travel(name, alpha=1.0, image_size=size, epochs=15, out=tmp_path / name) == {}
