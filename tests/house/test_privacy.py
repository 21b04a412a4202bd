"""ONNX Runtime reports to nobody: its telemetry is off before it is imported, in every process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image
from support import ROOT
from support.mean_colour import onnx_file

from edge_cifar.processes.launch import worker_command, worker_environment

VARIABLE = "ORT_DISABLE_TELEMETRY"
# Every module that is started as a process of its own.
PROGRAMS = [
    "edge_cifar",
    *(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((ROOT / "edge_cifar").rglob("*.py"))
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    ),
]
STRACE = shutil.which("strace")


def from_outside(tmp_path: Path) -> Mapping[str, str]:
    """The environment of a user who never heard of the variable, or asks for the opposite, with a home to look at."""
    home = tmp_path / "home"
    home.mkdir()
    return {**worker_environment(), VARIABLE: "0", "HOME": str(home), "TMPDIR": str(tmp_path)}


@pytest.mark.parametrize("module", PROGRAMS)
def test_every_program_turns_it_off_before_anything_else(module: str, tmp_path: Path) -> None:
    """Whatever module a process starts with, a stand-in for ONNX Runtime finds it off."""
    (tmp_path / "onnxruntime.py").write_text(f"import os\nprint('imported with', os.environ.get({VARIABLE!r}))\n")
    environment = {**from_outside(tmp_path), "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    # As `python -m` does it: the packages around a module come before the module.
    around = module.rpartition(".")[0] or module
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import {around}, onnxruntime"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "imported with 1\n"), done.stderr


@pytest.fixture
def predict(tmp_path: Path) -> list[str]:
    """A command that loads ONNX Runtime and runs a network in it."""
    pytest.importorskip("onnxruntime", reason="ONNX Runtime runs it")
    model = onnx_file(tmp_path / "tiny.onnx")
    Image.new("RGB", (5, 6), "red").save(tmp_path / "red.png")
    return [*worker_command("edge_cifar"), "predict", str(model), str(tmp_path / "red.png")]


def test_nothing_is_left_in_the_users_home_or_among_temporary_files(predict: list[str], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    subprocess.run(predict, env=from_outside(tmp_path), cwd=tmp_path, check=True, capture_output=True)
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "home"])


@pytest.mark.skipif(STRACE is None, reason="strace is not installed: connections are not watched")
def test_no_connection_is_opened_and_no_file_written_outside(predict: list[str], tmp_path: Path) -> None:
    log = tmp_path / "calls"
    done = subprocess.run(
        [str(STRACE), "-f", "-qq", "-e", "trace=%file,%network", "-o", str(log), *predict],
        env={**from_outside(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    calls = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    if "ptrace" in done.stderr and not calls:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    # It saw what it had to: the library being loaded and the picture being read.
    assert any("onnxruntime_pybind11_state" in call for call in calls)
    assert any("red.png" in call for call in calls)
    assert [call for call in calls if re.search(r"\b(AF_INET6?|connect\(|sendto\()", call)] == []
    written = [
        call for call in calls if re.search(r"O_CREAT|O_WRONLY|O_RDWR|\b(creat|mkdir|rename|link|symlink)", call)
    ]
    allowed = (f'"{tmp_path}/', f'"{tmp_path}", O_RDWR|O_EXCL', '"/dev/')
    assert [call for call in written if " = -1 " not in call and not any(place in call for place in allowed)] == []
