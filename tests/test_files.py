"""Files that appear whole: a disk that fills up while one is written."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from edge_cifar import files
from edge_cifar.errors import EdgeCifarError


def test_a_full_disk_is_told_by_the_place_that_was_asked_for_and_leaves_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        with files.appears_whole(tmp_path / "export") as folder:
            folder.mkdir()
            with files.appears_whole(folder / "reference.npz") as file:
                file.write_bytes(b"half")
                raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(EdgeCifarError) as caught:
        fill()
    whole = tmp_path / "export" / "reference.npz"
    assert str(caught.value) == f"no space left on the disk that holds {whole}; free some, or choose another place"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "told"), [(errno.ENOSPC, "no space left on the disk that holds"), (errno.EFBIG, "File too large")]
)
def test_a_folder_that_cannot_be_copied_whole_is_one_sentence(number: int, told: str, tmp_path: Path) -> None:
    reason = str(OSError(number, "words", "weight.bin"))
    error = shutil.Error([("weight.bin", str(tmp_path / "weight.bin"), reason)])
    message = str(files.cannot_write(tmp_path, error))
    assert told in message
    assert "weight.bin" not in message
