"""The memory allocator of processes that train and convert: chosen, in effect, and nobody else's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.retraining import request

from edge_cifar.cli import main
from edge_cifar.compression import retraining
from edge_cifar.errors import ConversionError, EdgeCifarError, UsageError
from edge_cifar.export import pool
from edge_cifar.export.options import ExportOptions
from edge_cifar.export.worker import Task
from edge_cifar.processes import allocator
from edge_cifar.steps import doctor

SETTINGS = ("LD_PRELOAD", "GLIBC_TUNABLES")
TASK = Task(
    format="tflite",
    precisions=("fp32",),
    model="",
    folder="",
    labels=(),
    calibration="",
    options=ExportOptions(),
    metadata={},
)
on_glibc = pytest.mark.skipif(not allocator.supported(), reason="only glibc on 64-bit Linux can be tuned")

# Counts its starts, then does with memory what a training step does, after TensorFlow's own call of mallopt.
PROGRAM = f"""
import ctypes, json, os, resource, sys
with open(sys.argv[1], "a") as starts:
    starts.write(f"{{os.getpid()}}\\n")
from edge_cifar.processes import allocator
allocator.restart()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
M_MMAP_THRESHOLD, SIZE = -3, 4 << 20
libc.mallopt(M_MMAP_THRESHOLD, 128 << 10)
def step():
    buffer = libc.malloc(SIZE)
    ctypes.memset(buffer, 1, SIZE)
    libc.free(buffer)
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(json.dumps({{
    "faults": faults, "read": sys.stdin.read(), "arguments": sys.argv[2:],
    "environment": [name for name in os.environ if name in {SETTINGS} or name.startswith("_EDGE_CIFAR")],
    "tcmalloc": "tcmalloc" in open("/proc/self/maps").read(),
}}))
"""


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose user has chosen nothing."""
    for name in list(os.environ):
        if name in (*SETTINGS, allocator.ENVIRONMENT) or name.startswith("MALLOC_"):
            monkeypatch.delenv(name)


@pytest.fixture
def without_tcmalloc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "tcmalloc", lambda: None)


def started(folder: Path, **environment: str) -> tuple[list[str], dict[str, object]]:
    """The process ids of the program's starts, and what it found at last."""
    starts = folder / "starts"
    starts.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(starts), "--an", "argument with blanks"],
        env={**os.environ, **environment},
        input="typed",
        capture_output=True,
        text=True,
        check=True,
    )
    return starts.read_text().split(), json.loads(done.stdout)


@on_glibc
def test_the_process_starts_once_more_and_keeps_its_memory(tmp_path: Path) -> None:
    alone, as_it_is = started(tmp_path, EDGE_CIFAR_ALLOCATOR="system")
    assert len(alone) == 1
    twice, tuned = started(tmp_path, EDGE_CIFAR_ALLOCATOR="glibc")
    assert len(twice) == 2
    assert len(set(twice)) == 1, "it is another process"
    assert tuned["arguments"] == ["--an", "argument with blanks"]
    assert tuned["read"] == "typed"
    # Programs that it starts, such as the workers that measure, find nothing of it.
    assert tuned["environment"] == []
    # 20 buffers of 4 MiB: up to 1,024 faults each, with huge pages less; then they are there.
    assert isinstance(tuned["faults"], int)
    assert isinstance(as_it_is["faults"], int)
    assert tuned["faults"] * 5 < as_it_is["faults"]


@on_glibc
@pytest.mark.skipif(allocator.tcmalloc() is None, reason="tcmalloc is not installed")
def test_tcmalloc_is_taken_where_it_is_installed(tmp_path: Path) -> None:
    starts, found = started(tmp_path)
    assert len(starts) == 2
    assert found["tcmalloc"]
    assert found["environment"] == []


@on_glibc
@pytest.mark.parametrize("chosen", ["GLIBC_TUNABLES", "LD_PRELOAD", "MALLOC_ARENA_MAX"])
def test_what_the_user_has_chosen_stays(tmp_path: Path, chosen: str) -> None:
    starts, found = started(tmp_path, **{chosen: ""})
    assert len(starts) == 1
    assert found["environment"] == [chosen] * (chosen in SETTINGS)


@on_glibc
@pytest.mark.parametrize(
    ("asked", "installed", "expected"),
    [
        ("", None, "glibc"),
        ("", "/lib/tcmalloc.so", "tcmalloc"),
        ("auto", "/lib/tcmalloc.so", "tcmalloc"),
        ("glibc", "/lib/tcmalloc.so", "glibc"),
        ("tcmalloc", "/lib/tcmalloc.so", "tcmalloc"),
        ("system", "/lib/tcmalloc.so", "system"),
    ],
)
def test_choice(monkeypatch: pytest.MonkeyPatch, asked: str, installed: str | None, expected: str) -> None:
    monkeypatch.setenv(allocator.ENVIRONMENT, asked)
    monkeypatch.setattr(allocator, "tcmalloc", lambda: installed and Path(installed))
    assert allocator.chosen() == expected
    assert (
        list(allocator.settings()) == {"glibc": ["GLIBC_TUNABLES"], "tcmalloc": ["LD_PRELOAD"], "system": []}[expected]
    )


def test_elsewhere_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(name: str) -> str:
        raise ValueError(name)

    monkeypatch.setattr(os, "confstr", no_such_name)  # musl
    assert allocator.chosen() == "system"
    monkeypatch.undo()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert allocator.settings() == {}


@pytest.mark.usefixtures("without_tcmalloc")
def test_what_cannot_be_had_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(allocator.ENVIRONMENT, "systm")
    with pytest.raises(UsageError, match="did you mean 'system'"):
        allocator.chosen()
    if allocator.supported():
        monkeypatch.setenv(allocator.ENVIRONMENT, "tcmalloc")
        with pytest.raises(EdgeCifarError, match="not installed"):
            allocator.chosen()


@on_glibc
@pytest.mark.parametrize(
    ("arguments", "starts"),
    [
        (["train", "resnetx"], 2),
        (["--debug", "export", "nothing"], 2),
        (["train", "--help"], 1),
        (["verify", "nothing"], 1),
    ],
    ids=["train", "export", "help", "verify"],
)
def test_commands_that_train_or_convert_start_again(tmp_path: Path, arguments: list[str], starts: int) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        f"with open({str(tmp_path / 'starts')!r}, 'a') as starts: starts.write('x')\n"
    )
    subprocess.run(
        [sys.executable, "-m", "edge_cifar", *arguments],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (tmp_path / "starts").read_text() == "x" * starts


def test_a_caller_s_process_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "restart", lambda: pytest.fail("restarted"))
    assert main.main(["train", "resnetx"]) == 2


def test_processes_that_convert_and_train_again_find_it_in_their_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("keras", reason="a network to train again is needed")
    program = "import os, sys; sys.exit('allocator: ' + os.environ['CHOSEN'])"
    monkeypatch.setattr(allocator, "settings", lambda: {"CHOSEN": "this one"})
    monkeypatch.setattr(pool, "WORKER", (sys.executable, "-c", program))
    monkeypatch.setattr(retraining, "WORKER", (sys.executable, "-c", program))
    monkeypatch.setattr(retraining, "missing", lambda: None)
    with pool.converting([TASK], 1) as conversions:
        assert str(next(conversions).reason).endswith("allocator: this one")
    with pytest.raises(ConversionError, match="allocator: this one"):
        retraining.retrain(request("resnet8", "qat"))


@on_glibc
@pytest.mark.parametrize("has_apt", [True, False])
@pytest.mark.usefixtures("without_tcmalloc")
def test_doctor_says_what_tcmalloc_would_save(monkeypatch: pytest.MonkeyPatch, has_apt: bool) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/apt-get" if has_apt else None)
    (found,) = [one for one in doctor.doctor().of("train") if one.name == "memory allocator"]
    assert found.ready
    assert "glibc" in found.detail
    assert "tcmalloc would save" in found.detail
    assert found.remedy == ("apt-get install libtcmalloc-minimal4" if has_apt else None)
