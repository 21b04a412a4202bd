"""Core ML's runtime: where it runs, and what it makes of the framework's answers, with a stand-in for the framework."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.mean_colour import CLASSES, expected, images

from edge_cifar.errors import BundleError, RuntimeUnavailable
from edge_cifar.pixels import Setup
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.runtimes import _coreml_plan, coreml


def test_core_ml_says_that_it_needs_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert coreml.unavailable() == "Core ML runs on macOS only; this is Linux"
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


def test_an_array_input_takes_its_own_range() -> None:
    taken: list[np.ndarray[Any, Any]] = []

    class Watched(Framework):
        def predict(self, data: Any) -> Any:
            taken.append(np.asarray(data["image"]))
            return {"classLabel_probs": dict.fromkeys(self._labels, 0.1)}

    runtime = coreml.CoreML(
        Watched(image=False, labels=["a"]),
        "net",
        Setup(preprocessing=Preprocessing(input_range=(-1.0, 1.0), layout="nhwc")),
    )
    runtime.single(np.full((6, 5, 3), 255, np.uint8))()
    assert taken[0].min() == -1.0
    assert taken[-1].max() == 1.0
    with pytest.raises(BundleError, match="does not take images in nchw layout"):
        coreml.CoreML(Watched(image=False, labels=["a"]), "net", Setup(preprocessing=Preprocessing(layout="nchw")))
    with pytest.raises(BundleError, match="which it preprocesses itself; omit --input-range"):
        coreml.CoreML(
            Watched(image=True, labels=["a"]), "net", Setup(preprocessing=Preprocessing(input_range=(-1.0, 1.0)))
        )


def test_a_package_takes_one_image_at_once() -> None:
    with pytest.raises(RuntimeUnavailable, match="one image at a time, not 8"):
        coreml.load(Path("x.mlpackage"), setup=Setup(batch=8))


class MLNeuralEngineComputeDevice:
    """Named as coreml's class of the device."""


class MLCPUComputeDevice:
    """Likewise."""


class Plan:
    """coremltools' MLComputePlan as its documentation describes it. Not run against macOS."""

    def __init__(self, program: bool = True) -> None:
        kinds = ("const", "ios17.conv", "ios17.constexpr_blockwise_shift_scale", "softmax")
        operations = [
            SimpleNamespace(operator_name=kind, outputs=[SimpleNamespace(name=f"output {number}")])
            for number, kind in enumerate(kinds)
        ]
        main = SimpleNamespace(block=SimpleNamespace(operations=operations))
        self.model_structure = SimpleNamespace(program=SimpleNamespace(functions={"main": main}) if program else None)

    def get_compute_device_usage_for_mlprogram_operation(self, operation: Any) -> Any:
        device = MLNeuralEngineComputeDevice() if "conv" in operation.operator_name else MLCPUComputeDevice()
        return SimpleNamespace(preferred_compute_device=device, supported_compute_devices=[device])

    def get_estimated_cost_for_mlprogram_operation(self, operation: Any) -> Any:
        return SimpleNamespace(weight=0.9) if "conv" in operation.operator_name else None


@pytest.mark.parametrize(
    ("backend", "unit"),
    [(None, "ALL"), ("cpu", "CPU_ONLY"), ("cpu-gpu", "CPU_AND_GPU"), ("cpu-neural-engine", "CPU_AND_NE")],
)
def test_core_ml_tells_where_each_operation_runs(
    backend: str | None, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    class Units:
        def __class_getitem__(cls, name: str) -> str:
            return name

    class Model:
        def __init__(self, path: str, compute_units: str) -> None:
            asked.append(compute_units)

        def get_compiled_model_path(self) -> str:
            return "compiled"

    def load_from_path(path: str, compute_units: str) -> Plan:
        asked.append((path, compute_units))
        return Plan()

    modules = {
        "coremltools": SimpleNamespace(ComputeUnit=Units, models=SimpleNamespace(MLModel=Model)),
        "coremltools.models.compute_plan": SimpleNamespace(
            MLComputePlan=SimpleNamespace(load_from_path=load_from_path)
        ),
    }
    monkeypatch.setattr(coreml, "unavailable", lambda backend=None: None)
    monkeypatch.setattr(coreml.packages, "require", lambda name, extra: modules[name])
    found = coreml.profile(Path("net.mlpackage"), images(1)[0], threads=1, setup=Setup(backend=backend), seconds=1.0)
    assert asked == [unit, ("compiled", unit)]
    assert [(one.name, one.type, one.device, one.milliseconds, one.share) for one in found] == [
        ("output 1", "conv", "neural-engine", None, 0.9),
        ("output 3", "softmax", "cpu", None, None),
    ]


def test_what_is_no_program_has_no_plan() -> None:
    with pytest.raises(BundleError, match="not an ML program"):
        _coreml_plan.operators(Plan(program=False), "net.mlpackage")
