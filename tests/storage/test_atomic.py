"""A folder is replaced whole: whenever the replacing process is killed, the old one or the new one stands there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge_cifar.errors import EdgeCifarError
from edge_cifar.storage import atomic, files, scratch

# Replaces a folder, and is killed before the call of that number among those that change the file system.
REPLACE = """
import os, shutil, signal, sys
from pathlib import Path
from edge_cifar.storage import atomic, files

place, way, left = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def mortal(module, name):
    real = getattr(module, name)
    def call(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    setattr(module, name, call)

if way == "rename":
    atomic.exchange = lambda one, other: False
for module, name in ((os, "fsync"), (atomic, "exchange"), (os, "replace"), (shutil, "rmtree")):
    mortal(module, name)
with files.atomic_write(place) as folder:
    folder.mkdir()
    (folder / "one").write_text("new")
    (folder / "two").write_text("new")
"""
# Calls of each way: two files are flushed, two names exchanged, or what stands there is moved away and the new folder
# in its place, and the scratch folder removed.
CALLS = {"exchange": 4, "rename": 6}


def made(place: Path, text: str) -> None:
    place.mkdir(parents=True)
    for name in ("one", "two"):
        (place / name).write_text(text)


def replaced(place: Path, way: str, calls: int) -> int:
    return subprocess.run([sys.executable, "-c", REPLACE, str(place), way, str(calls)], check=False).returncode


@pytest.mark.parametrize(("way", "calls"), [(way, calls) for way, count in CALLS.items() for calls in range(count)])
def test_a_kill_loses_neither_the_old_folder_nor_the_new_one(way: str, calls: int, tmp_path: Path) -> None:
    place = tmp_path / "export"
    made(place, "old")
    assert replaced(place, way, calls) == -signal.SIGKILL
    files.recover(place)
    found = {(place / name).read_text() for name in ("one", "two")}
    assert found in ({"old"}, {"new"})
    # The last call, once the new one stands there, is the removal of the old one.
    assert found == ({"new"} if calls == CALLS[way] - 1 else {"old"})
    assert replaced(place, way, 100) == 0
    assert (place / "one").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_the_next_writer_puts_back_what_a_killed_one_had_moved_away_before_it_writes(tmp_path: Path) -> None:
    place = tmp_path / "export"
    made(tmp_path / ".export.abcd1234.partial" / "replaced", "old")
    with pytest.raises(EdgeCifarError), files.atomic_write(place) as folder:
        made(folder.parent / "elsewhere", "new")
    assert (place / "one").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_what_a_living_writer_has_moved_away_is_left_to_it(tmp_path: Path) -> None:
    with scratch.owned(tmp_path, prefix=".export.", suffix=".partial") as folder:
        made(folder / "replaced", "old")
        files.recover(tmp_path / "export")
        files.clear_scratch(tmp_path)
        assert (folder / "replaced" / "one").read_text() == "old"
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_put_back_is_not_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / ".export.abcd1234.partial"
    made(left / "replaced", "old")

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "replace", refuse)
    files.recover(tmp_path / "export")
    assert (left / "replaced" / "one").read_text() == "old"


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="no system call that exchanges names is known here")
def test_two_folders_are_exchanged_at_once(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    made(one, "first")
    made(other, "second")
    if not atomic.exchange(one, other):
        pytest.skip("this file system cannot exchange two names")
    assert ((one / "one").read_text(), (other / "one").read_text()) == ("second", "first")
    assert not atomic.exchange(one, tmp_path / "nothing")
    shutil.rmtree(other)
    assert not atomic.exchange(one, other)
    assert (one / "one").read_text() == "second"
