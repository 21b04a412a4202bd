"""For tests of processes that must not outlive others."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from support.pace import PATIENCE_SECONDS


def wait_for(path: Path) -> str:
    end = time.monotonic() + PATIENCE_SECONDS
    while not (path.is_file() and path.read_text(encoding="utf-8")):
        assert time.monotonic() < end, f"{path} does not appear"
        time.sleep(0.02)
    return path.read_text(encoding="utf-8")


def gone(pid: int) -> bool:
    end = time.monotonic() + PATIENCE_SECONDS
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
