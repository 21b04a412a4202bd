"""What is published of a data set: its address, and the checksums that prove a copy of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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
