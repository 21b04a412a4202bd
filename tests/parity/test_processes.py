"""Workers that crash, hang, refuse or lack their runtime, by a stand-in for the runtime's package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from support import mil_packages
from support.process import gone, wait_for
from support.stand_in_litert import bundle_of, install

from edge_cifar.documents.artifact import Artifact
from edge_cifar.documents.bundle import Bundle
from edge_cifar.parity import processes
from edge_cifar.parity.processes import Question
from edge_cifar.parity.verify import verify_bundle
from edge_cifar.processes import worker_pool
from edge_cifar.processes.worker import Worker
from edge_cifar.storage import files
from edge_cifar.variant import Variant


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return install(tmp_path, monkeypatch)


def test_an_artifact_that_crashes_its_runtime_costs_only_itself(stand_in, tmp_path):
    bundle = bundle_of(
        tmp_path / "export",
        fp32="fine",
        w8="load:os.kill(os.getpid(), signal.SIGSEGV)",
        w6="invoke:os.kill(os.getpid(), signal.SIGKILL)",
        w4="invoke:os._exit(7)",
        int8="load:raise ValueError('no such\\nop')",
        dynamic="invoke:raise SystemError('odd')",
        fp16="fine too",
    )
    done = []

    class Count:
        def bar(self, label, total):
            from contextlib import nullcontext

            assert total == 7
            return nullcontext(done.append)

        def say(self, text):
            raise AssertionError(text)

    outcomes = {str(outcome.variant): outcome for outcome in verify_bundle(bundle, progress=Count())}
    assert sum(done) == 7
    assert list(outcomes) == [f"tflite-{name}" for name in ("fp32", "w8", "w6", "w4", "int8", "dynamic", "fp16")]
    assert [outcome.status for outcome in outcomes.values()] == ["pass", *["fail"] * 5, "pass"]
    assert "its process crashed with SIGSEGV" in outcomes["tflite-w8"].reason
    assert "its process was killed" in outcomes["tflite-w6"].reason
    assert "exited with status 7" in outcomes["tflite-w4"].reason
    assert "no such" in outcomes["tflite-int8"].reason
    assert outcomes["tflite-dynamic"].reason == "SystemError: odd"
    assert all("\n" not in (outcome.reason or "") for outcome in outcomes.values())
    assert {outcome.method for outcome in outcomes.values()} == {"litert"}


def test_a_runtime_that_hangs_is_given_up(stand_in, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_START_SECONDS", 2.0)
    monkeypatch.setattr(processes, "_SECONDS_PER_IMAGE", 0.0)
    bundle = bundle_of(tmp_path / "export", fp32="load:time.sleep(10_000)")
    (outcome,) = verify_bundle(bundle)
    assert (outcome.status, outcome.reason) == ("fail", "it did not answer within 2 s")


def test_no_worker_outlives_a_verification_that_is_killed(stand_in, tmp_path):
    pid = tmp_path / "pid"
    tell = f"load:pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(10_000)"
    bundle = bundle_of(tmp_path / "export", fp32=tell)
    process = subprocess.Popen([sys.executable, "-m", "edge_cifar", "verify", str(bundle.path)])
    try:
        worker = int(wait_for(pid))
        # Ctrl-C at a terminal reaches the group of the command alone.
        assert os.getsid(worker) == worker
    finally:
        process.kill()
        process.wait()
    assert gone(worker)


def test_workers_compute_with_one_thread_each(stand_in, tmp_path):
    told = tmp_path / "threads"
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    tell = f"load:pathlib.Path({str(told)!r}).write_text(''.join(os.environ[name] for name in {names!r}))"
    assert [outcome.status for outcome in verify_bundle(bundle_of(tmp_path / "export", fp32=tell))] == ["pass"]
    assert told.read_text() == "1111"


def test_a_missing_runtime_leaves_an_artifact_unverified(stand_in, tmp_path):
    (stand_in / "interpreter.py").write_text("raise ModuleNotFoundError(name='ai_edge_litert')")
    (outcome,) = verify_bundle(bundle_of(tmp_path / "export", fp32="fine"))
    assert (outcome.status, outcome.method, outcome.images) == ("unverified", "litert", 0)
    assert "pip install" in outcome.reason


def test_a_broken_installation_is_not_held_against_the_artifact(stand_in, tmp_path):
    (stand_in / "interpreter.py").write_text("raise ImportError('libfoo.so.1: cannot open shared object file')")
    (outcome,) = verify_bundle(bundle_of(tmp_path / "export", fp32="fine"))
    assert outcome.status == "unverified"
    assert "libfoo.so.1" in outcome.reason


def test_an_interrupted_verification_leaves_no_worker_and_no_folder(stand_in, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    bundle = bundle_of(tmp_path / "export", fp32="load:time.sleep(60)", fp16="fine")
    before = {thread.name for thread in threading.enumerate()}
    started = []

    class Remembered(Worker):
        def __init__(self, command, environment):
            super().__init__(command, environment)
            started.append(self._process)

    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(worker_pool, "Worker", Remembered)
    monkeypatch.setattr(processes.os, "cpu_count", lambda: 2)
    with pytest.raises(KeyboardInterrupt):
        processes.ask(
            [artifact.path for artifact in bundle.artifacts],
            Question(images=bundle.reference_path, stop=20),
            answered=interrupt,
        )
    assert [process.poll() is not None for process in started] == [True, True]
    assert {thread.name for thread in threading.enumerate()} == before
    assert list(scratch.iterdir()) == []


def test_an_artifact_that_is_not_what_the_manifest_lists_is_not_even_loaded(stand_in, tmp_path):
    bundle = bundle_of(tmp_path / "export", fp32="fine", fp16="fine", int8="fine")
    bundle.artifacts[0].path.write_text("load:os._exit(7)")
    bundle.artifacts[1].path.unlink()
    outcomes = verify_bundle(Bundle.open(bundle.path))
    assert [outcome.status for outcome in outcomes] == ["fail", "fail", "pass"]
    assert "checksum mismatch" in outcomes[0].reason
    assert "missing" in outcomes[1].reason


def test_labels_are_held_to_the_bundle_and_to_the_classes(stand_in, tmp_path):
    bundle = bundle_of(tmp_path / "export", fp32="fine", fp16="fine", int8="fine")
    manifest = json.loads((bundle.path / "manifest.json").read_text())
    manifest["artifacts"][0]["labels"] = ["cat", "bird", "dog"]
    manifest["artifacts"][1]["labels"] = ["bird", "cat"]
    (bundle.path / "manifest.json").write_text(json.dumps(manifest))
    outcomes = verify_bundle(Bundle.open(bundle.path))
    assert [outcome.status for outcome in outcomes] == ["fail", "fail", "pass"]
    assert "class 0 is 'cat' in the manifest" in outcomes[0].reason
    assert "'bird'" in outcomes[0].reason
    assert "2 labels" in outcomes[1].reason


MAC = """
import platform
platform.system = lambda: "Darwin"
"""
COREMLTOOLS = """
import enum, pathlib, types
import numpy as np

class ComputeUnit(enum.Enum):
    ALL, CPU_ONLY, CPU_AND_GPU, CPU_AND_NE = range(4)

class MLModel:
    def __init__(self, path, compute_units):
        self._wrong = (pathlib.Path(path) / "wrong").read_text() == compute_units.name
        self.user_defined_metadata = {}

    def get_spec(self):
        kind = types.SimpleNamespace(
            WhichOneof=lambda _: "multiArrayType", multiArrayType=types.SimpleNamespace(shape=[1, 2, 2, 3])
        )
        feature = types.SimpleNamespace(name="image", type=kind)
        return types.SimpleNamespace(
            description=types.SimpleNamespace(input=[feature], output=[feature], predictedProbabilitiesName="p")
        )

    def predict(self, data):
        if isinstance(data, list):
            return [self.predict(one) for one in data]
        first = data["image"][0, 0, 0] + 1
        first = first[::-1] if self._wrong else first
        return {"p": first / first.sum()}

models = types.SimpleNamespace(MLModel=MLModel)
"""


@pytest.mark.parametrize(("wrong", "status"), [("", "pass"), ("CPU_AND_NE", "fail")])
def test_on_a_mac_every_choice_of_processors_is_verified(tmp_path, monkeypatch, wrong, status):
    package = tmp_path / "packages" / "coremltools"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(COREMLTOOLS)
    (package.parent / "sitecustomize.py").write_text(MAC)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    bundle = bundle_of(tmp_path / "export")
    path = mil_packages.classifier(bundle.path / "coreml-fp32.mlpackage")
    (path / "wrong").write_text(wrong)
    artifact = Artifact(
        path=path,
        variant=Variant("coreml", "fp32"),
        sha256=files.sha256(path),
        size_bytes=files.size_bytes(path),
        labels=("bird", "cat", "dog"),
    )
    (outcome,) = verify_bundle(replace(bundle, artifacts=(artifact,)))
    assert (outcome.status, outcome.method) == (status, "coreml")
    assert outcome.to_json()["backends"] == ["cpu", "cpu-gpu", "cpu-neural-engine"]
    if wrong:
        assert "with the cpu-neural-engine backend: a probability differs by" in str(outcome.reason)


def test_an_artifact_answers_on_one_thread_whatever_the_environment_says(tmp_path, monkeypatch):
    """As many workers as processors run side by side, and no sum may depend on how many threads add it up."""
    told = tmp_path / "told.json"
    script = f"import json, os, pathlib; pathlib.Path({str(told)!r}).write_text(json.dumps(dict(os.environ)))"
    monkeypatch.setattr(processes, "WORKER", (sys.executable, "-c", script))
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    limits += ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    for name in limits:
        monkeypatch.setenv(name, "7")
    bundle = bundle_of(tmp_path / "export", fp32="fine")
    (outcome,) = verify_bundle(bundle)
    assert outcome.reason == "its process exited before answering"
    environment = json.loads(told.read_text())
    assert {name: environment[name] for name in limits} == dict.fromkeys(limits, "1")
