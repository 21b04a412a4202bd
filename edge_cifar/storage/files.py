"""Files and folders that appear whole or not at all, their checksums, and paths that stay inside."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import lzma
import os
import re
import shutil
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_cifar.errors import BundleError, EdgeCifarError
from edge_cifar.storage import atomic, scratch, strict_json

_CHUNK_BYTES = 1 << 20
# Parsed, JSON takes up to twenty times its size: a third of a gigabyte here. The largest of ours, a benchmark's
# with every answer, has one or two.
_MOST_JSON_BYTES = 16 << 20
# Window bits by which zlib writes gzip's format.
_GZIP = 31
# Hidden folders beside a destination: what is being written to it, and what it replaces while that is moved away.
_PARTIAL = ".partial"
_SCRATCH = re.compile(rf"\.(?P<name>.+)\.\w{{8}}{re.escape(_PARTIAL)}")
_REPLACED = "replaced"


# Exceptions that readers raise for a damaged ``.npz`` or ``.keras``, both zip archives.
DAMAGE = (
    *(OSError, ValueError, KeyError, TypeError, IndexError, EOFError, RuntimeError, MemoryError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, tokenize.TokenError, SyntaxError),
)


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file or folder so that it stands under its name only when it is complete.

    Yields a path beside ``path`` (same name and suffix, inside a hidden scratch folder) to write
    to; on leaving without an exception what was written is flushed to disk and takes the place of
    what stood under ``path``. On an exception, an interrupt included, nothing is left; what a killed
    process left is cleared away by the next that writes there.

    Raises:
        EdgeCifarError: the place cannot be written, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_scratch(path.parent, path.name)
        with scratch.owned(path.parent, prefix=f".{path.name}.", suffix=_PARTIAL) as folder:
            written = folder / path.name
            yield written
            _flush(written)
            if path.is_dir() and not path.is_symlink() and not written.is_dir():
                # A folder is not replaced by a file.
                raise _is_folder()
            atomic.replace(written, path, folder / _REPLACED)
    except OSError as error:
        raise cannot_write(path, error) from error


def clear_scratch(folder: Path, name: str | None = None) -> None:
    """Remove what killed writers left in a folder, for one name or for all.

    One that was killed between moving an old folder away and putting the new one in its place loses neither: the
    old one is put back.
    """
    for left in folder.iterdir() if folder.is_dir() else ():
        found = _SCRATCH.fullmatch(left.name)
        if found and name in (None, found["name"]):
            with scratch.abandoned(left) as dead, contextlib.suppress(OSError):
                if dead:
                    _put_back(left / _REPLACED, folder / found["name"])
                    shutil.rmtree(left, ignore_errors=True)


def recover(path: Path) -> None:
    """Restore a folder that a killed writer had moved away, if nothing has taken its name since."""
    if not path.exists():
        clear_scratch(path.parent, path.name)


def _put_back(replaced: Path, path: Path) -> None:
    if replaced.exists() and not os.path.lexists(path):
        os.replace(replaced, path)


def remove(path: Path) -> None:
    """Remove a file, or a folder with its contents."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def discard(path: Path) -> None:
    """Remove a file or folder atomically: no one sees half of it, even if the removal is interrupted.

    Raises:
        EdgeCifarError: it cannot be removed.
    """
    try:
        with scratch.owned(path.parent, prefix=f".{path.name}.", suffix=_PARTIAL) as folder:
            os.replace(path, folder / path.name)
    except OSError as error:
        raise EdgeCifarError(f"cannot remove {path}: {error.strerror or error}") from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text so that it appears whole."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document, indented, so that it appears whole. NaN and infinity are refused."""
    write_text(path, strict_json.dump(document, indent=2, default=plain_number) + "\n")


def read_json(path: Path, kind: str) -> Any:
    """Read a JSON document.

    Args:
        path: the file.
        kind: what the file is, for the error message ("manifest", "run record", ...).

    Raises:
        BundleError: the file is missing, unreadable, larger than any of ours or not JSON (see :mod:`.strict_json`).
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST_JSON_BYTES + 1)
        if len(content) > _MOST_JSON_BYTES:
            raise BundleError(f"the {kind} {path} is larger than the limit of {_MOST_JSON_BYTES >> 20} MiB")
        return strict_json.parse(content)
    except FileNotFoundError as error:
        raise BundleError(f"no {kind} at {path}") from error
    except OSError as error:
        raise BundleError(f"the {kind} {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BundleError(f"the {kind} {path} is not valid JSON: {error}") from error


def plain_number(value: Any) -> Any:
    """One of NumPy's numbers as Python's, for ``json``.

    Raises:
        TypeError: it is none, and cannot be written as JSON.
    """
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    raise TypeError(f"{value!r} cannot be written as JSON")


def json_normal(value: Any) -> Any:
    """A value as it comes back from JSON (tuples as lists), to compare with what was read."""
    return strict_json.parse(json.dumps(value, default=plain_number))


def sha256(path: Path) -> str:
    """Checksum of a file, or of a folder's files.

    For a folder (a ``.mlpackage``) the hash runs, over its files in sorted order of their relative
    POSIX paths, over each path, a zero byte and the file's bytes.
    """
    digest = hashlib.sha256()
    if not path.is_dir():
        _update(digest, path)
        return digest.hexdigest()
    for file in _files_of(path):
        digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        _update(digest, file)
    return digest.hexdigest()


def size_bytes(path: Path) -> int:
    """Size of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in _files_of(path)) if path.is_dir() else path.stat().st_size


def gzip_bytes(path: Path) -> int:
    """Size of a file, or of all files of a folder together, behind gzip: what a download or an app store transfers."""
    compressor = zlib.compressobj(level=9, wbits=_GZIP)
    total = 0
    for file in _files_of(path) if path.is_dir() else [path]:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                total += len(compressor.compress(chunk))
    return total + len(compressor.flush())


def inside(folder: Path, name: str) -> Path:
    """The path of ``name`` below ``folder``, for names read from a file that is not trusted.

    Raises:
        BundleError: the name is absolute, climbs out of the folder, or leads out through a link.
    """
    path = folder / name
    try:
        resolved = path.resolve()
        within = bool(name) and not Path(name).is_absolute() and folder.resolve() in resolved.parents
        # A loop of symbolic links: what leads nowhere stays a link from Python 3.13 on.
        within = within and not os.path.islink(resolved)
    except (OSError, RuntimeError, ValueError):
        # Such a loop before Python 3.13, a zero byte, or text that the file system cannot encode.
        within = False
    if not within:
        raise BundleError(f"{name!r} points outside {folder}; the bundle is corrupt or was tampered with")
    return path


def demand_writable(path: Path) -> None:
    """Refuse a destination that cannot be written now, rather than after the minutes that the result takes.

    Raises:
        EdgeCifarError: no file can be written there.
    """
    try:
        if path.is_dir():
            raise _is_folder()
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> EdgeCifarError:
    """The error for a place that cannot be written, in one sentence with a way out."""
    # By the name that it would have had: the scratch folder around it is gone when this is read.
    path = Path(*(part for part in path.parts if not _SCRATCH.fullmatch(part)))
    # shutil, which tells of several files at once, holds the numbers of their errors in words alone.
    named = re.search(r"\[Errno (\d+)\]", str(error))
    number = error.errno or (int(named[1]) if named else 0)
    if number == errno.ENOSPC:
        return EdgeCifarError(f"no space left on the disk of {path}; free some, or choose another location")
    reason = error.strerror or (os.strerror(number) if number else error)
    return EdgeCifarError(f"cannot write {path}: {reason}; choose another location")


def _is_folder() -> OSError:
    return IsADirectoryError(errno.EISDIR, "it is a folder")


def _files_of(folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


def _update(digest: Any, file: Path) -> None:
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)


def _flush(path: Path) -> None:
    for file in _files_of(path) if path.is_dir() else [path]:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
