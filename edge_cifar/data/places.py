"""Where a published set is looked for: a folder given, the environment, the user's cache, the network."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from edge_cifar.command_line import command_line
from edge_cifar.data.acquisition import ENVIRONMENT, obtain
from edge_cifar.data.published import PublishedSet
from edge_cifar.errors import DataError
from edge_cifar.progress import Progress


def locate(published: PublishedSet, *, data_dir: Path | str | None, progress: Progress) -> Path:
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
        folder = _inside(published, expanded(data_dir))
        if folder is None:
            fetch_it = command_line("data", "fetch", "--data", published.name, "--data-dir", data_dir)
            raise DataError(
                f"{data_dir} does not contain {published.name} (no folder {published.folder}); name the folder "
                f"that does, or download it here: {fetch_it}"
            )
        return folder
    return find(published) or obtain(published, _cache(), progress)


def find(published: PublishedSet) -> Path | None:
    """The folder with a set's files in ``EDGE_CIFAR_DATA`` or the user's cache; None where neither has it."""
    return next(filter(None, (_inside(published, place) for place in _usual_places())), None)


def fetch(published: PublishedSet, *, data_dir: Path | str | None, overwrite: bool, progress: Progress) -> Path:
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
    place = expanded(data_dir) if data_dir is not None else _usual_places()[0]
    folder = _inside(published, place)
    if folder is None:
        return obtain(published, place, progress)
    if not overwrite:
        published.verify(folder)
        return folder
    if folder.name != published.folder:
        raise DataError(f"{folder} is not named {published.folder}, so it will not be replaced; choose another folder")
    return obtain(published, folder.parent, progress)


def expanded(path: Path | str) -> Path:
    """A path with ``~`` and ``~user`` replaced by the home folder.

    Raises:
        DataError: there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataError(f"{path} begins with the name of a user without a home directory here") from error


def _usual_places() -> tuple[Path, ...]:
    named = os.environ.get(ENVIRONMENT)
    return (expanded(named), _cache()) if named else (_cache(),)


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
