"""One lock a run: writers hold off everybody, readers hold off writers; who holds it is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from edge_cifar.errors import EdgeCifarError
from edge_cifar.storage import exclusion, locks


def training(run: Path) -> AbstractContextManager[None]:
    return exclusion.training(run)


def exporting(run: Path) -> AbstractContextManager[None]:
    return exclusion.exporting(run, run / "export")


def exporting_elsewhere(run: Path) -> AbstractContextManager[None]:
    return exclusion.exporting(run, run.parent / "bundle")


def reading(run: Path) -> AbstractContextManager[None]:
    return exclusion.reading([run / "export"], "bench")


@pytest.mark.parametrize("second", [training, exporting, exporting_elsewhere, reading])
@pytest.mark.parametrize("first", [training, exporting, exporting_elsewhere, reading])
def test_commands_on_one_run(first: object, second: object, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "export").mkdir(parents=True)
    readers = (reading, exporting_elsewhere)
    # Two exports to one place are kept apart even where the run is only read.
    together = first in readers and second in readers and (first, second) != (exporting_elsewhere, exporting_elsewhere)
    assert callable(first)
    assert callable(second)
    with first(run):
        if together:
            with second(run):
                pass
        else:
            with pytest.raises(EdgeCifarError, match=r"another process is (writing|reading)"), second(run):
                pytest.fail("both hold the run")
    with second(run):
        pass
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["export", "run"]


def test_who_holds_a_run_is_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with training(run), pytest.raises(EdgeCifarError) as caught, reading(run):
        pass
    who = f"(edge-cifar train, process {os.getpid()})"
    assert str(caught.value) == f"another process is writing {run / 'export'} {who}; wait for it to finish"
    with reading(run), pytest.raises(EdgeCifarError) as caught, exporting(run):
        pass
    who = f"(edge-cifar bench, process {os.getpid()})"
    way_out = "wait for it to finish, or choose another directory"
    assert str(caught.value) == f"another process is reading {run / 'export'} {who}; {way_out}"


def test_the_last_of_two_readers_takes_the_lock_file_away(tmp_path: Path) -> None:
    with reading(tmp_path):
        with reading(tmp_path):
            pass
        assert list(tmp_path.iterdir())
        with pytest.raises(EdgeCifarError), training(tmp_path):
            pass
    assert not list(tmp_path.iterdir())


def test_a_killed_holder_holds_nobody_off(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from edge_cifar.storage import exclusion\n"
        "with exclusion.training(Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir())
    with training(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with reading(tmp_path):
        pass
    with pytest.raises(EdgeCifarError, match=r"cannot write .*: Permission denied"), training(tmp_path):
        pass


def test_a_place_that_stayed_empty_takes_its_new_folders_away_again(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="refused"), training(tmp_path / "runs" / "new"):
        raise ValueError("refused")
    assert not list(tmp_path.iterdir())
    with training(tmp_path / "runs" / "used"):
        (tmp_path / "runs" / "used" / "model.keras").touch()
    assert [path.name for path in (tmp_path / "runs" / "used").iterdir()] == ["model.keras"]
    (tmp_path / "mine").mkdir()
    with training(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").is_dir()


def test_a_lock_that_another_process_makes_anew_again_and_again_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*_: object) -> None:
        (tmp_path / ".run.lock").unlink()
        (tmp_path / ".run.lock").touch()

    monkeypatch.setattr(locks.fcntl, "flock", overtaken)
    with pytest.raises(EdgeCifarError, match="another process"), training(tmp_path):
        pytest.fail("two processes hold one place")
