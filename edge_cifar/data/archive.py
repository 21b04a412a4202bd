"""Known files out of a tar archive, and nothing else."""

from __future__ import annotations

import shutil
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from edge_cifar.errors import DataError


def extract(archive: BinaryIO, folder: str, names: Collection[str], destination: Path) -> None:
    """Copy named files of one folder of a gzipped tar archive.

    Member names are only compared, never used as paths; links, devices and everything that was not
    asked for stay inside.

    Args:
        archive: open for reading, from its beginning.
        folder: the folder inside the archive.
        names: file names inside that folder.
        destination: an existing folder that gets the files.

    Raises:
        DataError: the archive is damaged or lacks a file.
        OSError: the destination cannot be written.
    """
    missing = {f"{folder}/{name}": name for name in names}
    try:
        with tarfile.open(fileobj=archive, mode="r|gz") as members:
            for member in members:
                if member.isreg() and (name := missing.pop(member.name, None)):
                    source = members.extractfile(member)
                    assert source is not None, "a regular file has content"
                    with source, (destination / name).open("wb") as target:
                        shutil.copyfileobj(source, target)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DataError(f"the archive is damaged: {error}") from error
    if missing:
        raise DataError(f"the archive does not contain {', '.join(sorted(missing))}")
