"""The process that measures one artifact: what it answers at every stage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import bench as bench_support
from support.bench import fake_file

from edge_cifar.bench import session
from edge_cifar.processes.request_loop import Message
from edge_cifar.processes.worker import RefusedError, Worker


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    bench_support.install(monkeypatch)
    with Worker(session.WORKER) as started:
        ask(started, "start", runtime="fake")
        yield started


def ask(worker: Worker, action: str, **arguments: Any) -> Message:
    return worker.ask({"do": action, **arguments})


def test_a_worker_reports_every_stage(worker: Worker, tmp_path: Path) -> None:
    path = str(fake_file(tmp_path / "a.fake", classes=4, shape=[8, 6, 3]))
    loaded = ask(worker, "load", path=path, threads=1)
    assert loaded["load_ms"] > 0
    assert (loaded["input_shape"], loaded["classes"]) == ([8, 6, 3], 4)
    assert ask(worker, "first", images=None)["first_ms"] >= 0.2
    assert ask(worker, "warm_up", seconds=0.1)["inferences"] > 0
    window = ask(worker, "window", seconds=0.01, minimum=5)
    assert len(window["samples_ns"]) >= 5
    assert window["cpu_seconds"] > 0
    assert ask(worker, "memory")["peak_bytes"] > 1_000_000
    assert len(ask(worker, "reload", times=2)["load_ms"]) == 2


def test_a_damaged_file_leaves_the_worker_alive(worker: Worker, tmp_path: Path) -> None:
    broken = str(fake_file(tmp_path / "broken.fake", fails={"load": "error"}))
    with pytest.raises(RefusedError, match="the file is damaged"):
        ask(worker, "load", path=broken, threads=1)
    whole = str(fake_file(tmp_path / "whole.fake"))
    assert ask(worker, "load", path=whole, threads=1)["classes"] == 3


def test_a_worker_imports_no_training_framework(worker: Worker) -> None:
    started = ask(worker, "start", runtime="litert")
    # TensorFlow alone takes over 400 MB.
    assert started["resident_bytes"] < 150_000_000
