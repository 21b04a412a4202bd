"""Measuring in the fake runtime: what a subject's misbehaviour costs, and what it does not."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import bench as bench_support
from support.bench import QUICK, fake_bundle, fake_file

from edge_cifar.bench import session
from edge_cifar.bench.case import Case, groups
from edge_cifar.bench.subject import Subject
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.conversion_record import ConversionRecord, TensorSpec
from edge_cifar.errors import BundleError, MeasurementError, UsageError
from edge_cifar.processes.request_loop import Message
from edge_cifar.processes.worker import Worker
from edge_cifar.progress import Advance, Silent
from edge_cifar.steps.bench import BenchInterrupted, bench


@pytest.fixture(autouse=True)
def fake_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    bench_support.install(monkeypatch)


def rows(bundle: Bundle, **options: Any) -> dict[str, dict[str, Any]]:
    """A benchmark's rows as JSON, by precision."""
    options = {"protocol": QUICK, **options}
    return {row["precision"]: row for row in bench(bundle, **options).to_json()["results"]}


def test_a_row_holds_what_was_measured(tmp_path: Path) -> None:
    bundle = fake_bundle(tmp_path, {"fp32": {"milliseconds": 1.0}, "int8": {"milliseconds": 0.5}})
    found = rows(bundle)
    full, small = found["fp32"], found["int8"]
    assert full["status"] == small["status"] == "ok"
    assert full["reason"] is None
    assert full["model"] == "toy"
    assert full["variant"] == "fake-fp32"
    assert full["runtime"] == "fake"
    assert full["sha256"] == bundle.artifacts[0].sha256
    assert full["size_bytes"] == bundle.artifacts[0].size_bytes
    assert full["gzip_bytes"] > 0
    # A busy machine may stretch a median; nothing can shorten it.
    assert full["latency_ms"]["median"] >= 1.0
    assert full["latency_ms"]["median"] <= full["latency_ms"]["p90"] <= full["latency_ms"]["p99"]
    assert len(full["latency_ms"]["windows"]) == QUICK.windows
    assert full["latency_ms"]["median"] == np.median(full["latency_ms"]["windows"])
    assert full["throughput_per_s"] == pytest.approx(1000 / full["latency_ms"]["mean"])
    assert full["load_ms"] > 0
    assert full["load_warm_ms"] > 0
    assert full["peak_rss_bytes"] > full["memory_bytes"] >= 0
    assert full["ratio"]["to"] == "fake-fp32"
    assert full["ratio"]["value"] == 1.0
    assert small["ratio"]["low"] <= small["ratio"]["value"] <= small["ratio"]["high"]
    assert small["ratio"]["pairs"] == QUICK.windows


def test_accuracy_and_agreement_come_from_the_runtime_that_is_timed(tmp_path: Path) -> None:
    row = rows(fake_bundle(tmp_path, {"fp32": {}}))["fp32"]
    assert row["accuracy"]["top1"] == 18 / 20
    assert row["accuracy"]["low"] < 0.9 < row["accuracy"]["high"]
    assert row["accuracy"]["images"] == 20
    assert row["agreement"] == {"top1": 1.0, "max_abs_diff": 0.0, "mean_abs_diff": 0.0, "images": 20}
    assert row["drop"]["points"] == 0
    assert row["data"] == {"name": "toys", "checksum": "c0ffee", "synthetic": True}


def test_fewer_images_are_the_first_of_the_reference(tmp_path: Path) -> None:
    row = rows(fake_bundle(tmp_path, {"fp32": {}}), images=4)["fp32"]
    assert row["accuracy"]["images"] == 4
    assert row["accuracy"]["top1"] == 0.5


@pytest.mark.parametrize(
    ("stage", "fault", "reason"),
    [
        ("load", "error", "while loading: the file is damaged"),
        ("load", "kill", "killed, most likely because memory ran out"),
        ("first", "exit", "exited with status 3"),
        ("later", "crash", "crashed with SIGABRT"),
        ("predict", "memory", "while measuring accuracy: it ran out of memory"),
        ("predict", "bug", "ValueError: surprise"),
    ],
)
def test_a_subject_that_misbehaves_costs_its_own_row(tmp_path: Path, stage: str, fault: str, reason: str) -> None:
    found = rows(fake_bundle(tmp_path, {"fp32": {}, "int8": {"fails": {stage: fault}}}))
    assert found["fp32"]["status"] == "ok"
    assert found["int8"]["status"] == "failed"
    assert reason in found["int8"]["reason"]
    assert found["int8"]["latency_ms"] is None
    assert found["int8"]["size_bytes"] > 0
    assert found["int8"]["pareto"] is False


def test_what_a_crashed_worker_last_said_is_part_of_the_reason(tmp_path: Path) -> None:
    found = rows(fake_bundle(tmp_path, {"fp32": {"fails": {"first": "crash"}}}))
    assert found["fp32"]["reason"].endswith("the last words")


def test_a_subject_that_hangs_is_ended_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Impatient(Worker):
        """Waits no time for the answer that never comes, and as long as ever for the others: no clock decides."""

        def ask(self, request: Message, *, seconds: float | None = None) -> Message:
            self._hangs = (request.get("path") or "").endswith("fp32.fake") if request["do"] == "load" else self._hangs
            return super().ask(request, seconds=0.01 if self._hangs and request["do"] == "predict" else seconds)

        _hangs = False

    monkeypatch.setattr(session, "Worker", Impatient)
    found = rows(fake_bundle(tmp_path, {"fp32": {"fails": {"predict": "hang"}}, "int8": {}}))
    assert found["fp32"]["status"] == "failed"
    assert "while measuring accuracy: it did not answer within 0 s" in found["fp32"]["reason"]
    assert found["int8"]["status"] == "ok"
    assert found["int8"]["ratio"] is None


def test_a_file_that_is_not_the_manifests_is_not_measured(tmp_path: Path) -> None:
    bundle = fake_bundle(tmp_path, {"fp32": {}, "int8": {}, "fp16": {}})
    fake_file(bundle.artifacts[0].path, milliseconds=0.3)
    bundle.artifacts[1].path.unlink()
    found = rows(bundle)
    assert found["fp32"]["status"] == found["int8"]["status"] == "failed"
    assert "checksum" in found["fp32"]["reason"]
    assert "missing" in found["int8"]["reason"]
    assert found["int8"]["sha256"] is None
    assert found["fp16"]["status"] == "ok"


@pytest.mark.parametrize(
    ("settings", "shape", "said"),
    [
        ({"classes": 4}, (1, 4, 4, 3), "has 4 outputs; the manifest has 3 labels"),
        (
            {},
            (1, 32, 32, 3),
            "expects images of shape [4, 4, 3]; the manifest says [1, 32, 32, 3]",
        ),
    ],
)
def test_a_file_that_its_manifest_calls_something_else_costs_its_own_row(
    tmp_path: Path, settings: dict[str, Any], shape: tuple[int, ...], said: str
) -> None:
    bundle = fake_bundle(tmp_path, {"fp32": {}, "int8": settings})
    full, small = bundle.artifacts
    told = ConversionRecord(input=TensorSpec(name="image", shape=shape, type="float32"))
    replace(bundle, artifacts=(full, replace(small, conversion=told))).write_manifest()
    found = rows(Bundle.open(tmp_path))
    assert found["fp32"]["status"] == "ok"
    assert found["int8"]["status"] == "failed"
    assert said in found["int8"]["reason"]


def test_what_cannot_run_here_is_skipped_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_UNAVAILABLE", "there is no such thing here")
    row = rows(fake_bundle(tmp_path, {"fp32": {}}))["fp32"]
    assert row["status"] == "skipped"
    assert row["reason"] == "there is no such thing here"
    assert row["size_bytes"] > 0
    assert row["latency_ms"] is None


def test_every_thread_count_is_a_row_and_accuracy_is_asked_once(tmp_path: Path) -> None:
    report = bench(fake_bundle(tmp_path, {"fp32": {}}), protocol=replace(QUICK, threads=(1, 2)))
    documents = report.to_json()["results"]
    assert [row["threads"] for row in documents] == [1, 2]
    assert documents[0]["accuracy"] == documents[1]["accuracy"]
    assert documents[0]["ratio"]["value"] == documents[1]["ratio"]["value"] == 1.0


def test_a_bare_file_is_measured_without_a_variant(tmp_path: Path) -> None:
    row = bench(fake_file(tmp_path / "theirs.fake"), protocol=QUICK).to_json()["results"][0]
    assert (row["model"], row["variant"], row["format"], row["status"]) == ("theirs", None, "fake", "ok")
    assert row["accuracy"] is None
    assert any("--data" in note for note in row["notes"])


def test_images_of_another_size_leave_accuracy_out_and_say_why(tmp_path: Path) -> None:
    row = rows(fake_bundle(tmp_path, {"fp32": {"shape": [8, 8, 3]}}))["fp32"]
    assert row["status"] == "ok"
    assert row["latency_ms"]["median"] > 0
    assert row["accuracy"] is None
    assert "accuracy was not measured: the model expects 8×8×3 images; toys has 4×4×3" in row["notes"]


def test_an_artifact_slower_than_its_fp32_says_so(tmp_path: Path) -> None:
    found = rows(fake_bundle(tmp_path, {"fp32": {"milliseconds": 0.5}, "dynamic": {"milliseconds": 2.0}}))
    assert any("slower than fake-fp32 on this machine" in note for note in found["dynamic"]["notes"])
    assert not any("slower" in note for note in found["fp32"]["notes"])


def test_the_front_holds_what_nothing_else_beats(tmp_path: Path) -> None:
    found = rows(
        fake_bundle(tmp_path, {"fp32": {"milliseconds": 3.0, "padding": "x" * 50}, "int8": {"milliseconds": 0.3}})
    )
    assert found["int8"]["pareto"] is True
    assert found["fp32"]["pareto"] is False


def test_a_baseline_can_be_chosen_among_all(tmp_path: Path) -> None:
    ours = fake_bundle(tmp_path / "bundle", {"fp32": {}})
    theirs = fake_file(tmp_path / "theirs.fake")
    report = bench(ours, theirs, relative_to="theirs.fake", protocol=QUICK)
    assert [row["ratio"]["to"] for row in report.to_json()["results"]] == ["theirs.fake", "theirs.fake"]


def test_a_baseline_that_nothing_goes_by_is_refused_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="toy fake-fp32"):
        bench(fake_bundle(tmp_path, {"fp32": {}}), relative_to="tflite-int4", protocol=QUICK)


def test_ctrl_c_keeps_what_was_measured_and_still_writes_it(tmp_path: Path) -> None:
    class Impatient(Silent):
        """Presses Ctrl-C after the third window."""

        windows = 0

        @contextmanager
        def bar(self, label: str, total: int) -> Iterator[Advance]:
            yield self._advance

        def _advance(self, units: int) -> None:
            self.windows += 1
            if self.windows == 3:
                signal.raise_signal(signal.SIGINT)

    output = tmp_path / "result.json"
    with pytest.raises(BenchInterrupted) as stopped:
        bench(
            fake_bundle(tmp_path / "bundle", {"fp32": {}, "int8": {}}),
            protocol=QUICK,
            output=output,
            progress=Impatient(),
        )
    document = stopped.value.report.to_json()
    assert document["interrupted"] is True
    assert [len(row["latency_ms"]["windows"]) for row in document["results"]] == [1, 2]
    assert output.exists()


def test_cases_that_do_not_fit_into_memory_together_are_measured_in_groups(tmp_path: Path) -> None:
    cases = [
        Case(subject=Subject(model="m", path=fake_file(tmp_path / f"{n}.fake")), runtime="fake", backend="fake")
        for n in range(5)
    ]
    sizes = [len(group) for group in groups(cases, available_bytes=250_000_000)]
    assert sizes == [2, 2, 1]
    assert [len(group) for group in groups(cases, available_bytes=1)] == [1] * 5


def test_the_artifacts_of_one_model_are_measured_together(tmp_path: Path) -> None:
    path = fake_file(tmp_path / "a.fake")
    cases = [Case(subject=Subject(model=name, path=path), runtime="fake", backend="fake") for name in "aabbbc"]
    found = [[one.subject.model for one in group] for group in groups(cases, available_bytes=450_000_000)]
    assert found == [["a", "a"], ["b", "b", "b", "c"]]


def test_windows_of_different_groups_are_no_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = fake_bundle(tmp_path, {"fp32": {}, "int8": {}})
    monkeypatch.setattr(session, "groups", lambda cases, available_bytes: [[one] for one in cases])
    found = rows(bundle)
    assert found["fp32"]["ratio"]["value"] == 1.0
    assert found["int8"]["ratio"] is None
    assert len(found["int8"]["latency_ms"]["windows"]) == QUICK.windows


def test_no_worker_outlives_the_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    class Remembered(Worker):
        def __init__(self, command: Sequence[str]) -> None:
            super().__init__(command)
            started.append(self._process.pid)

    monkeypatch.setattr(session, "Worker", Remembered)
    rows(fake_bundle(tmp_path, {"fp32": {}, "int8": {"fails": {"first": "error"}}}))
    assert len(started) == 3
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_nothing_to_measure_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="export"):
        bench(fake_bundle(tmp_path, {}), protocol=QUICK)


@pytest.mark.parametrize(
    "options",
    [{"seconds": 0}, {"seconds": float("nan")}, {"threads": (0,)}, {"threads": ()}, {"threads": (2, 2)}, {"rest": -1}],
)
def test_settings_without_meaning_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        bench(fake_bundle(tmp_path, {"fp32": {}}), **options)
