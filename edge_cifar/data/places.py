"""Where a published set is looked for: a folder given, the environment, the user's cache, the network."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import platformdirs

from edge_cifar import files
from edge_cifar.data import pickled
from edge_cifar.data.archive import extract
from edge_cifar.data.download import download
from edge_cifar.data.published import PublishedSet
from edge_cifar.errors import DataError
from edge_cifar.progress import Progress

ENVIRONMENT = "EDGE_CIFAR_DATA"
_CHUNK_BYTES = 1 << 20


def locate(published: PublishedSet, *, data_dir: Path | None, progress: Progress) -> Path:
    """The folder with a set's files; it is downloaded where no place has it.

    Args:
        published: which set.
        data_dir: used or an error: the folder that holds the set's own folder, or that folder
            itself. None tries ``EDGE_CIFAR_DATA``, the user's cache and the download in turn.
        progress: told of a download.

    Raises:
        DataError: the folder given does not hold the set, or the download failed.
    """
    if data_dir is not None:
        folder = _inside(published, data_dir.expanduser())
        if folder is None:
            raise DataError(
                f"{data_dir} holds no {published.name} (no folder {published.folder}); name the folder that does, "
                f"or fill this one with: edge-cifar data fetch --data {published.name} --data-dir {data_dir}"
            )
        return folder
    for place in _usual_places():
        if folder := _inside(published, place):
            return folder
    return _obtain(published, _cache(), progress)


def fetch(published: PublishedSet, *, data_dir: Path | None, overwrite: bool, progress: Progress) -> Path:
    """See that a whole copy of a set is there, downloading it where there is none.

    Args:
        published: which set.
        data_dir: where it is or shall be; None means ``EDGE_CIFAR_DATA`` or else the user's cache.
        overwrite: download anew whatever is there.
        progress: told of a download.

    Returns:
        The set's folder, every file of which was held to its checksum.

    Raises:
        DataError: what is there is damaged (and ``overwrite`` was not given), or the download failed.
    """
    place = data_dir.expanduser() if data_dir is not None else _usual_places()[0]
    folder = _inside(published, place)
    if folder is None or overwrite:
        return _obtain(published, place if folder is None else folder.parent, progress)
    verify(published, folder)
    return folder


def verify(published: PublishedSet, folder: Path) -> None:
    """Hold every file of a set to its published checksum.

    Raises:
        DataError: one is missing, truncated or altered; the message names it.
    """
    for name, md5 in published.md5.items():
        pickled.content(folder / name, md5)


def _usual_places() -> tuple[Path, ...]:
    named = os.environ.get(ENVIRONMENT)
    return (Path(named).expanduser(), _cache()) if named else (_cache(),)


def _cache() -> Path:
    return platformdirs.user_cache_path("edge-cifar")


def _inside(published: PublishedSet, place: Path) -> Path | None:
    """The set's folder if it is in ``place`` or ``place`` itself, whole or not."""
    if (place / published.folder).is_dir():
        return place / published.folder
    if place.name == published.folder and place.is_dir():
        return place
    # A copy under another name counts by its files.
    return place if any((place / name).is_file() for name in published.md5) else None


def _obtain(published: PublishedSet, place: Path, progress: Progress) -> Path:
    """Download and unpack a set into ``place``, so that its folder appears whole or not at all."""
    folder = place / published.folder
    try:
        with _partial_archive(published, place) as archive:
            _complete(published, archive, progress)
            progress.say(f"Unpacking into {folder}")
            with files.appears_whole(folder) as scratch:
                scratch.mkdir()
                archive.seek(0)
                _unpack(published, archive, scratch)
            (place / _partial_name(published)).unlink()
    except OSError as error:
        raise _cannot_store(published, place, error) from error
    return folder


@contextlib.contextmanager
def _partial_archive(published: PublishedSet, place: Path) -> Iterator[BinaryIO]:
    """The archive as far as it came, open for appending and ours alone."""
    place.mkdir(parents=True, exist_ok=True)
    path = place / _partial_name(published)
    with path.open("a+b") as archive:
        try:
            fcntl.flock(archive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"another command is downloading {published.name} to {path}; wait for it") from error
        # What a killed command was unpacking; nobody else can be at it while the lock is ours.
        for abandoned in place.glob(f".{published.folder}.*.partial"):
            shutil.rmtree(abandoned, ignore_errors=True)
        yield archive


def _complete(published: PublishedSet, archive: BinaryIO, progress: Progress) -> None:
    """Bring the archive to its full length and check it; a resumed one that fails is fetched anew once."""
    resumed = archive.seek(0, os.SEEK_END) > 0
    try:
        download(published.url, archive, size_bytes=published.archive_bytes, progress=progress)
    except DataError as error:
        raise DataError(f"no {published.name} data at hand, and {error}; {_ways_out()}") from error
    found = _md5(archive)
    if found == published.archive_md5:
        return
    archive.truncate(0)
    if resumed:
        progress.say(f"{published.archive}: the part that was there does not fit; fetching all of it")
        _complete(published, archive, progress)
        return
    raise DataError(
        f"{published.url} gave something else than the published archive (md5 {found} instead of "
        f"{published.archive_md5}); {_ways_out()}"
    )


def _unpack(published: PublishedSet, archive: BinaryIO, scratch: Path) -> None:
    try:
        extract(archive, published.folder, published.md5, scratch)
    except DataError as error:
        raise DataError(f"{published.archive}: {error}; {_ways_out()}") from error
    except OSError as error:
        raise _cannot_store(published, scratch.parent.parent, error) from error
    verify(published, scratch)


def _cannot_store(published: PublishedSet, place: Path, error: OSError) -> DataError:
    if error.errno == errno.ENOSPC:
        reason = f"no space left on the disk that holds {place}"
    else:
        reason = f"{place} cannot be written ({error.strerror or error})"
    return DataError(f"{published.name} cannot be stored: {reason}; {_ways_out()}")


def _ways_out() -> str:
    return f"name a folder with --data-dir or {ENVIRONMENT}, or use --data synthetic"


def _partial_name(published: PublishedSet) -> str:
    return f"{published.archive}.part"


def _md5(stream: BinaryIO) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    stream.seek(0)
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()
