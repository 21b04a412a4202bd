"""The pictures of a folder, decoded once to one size: a file of images that every later command reads.

One folder of the cache belongs to one folder of pictures and one size. What stands in it is used if the pictures'
names, sizes and times are still those that it was made from, and is replaced otherwise.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import platformdirs
from numpy.typing import NDArray

from edge_cifar.data import decoding, picture_plugins
from edge_cifar.data.decoding import Job
from edge_cifar.data.mapped_images import MappedImages
from edge_cifar.data.places import expanded
from edge_cifar.errors import BundleError, DataError, EdgeCifarError
from edge_cifar.progress import SILENT, Progress
from edge_cifar.storage import archives, exclusion, files, mapped_files

ENVIRONMENT = "EDGE_CIFAR_CACHE"

_IMAGES, _INDEX, _ABOUT = "images.npy", "index.npz", "about.json"
# Of what is stored, and of how pictures are prepared.
_VERSION = 1
# What is told of before it is written; less is nobody's concern.
_WORTH_TELLING_BYTES = 100_000_000
# Left free on the disk beside so much.
_SPARE_BYTES = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class CachedPictures:
    """Pictures that were decoded.

    Attributes:
        images: those that are readable, in the order of the files.
        numbers: int64 ``[N]``, the file that each image came from.
        digests: uint8 ``[N, 32]``, SHA-256 of each image's bytes.
        remarks: what was assumed of the values of some, with the number of images.
        unreadable: by reason: names of the files, and a sentence on the first of them.
    """

    images: MappedImages
    numbers: NDArray[np.int64]
    digests: NDArray[np.uint8]
    remarks: Mapping[str, int]
    unreadable: Mapping[str, tuple[Sequence[str], str]]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the cache holds of one folder at one size.

    Attributes:
        path: the entry itself.
        folder: of the pictures.
        height: in pixels.
        width: in pixels.
        images: number of files that were decoded.
        size_bytes: on disk.
    """

    path: Path
    folder: Path
    height: int
    width: int
    images: int
    size_bytes: int


def root() -> Path:
    """The cache's folder: ``EDGE_CIFAR_CACHE``, or one in the user's cache."""
    named = os.environ.get(ENVIRONMENT)
    return expanded(named) if named else platformdirs.user_cache_path("edge-cifar") / "pictures"


def decoded(
    folder: Path, names: Sequence[str], *, height: int, width: int, progress: Progress = SILENT
) -> CachedPictures:
    """Pictures of a folder, decoded to one size now or before.

    Args:
        folder: where they lie.
        names: of the files, relative to it.
        height: of the images, in pixels.
        width: likewise.
        progress: told of the decoding, and of what it leaves on disk.

    Raises:
        EdgeCifarError: the cache cannot be written, or its disk has no room.
    """
    place = root() / _entry_name(folder, height, width)
    facts = [_facts(folder / name) for name in names]
    key = _key(names, facts, height, width)
    if found := _read(place, key, names):
        return found
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(place.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _no_place(error) from error
    # Another command that decodes the same pictures is waited for.
    with exclusion.updating(place):
        found = _read(place, key, names)
        if found is None:
            _write(place, key, folder, names, [size for size, *_ in facts], height, width, progress)
            found = _read(place, key, names)
    if found is None:
        raise DataError(f"the decoded images in {place} were replaced; start again")
    return found


def entries() -> Iterator[Entry]:
    """What the cache holds, by folder and size."""
    found = []
    for place in root().iterdir() if root().is_dir() else ():
        try:
            about = files.read_json(place / _ABOUT, "description of decoded images")
            found.append(
                Entry(
                    path=place,
                    folder=Path(about["folder"]),
                    height=int(about["height"]),
                    width=int(about["width"]),
                    images=int(about["files"]),
                    size_bytes=files.size_bytes(place),
                )
            )
        except (BundleError, KeyError, TypeError, ValueError, OSError):
            continue  # nothing of ours, or half of it is gone
    yield from sorted(found, key=lambda entry: (str(entry.folder), entry.height, entry.width))


def remove(entry: Entry) -> None:
    """Remove an entry; commands that are reading it keep what they have.

    Raises:
        EdgeCifarError: it cannot be removed.
    """
    try:
        with exclusion.updating(entry.path):
            shutil.rmtree(entry.path)
    except OSError as error:
        raise EdgeCifarError(f"{entry.path} cannot be removed: {error.strerror}") from error


def _entry_name(folder: Path, height: int, width: int) -> str:
    place = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    return f"{place}-{height}x{width}"


def _facts(path: Path) -> tuple[int, int, int]:
    """Size and times of a file. One that was exchanged for another of the same size and time has a new change time."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0  # it went away; whoever reads it will see
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _key(names: Sequence[str], facts: Sequence[tuple[int, int, int]], height: int, width: int) -> str:
    digest = hashlib.sha256(repr((_VERSION, PIL.__version__, picture_plugins.available(), height, width)).encode())
    for name, numbers in zip(names, facts, strict=True):
        digest.update(os.fsencode(name) + b"\0" + repr(numbers).encode())
    return digest.hexdigest()


def _read(place: Path, key: str, names: Sequence[str]) -> CachedPictures | None:
    """What stands in an entry; None where it is missing, damaged, or made from other files."""
    try:
        about = files.read_json(place / _ABOUT, "description of decoded images")
        if about["key"] != key:
            return None
        with archives.opened(place / _INDEX) as archive:
            numbers, digests = archive["numbers"], archive["digests"]
        unreadable = {
            str(reason): ([names[number] for number in missing], str(sentence))
            for reason, (missing, sentence) in about["unreadable"].items()
        }
        images = MappedImages(place / _IMAGES)
        if images.shape != (len(names), int(about["height"]), int(about["width"]), 3):
            return None
        return CachedPictures(
            images=images.choose(numbers),
            numbers=numbers,
            digests=digests,
            remarks=dict(about["remarks"]),
            unreadable=unreadable,
        )
    except (BundleError, *files.DAMAGE):
        return None


def _write(
    place: Path,
    key: str,
    folder: Path,
    names: Sequence[str],
    sizes: Sequence[int],
    height: int,
    width: int,
    progress: Progress,
) -> None:
    size = len(names) * height * width * 3
    _demand_room(size, place)
    if size >= _WORTH_TELLING_BYTES:
        progress.say(
            f"{folder}: decoding {len(names):,} images to {width}×{height} once, into {size / 1e9:.1f} GB of cache "
            f"({root()}; remove it with: edge-cifar data cache rm)"
        )
    with files.atomic_write(place) as partial:
        partial.mkdir()
        out = partial / _IMAGES
        array = mapped_files.create(out, (len(names), height, width, 3), np.dtype(np.uint8))
        job = Job(
            root=str(folder),
            names=names,
            first=0,
            height=height,
            width=width,
            out=str(out),
            offset=array.offset,
        )
        del array
        with progress.bar(f"Decoding {folder}", len(names)) as advance:
            done = decoding.decode_all(job, sizes, advance)
        numbers = np.array(sorted(done.digests), dtype=np.int64)
        digests = bytearray.fromhex("".join(done.digests[number] for number in numbers))
        np.savez(partial / _INDEX, numbers=numbers, digests=np.array(digests, np.uint8).reshape(-1, 32))
        remarks: dict[str, int] = {}
        for remark in done.remarks.values():
            remarks[remark] = remarks.get(remark, 0) + 1
        unreadable: dict[str, tuple[list[int], str]] = {}
        for number, (reason, sentence) in sorted(done.unreadable.items()):
            unreadable.setdefault(reason, ([], sentence))[0].append(number)
        about: dict[str, Any] = {
            "key": key,
            "folder": str(folder.resolve()),
            "height": height,
            "width": width,
            "files": len(names),
            "remarks": remarks,
            "unreadable": unreadable,
        }
        files.write_json(partial / _ABOUT, about)


def _demand_room(size: int, place: Path) -> None:
    free = shutil.disk_usage(place.parent).free
    if free < size + (_SPARE_BYTES if size >= _WORTH_TELLING_BYTES else 0):
        raise EdgeCifarError(
            f"the decoded images need {size / 1e9:.1f} GB and {place.parent} has {free / 1e9:.1f} GB free; set "
            f"{ENVIRONMENT} to a directory on a larger disk, or choose a smaller --image-size"
        )


def _no_place(error: OSError) -> EdgeCifarError:
    return EdgeCifarError(
        f"{root()} cannot be written: {error.strerror}; set {ENVIRONMENT} to a directory for decoded images"
    )
