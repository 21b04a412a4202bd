"""Workers side by side: all of them end with the pool."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from support.process import gone, wait_for

from edge_cifar.processes.worker import WorkerError
from edge_cifar.processes.worker_pool import WorkerPool

ENDLESS = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"


def wait(pool: WorkerPool, pid: Path) -> str:
    """What comes of waiting for a worker that never answers."""
    try:
        with pool.worker((sys.executable, "-c", ENDLESS, str(pid)), {}) as worker:
            worker.receive()
    except WorkerError as error:
        return str(error)
    return "it answered"


def test_workers_and_threads_end_with_the_pool(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with WorkerPool(2) as pool:
        first, second, third = (pool.submit(wait, pool, tmp_path / name) for name in ("one", "two", "three"))
        # Two threads: the third waits for its turn, which never comes.
        pids = [int(wait_for(tmp_path / name)) for name in ("one", "two")]
    assert all(gone(pid) for pid in pids)
    assert [first.result().partition(",")[0], second.result().partition(",")[0]] == ["its process was killed"] * 2
    assert third.cancelled()
    assert set(threading.enumerate()) == before


def test_a_pool_that_has_ended_starts_no_worker(tmp_path: Path) -> None:
    with WorkerPool(1) as pool:
        pass
    assert pool.closed
    assert wait(pool, tmp_path / "pid") == "its process was not started again"
    assert not (tmp_path / "pid").exists()


def test_an_interruption_ends_the_workers_too(tmp_path: Path) -> None:
    def interrupted() -> None:
        with WorkerPool(1) as pool:
            pool.submit(wait, pool, tmp_path / "pid")
            wait_for(tmp_path / "pid")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert gone(int(wait_for(tmp_path / "pid")))
