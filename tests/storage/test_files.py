"""Files that appear whole, and what other libraries say of files."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from edge_cifar.errors import EdgeCifarError, first_line
from edge_cifar.storage import atomic, files


def test_a_full_disk_is_told_by_the_place_that_was_asked_for_and_leaves_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        with files.atomic_write(tmp_path / "export") as folder:
            folder.mkdir()
            with files.atomic_write(folder / "reference.npz") as file:
                file.write_bytes(b"half")
                raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(EdgeCifarError) as caught:
        fill()
    whole = tmp_path / "export" / "reference.npz"
    assert str(caught.value) == f"no space left on the disk of {whole}; free some, or choose another location"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "told"), [(errno.ENOSPC, "no space left on the disk of"), (errno.EFBIG, "File too large")]
)
def test_a_folder_that_cannot_be_copied_whole_is_one_sentence(number: int, told: str, tmp_path: Path) -> None:
    reason = str(OSError(number, "words", "weight.bin"))
    error = shutil.Error([("weight.bin", str(tmp_path / "weight.bin"), reason)])
    message = str(files.cannot_write(tmp_path, error))
    assert told in message
    assert "weight.bin" not in message


def test_a_folder_is_not_given_up_for_a_file(tmp_path: Path) -> None:
    full = tmp_path / "precious"
    full.mkdir()
    (full / "file.txt").write_text("years of work")
    for write in (lambda: files.write_text(full, "page"), lambda: files.demand_writable(full)):
        with pytest.raises(EdgeCifarError, match=r"cannot write .*precious: it is a folder; choose another location"):
            write()
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert (full / "file.txt").read_text() == "years of work"


def test_numbers_of_numpy_are_written_as_pythons(tmp_path: Path) -> None:
    files.write_json(tmp_path / "numbers.json", {"threads": np.int64(2), "seconds": np.float32(0.5)})
    assert files.read_json(tmp_path / "numbers.json", "numbers") == {"threads": 2, "seconds": 0.5}
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        files.write_json(tmp_path / "array.json", np.zeros(2))


@pytest.mark.parametrize(("said", "told"), [("\n  one\ntwo", "one"), ("", "ValueError"), ("\n", "ValueError")])
def test_another_librarys_error_is_told_by_its_first_line(said: str, told: str) -> None:
    assert first_line(ValueError(said)) == told


@pytest.mark.parametrize("kind", ["file", "folder", "new-folder"])
def test_what_is_written_is_on_the_disk_before_it_takes_its_name(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that loses its power right after must not leave a name with nothing behind it."""
    place = tmp_path / "export"
    if kind == "folder":
        place.mkdir()
    names = ["export"] if kind == "file" else ["manifest.json", "model.tflite"]
    flushed: set[int] = set()
    fsync, replace = os.fsync, atomic.replace

    def flush(descriptor: int) -> None:
        flushed.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def take_the_name(written: Path, path: Path, aside: Path) -> None:
        files_of_it = [written] if kind == "file" else [written / name for name in names]
        assert {file.stat().st_ino for file in files_of_it} <= flushed
        replace(written, path, aside)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(atomic, "replace", take_the_name)
    with files.atomic_write(place) as written:
        if kind == "file":
            written.write_bytes(b"whole")
        else:
            written.mkdir()
            for name in names:
                (written / name).write_bytes(b"whole")
    assert place.exists()
    assert len(flushed) == len(names)
