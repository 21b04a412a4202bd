"""Replace a folder atomically if the system can: a kill leaves the old one or the new one, never neither."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

# linux/fs.h and macOS's sys/stdio.h.
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_RENAME_SWAP = 2


def replace(written: Path, path: Path, aside: Path) -> None:
    """Move what was written to its final name.

    Args:
        written: a file or folder, on the same file system.
        path: where it shall stand; what stands there is given up.
        aside: a name for the old folder where the system cannot exchange two of them. A process that is killed
            right then leaves it there, and nothing under ``path``: whoever comes next has to put it back.

    Raises:
        OSError: it cannot be done.
    """
    # A folder cannot be renamed over one that is not empty.
    if path.is_dir() and not path.is_symlink():
        if exchange(written, path):
            return
        os.replace(path, aside)
    os.replace(written, path)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names atomically; False if this system or file system cannot."""
    call = _system_call()
    return call is not None and call(os.fsencode(one), os.fsencode(other)) == 0


def _system_call() -> Callable[[bytes, bytes], int] | None:
    import ctypes  # imported here: it takes longer than the rest of this module

    library = ctypes.CDLL(None)
    if sys.platform == "darwin":
        swap = getattr(library, "renamex_np", None)
        return swap and (lambda one, other: int(swap(one, other, ctypes.c_uint(_RENAME_SWAP))))
    rename = getattr(library, "renameat2", None)  # glibc 2.28
    at = ctypes.c_int(_AT_FDCWD)
    return rename and (lambda one, other: int(rename(at, one, at, other, ctypes.c_uint(_RENAME_EXCHANGE))))
