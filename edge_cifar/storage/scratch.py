"""Scratch folders: removed by the command that made them; the next command removes those of killed ones.

Each holds a file that its owner keeps locked. The kernel releases that lock when the owner exits, so a
folder without a lock has no owner, even if another process has its number by now.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge_cifar.storage import locks

_OWNER = ".owner"
_SUFFIX = ".scratch"
# Unmistakable, since it is removed with its contents: a user may also name a folder edge-cifar-something.
_NAME = re.compile(rf"edge-cifar-[a-z]+-\w{{8}}{re.escape(_SUFFIX)}")


@contextlib.contextmanager
def folder(purpose: str, parent: Path | None = None) -> Iterator[Path]:
    """A folder for temporary files.

    Args:
        purpose: a word of lower-case letters, for its name.
        parent: where; the system's place for temporary files when left out.

    Raises:
        OSError: it cannot be made.
    """
    with owned(parent or Path(tempfile.gettempdir()), prefix=f"edge-cifar-{purpose}-", suffix=_SUFFIX) as made:
        yield made


def sweep(parent: Path | None = None) -> None:
    """Remove the scratch folders of this user's killed commands."""
    with contextlib.suppress(OSError), os.scandir(parent or tempfile.gettempdir()) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name):
                with abandoned(Path(entry.path)) as dead:
                    if dead:
                        shutil.rmtree(entry.path, ignore_errors=True)


@contextlib.contextmanager
def owned(parent: Path, *, prefix: str, suffix: str) -> Iterator[Path]:
    """A new folder that this process owns until the block ends, when it is removed.

    Raises:
        OSError: it cannot be made.
    """
    made, lock = _made(parent, prefix, suffix)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        if lock is not None:
            os.close(lock)


@contextlib.contextmanager
def abandoned(path: Path) -> Iterator[bool]:
    """Whether a folder that :func:`owned` made is this user's and its owner has exited; it is locked meanwhile."""
    lock = None
    try:
        if not path.is_symlink() and path.is_dir() and path.stat().st_uid == os.getuid():
            lock = locks.acquire(path / _OWNER)
    except OSError:  # it is running, has just exited, or that is unknown
        pass
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def _made(parent: Path, prefix: str, suffix: str) -> tuple[Path, int | None]:
    while True:
        made = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=parent))
        try:
            return made, locks.acquire(made / _OWNER)
        except locks.LocksUnsupportedError:
            return made, None
        except (BlockingIOError, FileNotFoundError):
            # Another command removed it before it was locked.
            continue
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
