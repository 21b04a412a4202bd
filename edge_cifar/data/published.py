"""What is published of a data set: its address, and the checksums that prove a copy of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_cifar.command_line import command_line
from edge_cifar.errors import DataError


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """A data set that is published as a gzipped tar archive of one folder.

    Attributes:
        name: as on the command line.
        folder: name of the folder that the archive holds.
        url: address of the archive.
        archive_md5: its published checksum.
        archive_bytes: its size.
        md5: checksum of each file of the folder that is needed.
    """

    name: str
    folder: str
    url: str
    archive_md5: str
    archive_bytes: int
    md5: Mapping[str, str]

    @property
    def archive(self) -> str:
        """File name of the archive."""
        return self.url.rpartition("/")[2]

    def remedy(self, folder: Path) -> str:
        """What a user may do about a damaged copy in ``folder``."""
        options = ["--data", self.name, "--data-dir", str(folder.parent), "--overwrite"]
        return f"download a complete copy with: {command_line('data', 'fetch', *options)}"

    def verify(self, folder: Path) -> None:
        """Hold every file in ``folder`` to its checksum.

        Raises:
            DataError: one is missing, truncated or altered; the message names it.
        """
        for name, md5 in self.md5.items():
            checked_content(folder / name, md5, self.remedy(folder))


def checked_content(path: Path, md5: str, remedy: str) -> bytes:
    """The bytes of a file, held to its published checksum.

    Args:
        path: the file.
        md5: the checksum.
        remedy: what a user may do where it is another.

    Raises:
        DataError: the file is missing, unreadable, truncated or altered.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise missing(path, remedy) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise DataError(
            f"{path} is truncated or altered: its MD5 is {found} ({len(content):,} bytes), expected {md5}; "
            f"replace it, or {remedy}"
        )
    return content


def missing(path: Path, remedy: str) -> DataError:
    """The error for a file that is not there."""
    return DataError(f"{path} is missing; {remedy}")
