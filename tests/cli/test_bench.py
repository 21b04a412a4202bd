"""``edge-cifar bench``: what it prints, writes, refuses, and the shape of its JSON."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import bench as bench_support
from support.bench import fake_bundle, fake_file
from support.pace import program, times_longer
from support.report_samples import bench_document

from edge_cifar.cli.main import main
from edge_cifar.documents.bench_report import BenchReport
from edge_cifar.documents.bundle import Bundle, StoredFile

QUICK = ("--seconds", "0.1")


@pytest.fixture(autouse=True)
def fake_runtime(monkeypatch: pytest.MonkeyPatch, in_folder: Path) -> None:
    bench_support.install(monkeypatch)


@pytest.fixture
def bundle(in_folder: Path) -> Bundle:
    """An exported run named ``toy`` below the working directory."""
    run = in_folder / "toy"
    run.mkdir()
    (run / "record.json").write_text('{"schema": 1}')
    (run / "model.keras").write_text("weights")
    return fake_bundle(run / "export", {"fp32": {}, "int8": {"milliseconds": 0.1}})


def finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def test_json_has_the_shape_that_was_promised(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    broken = fake_file(Path("broken.fake"), fails={"load": "error"})
    assert main(["bench", "toy", str(broken), "--json", *QUICK]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 2
    assert {"architecture", "logical_cores", "memory_bytes", "os", "python", "after"} <= document["machine"].keys()
    assert document["protocol"]["seconds"] == 0.1
    assert "setting the input" in document["protocol"]["method"]["timed"]
    assert finite(document["protocol"]["own_cost_ns"])
    assert {"commit", "command", "measured_at", "versions", "warnings", "interrupted"} <= document.keys()
    promised = {
        *("model", "variant", "path", "sha256", "status", "reason", "runtime", "threads", "size_bytes", "accuracy"),
        *("agreement", "latency_ms", "load_ms", "peak_rss_bytes", "memory_bytes", "throughput_per_s", "pareto"),
    }
    assert [row["status"] for row in document["results"]] == ["ok", "ok", "failed"]
    for row in document["results"]:
        assert promised <= row.keys()
        assert not Path(row["path"]).is_absolute()
        assert isinstance(row["pareto"], bool)
    ok = document["results"][0]
    assert {"top1", "low", "high", "images"} <= ok["accuracy"].keys()
    assert {"top1", "max_abs_diff"} <= ok["agreement"].keys()
    assert {"median", "p90", "p99", "first", "windows"} <= ok["latency_ms"].keys()
    assert all(finite(ok[name]) for name in ("load_ms", "peak_rss_bytes", "memory_bytes", "throughput_per_s"))


BROKEN = {"fails": {"load": "error"}}


@pytest.mark.parametrize(("options", "status"), [((), 1), (("--keep-going",), 0)])
def test_some_rows_that_failed_are_named_after_the_whole_result_was_written(
    options: tuple[str, ...], status: int, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_bundle(Path("other"), {"fp32": BROKEN, "fp16": {}, "int8": BROKEN})
    assert main(["bench", "toy", "other", "--output", "result.json", *options, *QUICK]) == status
    shown = capsys.readouterr()
    written = [(row["variant"], row["status"]) for row in json.loads(Path("result.json").read_text())["results"]]
    names = ("fake-fp32", "fake-int8", "fake-fp32", "fake-fp16", "fake-int8")
    assert written == list(zip(names, ("ok", "ok", "failed", "ok", "failed"), strict=True))
    assert sum(line.split()[:2] == ["toy", "fake-fp16"] for line in shown.out.splitlines()) == 1
    assert ("2 of 5 rows failed: toy fake-fp32, toy fake-int8" in shown.err) == (status == 1)
    assert ("next: edge-cifar report result.json" in shown.out) == (status == 0)


def test_what_this_machine_has_no_runtime_for_is_no_failure(bundle: Bundle) -> None:
    fake_bundle(Path("other"), {"fp32": {"largest_batch": 0}})
    assert main(["bench", "toy", "other", "--output", "result.json", *QUICK]) == 0
    rows = json.loads(Path("result.json").read_text())["results"]
    assert [row["status"] for row in rows] == ["ok", "ok", "skipped"]


@pytest.mark.parametrize(("options", "status"), [((), 1), (("--keep-going",), 0)])
def test_rows_that_failed_on_another_machine_count_the_same(
    options: tuple[str, ...], status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = next(row for row in bench_document()["results"] if row["model"] == "resnet8") | {"model": "toy"}
    rows = [row, row | {"variant": "tflite-int8", "status": "failed", "reason": "it crashed"}]
    rows.append(row | {"variant": "coreml-fp32", "status": "skipped", "reason": "Core ML runs on macOS only"})
    asked: list[list[str]] = []

    def bench_on(host: str, target: Path, *, options: list[str], **others: Any) -> BenchReport:
        asked.append(options)
        return BenchReport.from_json(bench_document() | {"results": rows}, "board")

    monkeypatch.setattr("edge_cifar.steps.remote.bench_on", bench_on)
    assert main(["bench", "toy", "--on", "board", "--threads", "2", *options]) == status
    shown = capsys.readouterr()
    assert "it crashed" in shown.out
    assert ("1 of 3 rows failed: toy tflite-int8" in shown.err) == (status == 1)
    # A board's older release need not know the option: what becomes of the status is decided here.
    assert asked == [["--threads=2"]]


def test_people_get_a_table_and_the_next_command(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "toy", *QUICK]) == 0
    out = capsys.readouterr().out
    assert "fake-int8" in out
    assert "90.00  69.9 to 97.2" in out
    assert "all rows: accuracy on synthetic images" in out
    assert "★" in out
    assert out.rstrip().endswith("next: edge-cifar report toy")


@pytest.mark.parametrize("target", ["toy", "toy/export"])
def test_a_runs_result_stands_in_its_folder(bundle: Bundle, target: str) -> None:
    assert main(["bench", target, *QUICK]) == 0
    rows = json.loads(Path("toy/bench.json").read_text())["results"]
    assert [row["variant"] for row in rows] == ["fake-fp32", "fake-int8"]


def test_a_bundle_that_travels_leaves_nothing_beside_it_unless_asked(bundle: Bundle, in_folder: Path) -> None:
    (in_folder / "device").mkdir()
    shutil.move(bundle.path, in_folder / "device" / "export")
    assert main(["bench", "device/export", "--output", "here.json", *QUICK]) == 0
    assert [path.name for path in (in_folder / "device").iterdir()] == ["export"]
    assert json.loads(Path("here.json").read_text())["schema"] == 2


def test_ctrl_c_gives_130_and_what_was_measured(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    interrupting = fake_bundle(Path("other"), {"fp32": {}, "int8": {"fails": {"predict": "interrupt"}}})
    assert main(["bench", "toy", str(interrupting.path), "--output", "so_far.json", *QUICK]) == 130
    written = json.loads(Path("so_far.json").read_text())
    assert written["interrupted"] is True
    assert [row["status"] for row in written["results"]] == ["ok"] * 4
    assert [row["accuracy"] is not None for row in written["results"]] == [True, True, True, False]
    captured = capsys.readouterr()
    assert "fake-int8" in captured.out
    assert "interrupted" in captured.err


def test_a_regression_fails_and_an_equal_result_passes(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "toy", "--output", "before.json", *QUICK]) == 0
    small = json.loads(Path("before.json").read_text())
    assert main(["bench", "toy", "--baseline", "before.json", "--max-regression", "100000", *QUICK]) == 0
    for row in small["results"]:
        row["size_bytes"] = 1
    Path("smaller.json").write_text(json.dumps(small))
    assert main(["bench", "toy", "--baseline", "smaller.json", "--json", *QUICK]) == 1
    captured = capsys.readouterr()
    assert "regressed from smaller.json: toy fake-fp32" in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--images", "0"),
        ("--images", "some"),
        ("--threads", "0"),
        ("--threads", "1,x"),
        ("--threads", "2,2"),
        ("--seconds", "0"),
        ("--seconds", "nan"),
        ("--rest", "-1"),
        ("--batch-size", "0"),
        ("--backend", "xnnpak"),
        ("--backend", "all,fast"),
        ("--layout", "nhcw"),
        ("--max-regression", "10"),
        ("--baseline", "before.json", "--max-regression", "-1"),
        ("--data", "cifar11"),
    ],
)
def test_what_the_command_line_alone_tells_to_be_wrong_gives_2(
    bundle: Bundle, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "toy", *arguments]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "nowhere"),
        (("nowhere.tflite",), "nowhere.tflite"),
        (("empty",), "empty"),
        (("toy", "--baseline", "nowhere.json"), "nowhere.json"),
        (("toy", "--relative-to", "tflite-int4"), "tflite-int4"),
        (("toy", "--data-dir", "empty"), "empty"),
    ],
)
def test_what_the_files_tell_to_be_wrong_gives_1_and_one_sentence(
    bundle: Bundle, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    assert main(["bench", *arguments]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_measured(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").write_text("")
    assert main(["bench", "toy", "--output", "file/result.json"]) == 1
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["truncated", "other", "out of range"])
def test_a_damaged_reference_is_named(bundle: Bundle, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = bundle.reference_path.read_bytes()
    if damage == "truncated":
        bundle.reference_path.write_bytes(content[:100])
    elif damage == "other":
        other = StoredFile(sha256="0" * 64)
        Bundle(path=bundle.path, model="toy", artifacts=bundle.artifacts, reference=other).write_manifest()
    else:
        bench_support.write_reference(bundle, labels=bench_support.LABELS + 1)
    assert main(["bench", "toy"]) == 1
    assert "reference.npz" in capsys.readouterr().err


def test_a_bundle_without_its_reference_is_measured_without_accuracy(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle.reference_path.unlink()
    assert main(["bench", "toy", "--json", *QUICK]) == 0
    rows = json.loads(capsys.readouterr().out)["results"]
    assert [(row["status"], row["accuracy"], row["agreement"]) for row in rows] == [("ok", None, None)] * 2


def test_importing_the_step_takes_no_framework() -> None:
    code = (
        "import sys, edge_cifar.steps.bench, edge_cifar.bench.worker\n"
        "heavy = {'tensorflow', 'keras', 'onnxruntime', 'ai_edge_litert', 'coremltools', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ""}
    )
    assert done.stdout.strip() == "[]"


def test_importing_the_step_takes_little_longer_than_what_it_needs() -> None:
    step = program("-c", "import edge_cifar.cli.commands.bench, edge_cifar.steps.bench")
    # Measured: 3.1 times.
    assert times_longer(step, program("-c", "import click, numpy")) < 6


def test_a_run_that_cannot_be_written_costs_the_copy_and_not_the_result(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    # A folder under the result's name: unlike a read-only one it holds off the super-user too.
    Path("toy/bench.json/full").mkdir(parents=True)
    assert main(["bench", "toy", "--json", *QUICK]) == 0
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)["results"]) == 2
    assert "no results are saved in the run" in captured.err
    assert "bench.json: it is a folder" in captured.err
    assert Path("toy/bench.json/full").is_dir()
