"""One lock per run: a command that writes into a run or a bundle excludes the others.

Readers whose results depend on what they read share it: they exclude writers, not each other. What a run's own
``export/`` holds is part of the run, and has its lock. Locks are advisory, and cannot be had everywhere (a folder
that is read only, a network's file system): results are therefore bound to what they were made from by checksum too.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from edge_cifar.errors import EdgeCifarError
from edge_cifar.storage import files, locks

# The name of the bundle that is a run's own.
EXPORT = "export"
_RUN_LOCK = ".run.lock"


@contextlib.contextmanager
def training(run: Path) -> Iterator[None]:
    """Lock a run's folder while a training writes it.

    Args:
        run: the folder; it is made, with those that lead to it, and taken away again where nothing came into it.

    Raises:
        EdgeCifarError: another process holds it, or it cannot be written.
    """
    with _held(run / _RUN_LOCK, run, "train", shared=False):
        files.clear_scratch(run)
        yield


@contextlib.contextmanager
def exporting(run: Path, place: Path) -> Iterator[None]:
    """Lock a run while a bundle is made from it, and the bundle's destination.

    Args:
        run: its folder.
        place: the bundle's folder; as with :func:`training`.

    Raises:
        EdgeCifarError: another process holds one of them, or the place cannot be written.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_held(_bundle_lock(place), place, "export", shared=False))
        files.clear_scratch(place.parent, place.name)
        if _bundle_lock(place) != run.resolve() / _RUN_LOCK:
            stack.enter_context(_held(run / _RUN_LOCK, run, "export", shared=True))
        yield


@contextlib.contextmanager
def reading(bundles: Iterable[Path], command: str) -> Iterator[None]:
    """Exclude writers from bundles, and from the runs that contain them, while a command reads them.

    Args:
        bundles: their folders.
        command: that reads them.

    Raises:
        EdgeCifarError: another process writes one of them.
    """
    with contextlib.ExitStack() as stack:
        for lock, bundle in {_bundle_lock(bundle): bundle for bundle in bundles}.items():
            stack.enter_context(_held(lock, bundle, command, shared=True))
        yield


@contextlib.contextmanager
def moving(run: Path, to: Path | None, command: str) -> Iterator[None]:
    """Lock a run while its folder is removed or moved.

    Args:
        run: its folder.
        to: where it is moved.
        command: that does it.

    Raises:
        EdgeCifarError: another process holds it, or it cannot be written.
    """
    with _held(run / _RUN_LOCK, run, command, shared=False):
        yield
        if to is not None:
            (to / _RUN_LOCK).unlink(missing_ok=True)


@contextlib.contextmanager
def updating(path: Path) -> Iterator[None]:
    """Lock a result while it is updated; waits for other updates, which take a moment each.

    Raises:
        EdgeCifarError: its folder cannot be written.
    """
    with _held(path.parent / f".{path.name}.lock", path, "", shared=False, wait=True):
        yield


def _bundle_lock(path: Path) -> Path:
    path = path.resolve()
    return path.parent / (_RUN_LOCK if path.name == EXPORT else f".{path.name}.lock")


@contextlib.contextmanager
def _held(lock: Path, place: Path, command: str, *, shared: bool, wait: bool = False) -> Iterator[None]:
    made = list(itertools.takewhile(lambda folder: not folder.exists(), lock.parents))
    descriptor = None
    try:
        if not shared:
            lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = locks.acquire(lock, shared=shared, wait=wait)
        locks.sign(descriptor, f"{'reading' if shared else 'writing'} {os.getpid()} {command}")
    except BlockingIOError as error:
        raise EdgeCifarError(_refusal(lock, place, shared=shared)) from error
    except locks.LocksUnsupportedError:
        pass  # no locks there
    except OSError as error:
        # Without write permission, reading is still possible.
        if not shared:
            raise files.cannot_write(place, error) from error
    try:
        yield
    finally:
        if descriptor is not None:
            locks.release(lock, descriptor)
        with contextlib.suppress(OSError):  # one is full, as it should be, and those that hold it
            for folder in made:
                folder.rmdir()


def _refusal(lock: Path, place: Path, *, shared: bool) -> str:
    """Who holds a lock, and what to do about it."""
    doing, who = "writing" if shared else "using", ""
    with contextlib.suppress(OSError, ValueError):
        signed, number, command = lock.read_text(encoding="utf-8").split(maxsplit=2)
        # The name of a killed holder stays until the next holder writes its own.
        os.kill(int(number), 0)
        doing, who = signed, f" (edge-cifar {command}, process {number})"
    way_out = "wait for it to finish" if shared else "wait for it to finish, or choose another directory"
    return f"another process is {doing} {place}{who}; {way_out}"
