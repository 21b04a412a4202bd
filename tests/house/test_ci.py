"""What `.ci/run` says before it runs the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support import ROOT

from edge_cifar import machine

RUN = ROOT / ".ci" / "run"


@pytest.mark.skipif(
    shutil.which("bash") is None or "model name" not in machine._read("/proc/cpuinfo"),
    reason="it is a script for bash on x86",
)
def test_it_says_which_processor_it_runs_on(tmp_path: Path) -> None:
    for name in ("make", "chromium"):
        (tmp_path / name).write_text('#!/bin/sh\necho "stand-in for $(basename "$0")" "$@"\n')
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", RUN], env=environment, capture_output=True, text=True, check=True)
    processor, tests = done.stdout.splitlines()
    known = machine.identity()
    vnni = any(name.endswith("vnni") for name in known.get("cpu_features", ()))
    assert processor == f"Processor: {known.get('cpu_model', known['architecture'])}; VNNI: {'yes' if vnni else 'no'}"
    assert tests == "stand-in for make test"
