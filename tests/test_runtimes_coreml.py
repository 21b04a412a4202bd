"""Core ML's runtime: where it runs, and what it makes of the framework's answers, with a stand-in for the framework."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mean_colour import CLASSES, expected, images

from edge_cifar.errors import RuntimeUnavailable
from edge_cifar.runtimes import coreml


def test_core_ml_says_that_it_needs_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert coreml.unavailable() == "Core ML runs on macOS only, this is Linux"
    with pytest.raises(RuntimeUnavailable, match="macOS only"):
        coreml.load(Path("x.mlpackage"))


class Framework:
    """coremltools' MLModel as its documentation describes it: dictionaries in, dictionaries out."""

    def __init__(self, *, image: bool, labels: list[str]) -> None:
        multi = SimpleNamespace(shape=[1, 6, 5, 3])
        kind = SimpleNamespace(
            WhichOneof=lambda _: "imageType" if image else "multiArrayType",
            imageType=SimpleNamespace(height=6, width=5),
            multiArrayType=multi,
        )
        self._image = image
        self._labels = labels
        self._description = SimpleNamespace(
            input=[SimpleNamespace(name="image", type=kind)],
            output=[SimpleNamespace(name="classLabel_probs")],
            predictedProbabilitiesName="classLabel_probs",
        )
        self.user_defined_metadata = {"labels": '["' + '", "'.join(labels) + '"]'}

    def get_spec(self) -> Any:
        return SimpleNamespace(description=self._description)

    def predict(self, data: Any) -> Any:
        if isinstance(data, list):
            return [self.predict(one) for one in data]
        pixels = np.asarray(data["image"]).reshape(1, 6, 5, 3).astype(np.uint8)
        pairs = list(zip(self._labels, expected(pixels)[0].tolist(), strict=True))
        # Core ML's dictionaries come in no particular order.
        return {"classLabel": "x", "classLabel_probs": dict(reversed(pairs))}


@pytest.mark.parametrize("image", [True, False])
def test_core_ml_answers_in_the_order_of_the_labels(image: bool) -> None:
    runtime = coreml.CoreML(Framework(image=image, labels=[f"class {n}" for n in range(CLASSES)]), "net")
    assert (runtime.input_shape, runtime.classes) == ((6, 5, 3), CLASSES)
    for count in (0, 1, 70):
        np.testing.assert_allclose(runtime.predict(images(count)), expected(images(count)), atol=1e-6)
    assert runtime.single(images(1)[0])()["classLabel"] == "x"
