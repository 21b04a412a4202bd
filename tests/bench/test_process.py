"""The coordinator's end of a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import bench as bench_support
from support.bench import fake_file
from support.pace import PATIENCE_SECONDS

from edge_cifar.bench.process import WorkerError, WorkerProcess


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerProcess]:
    bench_support.install(monkeypatch)
    with WorkerProcess() as started:
        started.ask("start", runtime="fake", timeout=PATIENCE_SECONDS)
        yield started


def test_a_worker_reports_every_stage(worker: WorkerProcess, tmp_path: Path) -> None:
    path = str(fake_file(tmp_path / "a.fake", classes=4, shape=[8, 6, 3]))
    loaded = worker.ask("load", path=path, threads=1, timeout=PATIENCE_SECONDS)
    assert loaded["load_ms"] > 0
    assert (loaded["input_shape"], loaded["classes"]) == ([8, 6, 3], 4)
    assert worker.ask("first", images=None, timeout=PATIENCE_SECONDS)["first_ms"] >= 0.2
    assert worker.ask("warm_up", seconds=0.1, timeout=PATIENCE_SECONDS)["inferences"] > 0
    window = worker.ask("window", seconds=0.01, minimum=5, timeout=PATIENCE_SECONDS)
    assert len(window["samples_ns"]) >= 5
    assert window["cpu_seconds"] > 0
    assert worker.ask("memory", timeout=PATIENCE_SECONDS)["peak_bytes"] > 1_000_000
    assert len(worker.ask("reload", times=2, timeout=PATIENCE_SECONDS)["load_ms"]) == 2


def test_a_worker_that_hangs_is_ended(worker: WorkerProcess, tmp_path: Path) -> None:
    path = str(fake_file(tmp_path / "a.fake", fails={"load": "hang"}))
    with pytest.raises(WorkerError, match="it hung: no answer to 'load' within 1 s"):
        worker.ask("load", path=path, threads=1, timeout=1.0)
    assert worker._process.returncode is not None


def test_an_error_leaves_the_worker_alive(worker: WorkerProcess, tmp_path: Path) -> None:
    broken = str(fake_file(tmp_path / "broken.fake", fails={"load": "error"}))
    with pytest.raises(WorkerError, match="the file is damaged"):
        worker.ask("load", path=broken, threads=1, timeout=PATIENCE_SECONDS)
    whole = str(fake_file(tmp_path / "whole.fake"))
    assert worker.ask("load", path=whole, threads=1, timeout=PATIENCE_SECONDS)["classes"] == 3


def test_the_last_words_of_a_crashed_worker_are_kept(worker: WorkerProcess, tmp_path: Path) -> None:
    path = str(fake_file(tmp_path / "a.fake", fails={"load": "crash"}))
    with pytest.raises(WorkerError, match="crashed with SIGABRT: the last words"):
        worker.ask("load", path=path, threads=1, timeout=PATIENCE_SECONDS)


def test_a_worker_imports_no_training_framework(worker: WorkerProcess) -> None:
    started = worker.ask("start", runtime="litert", timeout=PATIENCE_SECONDS)
    # TensorFlow alone takes over 400 MB.
    assert started["resident_bytes"] < 150_000_000
