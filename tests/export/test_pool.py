"""Conversions in worker processes: what one that dies costs, and that none outlives the export."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from support import SUPPORT
from support.process import gone, wait_for

from edge_cifar.errors import EdgeCifarError
from edge_cifar.export import pool
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.pool import Conversion, converting
from edge_cifar.export.worker import Task

STAND_IN = SUPPORT / "stand_in_converter.py"


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WORKER", (sys.executable, str(STAND_IN)))


def task(folder: Path, precisions: Sequence[str], format_: str = "tflite") -> Task:
    return Task(
        format=format_,
        precisions=tuple(precisions),
        model="model.keras",
        folder=str(folder),
        labels=("a", "b"),
        calibration="calibration.npz",
        options=ExportOptions(keep_float=("wild",), prune=(0.5,)),
        metadata={},
    )


def results(*tasks: Task, jobs: int = 1) -> dict[str, Conversion]:
    with converting(tasks, jobs) as conversions:
        return {str(conversion.variant): conversion for conversion in conversions}


def test_a_task_is_the_same_after_its_way_through_json(tmp_path: Path) -> None:
    sent = task(tmp_path, ["fp32", "int8"])
    assert Task.from_json(json.loads(json.dumps(sent.to_json()))) == sent


def test_a_process_that_dies_costs_only_the_variant_it_died_of(tmp_path: Path) -> None:
    found = results(task(tmp_path, ["fp32", "killed", "fp16", "crashing", "raising", "int8", "lacking"]))
    assert list(found) == [
        *("tflite-fp32", "tflite-killed", "tflite-fp16", "tflite-crashing", "tflite-raising"),
        *("tflite-int8", "tflite-lacking"),
    ]
    assert {name for name, one in found.items() if one.record is not None} == {
        *("tflite-fp32", "tflite-fp16", "tflite-int8")
    }
    assert found["tflite-fp16"].seconds == 1.5
    assert found["tflite-killed"].reason == ("its process was killed, most likely because memory ran out; try --jobs 1")
    assert str(found["tflite-crashing"].reason).startswith("its process crashed with SIGABRT")
    assert found["tflite-raising"].reason == "ValueError: Bessel"
    assert found["tflite-lacking"].reason == "tflite has no Bessel"


def test_nothing_that_a_process_leaves_among_temporary_files_outlives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    # Read by this process when it starts, by others whenever they ask.
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    assert results(task(tmp_path, ["littering"]))["tflite-littering"].record is not None
    assert not list(temporary.iterdir())


def test_several_tasks_give_all_their_results_however_many_run_at_once(tmp_path: Path) -> None:
    tasks = [task(tmp_path, ["fp32", "lacking"], name) for name in ("tflite", "onnx", "coreml")]
    assert results(*tasks, jobs=1) == results(*tasks, jobs=3)


def test_what_no_variant_can_be_written_for_ends_it_all(tmp_path: Path) -> None:
    with pytest.raises(EdgeCifarError, match="no space left"):
        results(task(tmp_path, ["refusing", "endless"]), task(tmp_path, ["endless"], "onnx"), jobs=2)


def test_no_process_outlives_an_interruption(tmp_path: Path) -> None:
    def interrupted() -> None:
        with converting([task(tmp_path, ["endless", "fp32"])], 1):
            wait_for(tmp_path / "pid")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert gone(int(wait_for(tmp_path / "pid")))


def test_no_process_outlives_an_export_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import json, sys\n"
        "from edge_cifar.export import pool\n"
        "from edge_cifar.export.worker import Task\n"
        f"pool.WORKER = (sys.executable, {str(STAND_IN)!r})\n"
        "with pool.converting([Task.from_json(json.loads(sys.argv[1]))], 1) as conversions:\n"
        "    list(conversions)\n"
    )
    request = json.dumps(task(tmp_path, ["endless"]).to_json())
    process = subprocess.Popen([sys.executable, "-c", script, request])
    try:
        pid = int(wait_for(tmp_path / "pid"))
    finally:
        process.kill()
        process.wait()
    assert gone(pid)


@pytest.mark.parametrize(
    ("tasks", "cores", "gigabytes", "jobs"), [(3, 2, 16, 2), (3, 8, 16, 3), (3, 8, 5, 2), (3, 8, 1, 1), (1, 8, 16, 1)]
)
def test_as_many_at_once_as_tasks_processors_and_memory_allow(
    tasks: int, cores: int, gigabytes: int, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = type("Memory", (), {"available": gigabytes * 10**9})
    monkeypatch.setattr(pool.machine, "usable_cores", lambda: cores)
    monkeypatch.setattr(pool.psutil, "virtual_memory", lambda: memory)
    assert pool.default_jobs(tasks) == jobs
