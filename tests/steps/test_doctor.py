"""``edge-cifar doctor``, on this machine and on machines it is told of."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.pace import program, times_longer

from edge_cifar import formats
from edge_cifar.cli.main import main
from edge_cifar.packages import absent_backend, keras_backend
from edge_cifar.steps import doctor as step
from edge_cifar.steps.doctor import AREAS, Finding, doctor


def finding(name: str) -> Finding:
    """The one finding of that name."""
    (found,) = [one for one in doctor().findings if one.name == name]
    return found


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretend that exactly these packages, at these versions, are installed."""

    def pretend(**versions: str) -> None:
        monkeypatch.setattr(step, "installed", lambda module: module in versions)
        monkeypatch.setattr(step, "_version", lambda module: versions.get(module.replace("-", "_"), ""))

    return pretend


def test_json_has_every_area_and_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == importlib.metadata.version("edge-cifar")
    assert document["machine"]["python"] == sys.version.split()[0]
    for area in AREAS:
        assert document[area]
        assert all({"name", "ready", "detail", "remedy"} == set(entry) for entry in document[area])


def test_every_format_is_told_of() -> None:
    assert tuple(one.name for one in doctor().of("convert")) == formats.exported()


def test_people_read_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert all(one.name in shown for one in doctor().findings)


def test_answers_quickly_and_imports_no_framework() -> None:
    script = (
        "import sys; from edge_cifar.cli.main import main; main(['doctor']); "
        "sys.exit(bool({'tensorflow', 'keras', 'coremltools', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    # Measured: 2.7 times. It succeeds only where no framework was imported.
    assert times_longer(program("-c", script), program("-c", "import click, numpy")) < 6


def test_bare_installation_is_told_what_to_add(packages: Callable[..., None]) -> None:
    packages()
    diagnosis = doctor()
    assert not any(one.ready for one in (*diagnosis.of("train"), *diagnosis.of("convert")))
    assert 'pip install "edge-cifar[train]"' in diagnosis.remedies
    assert 'pip install "edge-cifar[convert]"' in diagnosis.remedies
    assert len(set(diagnosis.remedies)) == len(diagnosis.remedies)


def test_missing_package_is_named(packages: Callable[..., None]) -> None:
    packages(
        tensorflow="2.21.0",
        keras="3.15.1",
        ai_edge_litert="2.3.0",
        flatbuffers="25.12.19",
        onnx="1.23.2",
        onnxruntime="1.31.1",
    )
    assert not finding("onnx").ready
    assert finding("onnx").detail == "tf2onnx not installed"
    assert finding("tflite").ready


def test_nvidia_gpu_without_cuda_libraries(packages: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    packages(tensorflow="2.21.0", keras="3.15.1")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(step, "_nvidia_gpus", lambda: ["NVIDIA H200"])
    assert not finding("GPU").ready
    assert "NVIDIA H200" in finding("GPU").detail
    assert finding("GPU").remedy == 'pip install "edge-cifar[cuda]"'
    packages(tensorflow="2.21.0", keras="3.15.1", nvidia_cudnn_cu12="9.3")
    assert finding("GPU").ready


@pytest.mark.parametrize(
    ("versions", "ready", "words"),
    [
        ({"tensorflow": "2.21.0", "tensorflow_metal": "1.2.0"}, False, "not 2.21.0"),
        ({"tensorflow": "2.19.1"}, False, "tensorflow-metal is not installed"),
        ({"tensorflow": "2.19.1", "tensorflow_metal": "1.2.0"}, True, "tensorflow-metal 1.2.0"),
    ],
    ids=["tensorflow-too-new", "plugin-missing", "both-fit"],
)
def test_mac_tells_the_limits_of_tensorflow_metal(
    versions: dict[str, str], ready: bool, words: str, packages: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    packages(keras="3.15.1", **versions)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    gpu = step._metal()
    assert gpu.ready is ready
    assert words in gpu.detail
    assert ready or (gpu.remedy is not None and "constraints-metal.txt" in gpu.remedy)
    assert ready or "KERAS_BACKEND=torch" in gpu.detail


def test_coreml_on_arm_linux_has_no_remedy(packages: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    packages(tensorflow="2.21.0", keras="3.15.1")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert finding("coreml").remedy is None
    assert "does not support Linux on aarch64" in finding("coreml").detail


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"load_average": [7.5, 1, 1], "usable_cores": 4}, "busy (load 7.5 on 4 cores)"),
        ({"power_source": "battery"}, "on battery"),
        ({"throttling": ["under-voltage"]}, "throttled: under-voltage"),
        ({"governor": "ondemand"}, "governor is ondemand"),
        ({"load_average": [0.1, 1, 1], "usable_cores": 4, "governor": "performance"}, "idle"),
    ],
    ids=["busy", "battery", "throttled", "governor", "quiet"],
)
def test_what_makes_figures_doubtful_is_told(facts: dict[str, object], words: str) -> None:
    assert words in step._quietness(facts)["detail"]


def test_keras_on_another_backend_names_what_installs_that_backend(
    packages: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setattr("edge_cifar.packages.installed", lambda module: module != "torch")
    packages(keras="3.15.0", tensorflow="2.21.0")
    found = finding("Keras")
    assert (found.ready, found.detail, found.remedy) == (False, "torch is not installed", "pip install torch")


@pytest.mark.parametrize(
    ("variable", "configured", "backend"),
    [("jax", "torch", "jax"), ("", "torch", "torch"), (None, "torch", "torch"), (None, None, "tensorflow")],
)
def test_the_backend_is_the_one_that_keras_itself_takes(
    variable: str | None, configured: str | None, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if variable is not None:
        monkeypatch.setenv("KERAS_BACKEND", variable)
    if configured is not None:
        (tmp_path / "keras.json").write_text(json.dumps({"backend": configured}))
    assert keras_backend() == backend


def test_an_unknown_backend_is_named_with_those_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflw")
    assert absent_backend() == ("KERAS_BACKEND is set to 'tensorflw'; choose from jax, tensorflow, torch")


def test_reports_and_servers_are_ready_only_with_all_they_need(packages: Callable[..., None]) -> None:
    packages(plotly="6", matplotlib="3", flask="3")
    assert finding("report").detail == "jinja2 not installed"
    assert finding("serve").detail == "waitress not installed"
