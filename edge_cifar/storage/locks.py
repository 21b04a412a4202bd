"""Locks on files, which the kernel releases when their holder exits, however it exits."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
from pathlib import Path

# A lock file that was removed while it was opened is opened again; this many times cannot happen by chance.
_ATTEMPTS = 10


def acquire(path: Path, *, shared: bool = False, wait: bool = False) -> int:
    """Lock a file, which is created if needed.

    Args:
        path: the lock file.
        shared: hold off those alone who want it for themselves.
        wait: until who holds it lets go, instead of giving up at once.

    Returns:
        its descriptor; closing it, or :func:`release`, lets go.

    Raises:
        BlockingIOError: another holds it.
        LocksUnsupportedError: the file system, such as some that lie on a network, has no locks.
        OSError: the file cannot be opened.
    """
    mode = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    for _ in itertools.count() if wait else range(_ATTEMPTS):
        descriptor = _opened(path)
        try:
            fcntl.flock(descriptor, mode)
            # A lock on a file that its former holder has just removed excludes nobody.
            if os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor)):
                return descriptor
        except FileNotFoundError:
            pass
        except BlockingIOError:
            os.close(descriptor)
            raise
        except OSError as error:
            os.close(descriptor)
            raise LocksUnsupportedError(*error.args) from error
        os.close(descriptor)
    raise BlockingIOError


def release(path: Path, descriptor: int) -> None:
    """Release a lock, and remove its file unless others share it."""
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    os.close(descriptor)


def sign(descriptor: int, words: str) -> None:
    """Write the holder into a lock file, if it is writable."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, words.encode(), 0)


class LocksUnsupportedError(OSError):
    """The file system does not support locks."""


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except PermissionError:
        # Another user's file: it can be locked all the same.
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
