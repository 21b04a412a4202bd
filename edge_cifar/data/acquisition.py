"""A published set from its address into a folder that appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edge_cifar.data.archive import extract
from edge_cifar.data.download import download
from edge_cifar.data.published import PublishedSet
from edge_cifar.errors import DataError
from edge_cifar.progress import Progress
from edge_cifar.storage import files

ENVIRONMENT = "EDGE_CIFAR_DATA"

_WAYS_OUT = f"set --data-dir or {ENVIRONMENT} to a folder with the data, or use --data synthetic"
_CHUNK_BYTES = 1 << 20


def obtain(published: PublishedSet, place: Path, progress: Progress) -> Path:
    """Download and unpack a set.

    The archive is collected in ``place`` under its name with ``.part`` behind it; what came of it
    stays when the download fails, and the next attempt goes on from there.

    Args:
        published: which set.
        place: the folder to unpack into.
        progress: told of the download.

    Returns:
        The set's own folder inside ``place``; every file of it was held to its checksum.

    Raises:
        DataError: the address cannot be reached or gives something else, or ``place`` cannot be
            written or is full; the message names the other ways to the data.
    """
    folder = place / published.folder
    try:
        with _partial_archive(published, place) as archive:
            _complete(published, archive, progress)
            progress.say(f"Unpacking into {folder}")
            with files.atomic_write(folder) as scratch:
                _unpack(published, archive, scratch)
            _partial_path(published, place).unlink()
    except OSError as error:
        raise _cannot_store(published, place, error) from error
    return folder


@contextlib.contextmanager
def _partial_archive(published: PublishedSet, place: Path) -> Iterator[BinaryIO]:
    """The archive as far as it came, open for appending, and ours alone."""
    place.mkdir(parents=True, exist_ok=True)
    path = _partial_path(published, place)
    with path.open("a+b") as archive:
        try:
            fcntl.flock(archive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(
                f"another command is downloading {published.name} to {path}; wait for it to finish"
            ) from error
        # What a killed command was unpacking; nobody else can be at it while the lock is ours.
        for abandoned in place.glob(f".{published.folder}.*.partial"):
            shutil.rmtree(abandoned, ignore_errors=True)
        try:
            yield archive
        finally:
            if archive.seek(0, io.SEEK_END) == 0:
                path.unlink(missing_ok=True)


def _complete(published: PublishedSet, archive: BinaryIO, progress: Progress) -> None:
    """Bring the archive to its full length and check it; a resumed one that fails is fetched anew, once."""
    resumed = archive.seek(0, io.SEEK_END) > 0
    try:
        download(published.url, archive, size_bytes=published.archive_bytes, progress=progress)
    except DataError as error:
        raise DataError(f"no {published.name} data found, and {error}; {_WAYS_OUT}") from error
    found = _md5(archive)
    if found == published.archive_md5:
        return
    archive.truncate(0)
    if resumed:
        progress.say(f"{published.archive}: the partial download does not match; downloading all of it")
        _complete(published, archive, progress)
        return
    raise DataError(
        f"the download of {published.url} is not the published archive (MD5 {found}, expected "
        f"{published.archive_md5}); {_WAYS_OUT}"
    )


def _unpack(published: PublishedSet, archive: BinaryIO, scratch: Path) -> None:
    archive.seek(0)
    try:
        scratch.mkdir()
        extract(archive, published.folder, published.md5, scratch)
    except DataError as error:
        raise DataError(f"{published.archive}: {error}; {_WAYS_OUT}") from error
    except OSError as error:
        raise _cannot_store(published, scratch.parent.parent, error) from error
    published.verify(scratch)


def _cannot_store(published: PublishedSet, place: Path, error: OSError) -> DataError:
    if error.errno == errno.ENOSPC:
        reason = f"the disk of {place} is full"
    else:
        reason = f"{place} cannot be written ({error.strerror or error})"
    return DataError(f"{published.name} cannot be saved: {reason}; {_WAYS_OUT}")


def _partial_path(published: PublishedSet, place: Path) -> Path:
    return place / f"{published.archive}.part"


def _md5(stream: BinaryIO) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    stream.seek(0)
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()
