"""The wheel in bare environments: a device's extras alone do all that a device should, TensorFlow provably absent.

Makes real environments and installs into them with pip; skipped, and said so, where pip cannot get the packages.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from support import ROOT
from support.pace import PATIENCE_SECONDS
from support.serve import picture

from edge_cifar.documents.bundle import Bundle
from edge_cifar.steps.remote import wheel

EXTRAS = "device,serve,report"
# What serve and report bring beside the device's own.
OF_SERVE_AND_REPORT = ("flask", "waitress", "jinja2", "plotly", "matplotlib")
HEAVY = ("tensorflow", "keras", "tf_keras", "coremltools", "onnx", "tf2onnx", "tensorflow_model_optimization")


class Environment:
    """A virtual environment of its own, with the wheel in it, and a working directory far from the checkout."""

    def __init__(self, folder: Path, extras: str) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        built = wheel()
        assert built is not None
        name, content = built
        (folder / name).write_bytes(content)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        self.bin = folder / "venv" / "bin"
        pip = [self.bin / "python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
        constraints = ROOT / "constraints.txt"
        done = subprocess.run(
            [*pip, "install", "--no-compile", "--constraint", constraints, f"{folder / name}[{extras}]"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"pip cannot install here: {done.stderr.strip()[-300:]}")
        self.pip = pip

    def run(self, *arguments: str, status: int = 0) -> str:
        """Standard output of ``edge-cifar``, which must end with that status."""
        done = subprocess.run(
            [self.bin / "edge-cifar", *arguments],
            cwd=self.work,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == status, done.stderr
        return done.stdout

    def python(self, program: str) -> str:
        """What a program prints."""
        command = [self.bin / "python", "-c", program]
        done = subprocess.run(command, cwd=self.work, env=self.variables, capture_output=True, text=True, check=True)
        return done.stdout

    @property
    def variables(self) -> dict[str, str]:
        """Without anything that would lead back to the environment of the tests."""
        return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("light"), EXTRAS)
    shutil.copytree(tiny_bundle.path, environment.work / "export", ignore=shutil.ignore_patterns("*fp*", "*.mlpackage"))
    manifest = json.loads((tiny_bundle.path / "manifest.json").read_text())
    kept = [one for one in manifest["artifacts"] if (environment.work / "export" / one["file"]).exists()]
    (environment.work / "export" / "manifest.json").write_text(json.dumps({**manifest, "artifacts": kept}))
    (environment.work / "cat.png").write_bytes(picture())
    return environment


def test_nothing_heavy_is_there(environment: Environment) -> None:
    found = environment.python(
        f"import importlib.util, json; print(json.dumps([n for n in {HEAVY!r} if importlib.util.find_spec(n)]))"
    )
    assert json.loads(found) == []
    assert str(environment.bin.parent) in environment.python("import edge_cifar; print(edge_cifar.__file__)")


def test_doctor_tells_what_is_missing(environment: Environment) -> None:
    told = json.loads(environment.run("doctor", "--json"))
    assert not any(entry["ready"] for entry in told["train"] if entry["name"] == "Keras")
    assert all(entry["ready"] for entry in told["run"] if entry["name"].startswith((".tflite", ".onnx")))


def test_verify_bench_predict_and_report(environment: Environment) -> None:
    verified = json.loads(environment.run("verify", "export", "--images", "50", "--json"))["results"]
    assert {row["status"] for row in verified} == {"pass"}
    benched = json.loads(
        environment.run("bench", "export", "--images", "50", "--seconds", "0.05", "--output", "bench.json", "--json")
    )["results"]
    assert {row["status"] for row in benched} == {"ok"}
    (answer,) = json.loads(environment.run("predict", "export", "cat.png", "--json"))["results"]
    assert answer["predictions"]
    environment.run("report", "bench.json", "-o", "page.html")
    assert "tflite-int8" in (environment.work / "page.html").read_text()


def test_serve_answers(environment: Environment) -> None:
    command = [environment.bin / "edge-cifar", "serve", "export", "--port", "0", "--workers", "1"]
    with subprocess.Popen(
        command, cwd=environment.work, env=environment.variables, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        url = next(line.rpartition(" at ")[2].strip() for line in server.stderr if " at http://" in line)
        asked = urllib.request.Request(f"{url}/predict", data=picture(), headers={"Content-Type": "image/png"})
        with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as answer:
            assert len(json.load(answer)["results"]) == 2
        with urllib.request.urlopen(f"{url}/", timeout=PATIENCE_SECONDS) as page:
            assert b"page.js" in page.read()
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 143


def test_device_alone_does_without_the_others(environment: Environment) -> None:
    """The last test: it takes away what serve and report brought."""
    subprocess.run([*environment.pip, "uninstall", "--yes", *OF_SERVE_AND_REPORT], check=True)
    for arguments in (
        ("doctor",),
        ("verify", "export", "--images", "20"),
        ("bench", "export", "--images", "20", "--seconds", "0.05"),
        ("predict", "export", "cat.png"),
    ):
        assert environment.run(*arguments)
    environment.run("serve", "export", "--port", "0", status=1)
    environment.run("report", "bench.json", status=1)
