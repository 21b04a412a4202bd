"""Scratch folders of killed commands are swept; those of living ones, of others, and a user's own are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge_cifar.storage import locks, scratch

OWNER = """
import sys, time
from pathlib import Path
from edge_cifar.storage import scratch
with scratch.folder("bench", Path(sys.argv[1])) as folder:
    (folder / "images.npy").write_bytes(b"megabytes")
    print(folder, flush=True)
    time.sleep(600)
"""


def test_a_folder_goes_with_the_block_and_with_its_owner(tmp_path: Path) -> None:
    with scratch.folder("bench", tmp_path) as folder:
        (folder / "images.npy").write_bytes(b"megabytes")
        scratch.sweep(tmp_path)
        assert (folder / "images.npy").exists()
    assert not list(tmp_path.iterdir())
    with subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None
            left = Path(owner.stdout.readline().strip())
            scratch.sweep(tmp_path)
            assert (left / "images.npy").exists()
        finally:
            owner.kill()
    assert owner.returncode == -signal.SIGKILL
    assert (left / "images.npy").exists()
    scratch.sweep(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["edge-cifar-run", "edge-cifar-bench-abcd1234", "bench-abcd1234.scratch"])
def test_a_users_own_folder_is_not_swept(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "file.txt").write_text("years of work")
    scratch.sweep(tmp_path)
    assert (tmp_path / name / "file.txt").read_text() == "years of work"


def test_a_link_is_not_followed_and_another_users_folder_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    for folder in (tmp_path / "precious", place / "edge-cifar-bench-abcd1234.scratch"):
        folder.mkdir()
        (folder / "file.txt").write_text("years of work")
    (place / "edge-cifar-bench-linked12.scratch").symlink_to(tmp_path / "precious")
    monkeypatch.setattr(os, "getuid", lambda: -1)
    scratch.sweep(place)
    assert len(list(place.rglob("*.txt"))) == 1
    monkeypatch.undo()
    scratch.sweep(place)
    assert [path.name for path in place.iterdir()] == ["edge-cifar-bench-linked12.scratch"]
    assert (tmp_path / "precious" / "file.txt").read_text() == "years of work"


def test_a_folder_that_is_swept_before_its_owner_has_locked_it_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquire, early = locks.acquire, []

    def overtaken(path: Path, **options: bool) -> int:
        if not early:
            early.append(path.parent)
            scratch.sweep(tmp_path)
        return acquire(path, **options)

    monkeypatch.setattr(locks, "acquire", overtaken)
    with scratch.folder("bench", tmp_path) as folder:
        assert folder.is_dir()
        assert early
        assert folder not in early
        assert [folder] == list(tmp_path.iterdir())


def test_where_there_are_no_locks_nothing_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(45, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", unsupported)
    with scratch.folder("bench", tmp_path) as folder:
        scratch.sweep(tmp_path)
        assert folder.is_dir()
    assert not list(tmp_path.iterdir())
