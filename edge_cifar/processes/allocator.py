"""Which memory allocator the processes that train and convert use.

Each training step gives its large buffers back and asks for them again. glibc returns them to the kernel, which hands
out zeroed pages a moment later: over a quarter of the processor time of a small network's training where TensorFlow
computes by its own kernels (by oneDNN's, which keep their buffers, little). glibc would learn to keep them, but
TensorFlow forbids it: its ``GeneratorDataset`` fixes ``M_MMAP_THRESHOLD`` at 128 KiB (``ApplyPython311MemoryPatch``).

An allocator is chosen before a process starts: worker processes find it in their environment, the command itself
starts once more.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import sys
from pathlib import Path

from edge_cifar.errors import EdgeCifarError, unknown

ENVIRONMENT = "EDGE_CIFAR_ALLOCATOR"
CHOICES = ("auto", "glibc", "system", "tcmalloc")
TCMALLOC_PACKAGE = "libtcmalloc-minimal4"

# Set in the restarted process, so that it restarts only once.
_STARTED = "_EDGE_CIFAR_ALLOCATOR_STARTED"
_TCMALLOC = "libtcmalloc_minimal.so.4"
# Memory that was asked for once is kept, in one heap (every arena more would keep a peak of its own) that is never
# trimmed and grows by 128 MiB. That no buffer is mapped for itself is said by their number, which TensorFlow leaves.
# https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html
_GLIBC_TUNABLES = ":".join(
    f"glibc.malloc.{name}={value}"
    for name, value in {
        "arena_max": 1,
        "mmap_max": 0,
        "trim_threshold": 4 << 30,
        "top_pad": 128 << 20,
    }.items()
)


def chosen() -> str:
    """The allocator of heavy processes: ``glibc`` (with tunables that keep its memory), ``tcmalloc`` or ``system``.

    ``system`` means that nothing is changed: it was asked for, this is no 64-bit Linux with glibc, or the user has
    chosen an allocator or tuned glibc's already.

    Raises:
        UsageError: :data:`ENVIRONMENT` is none of :data:`CHOICES`.
        EdgeCifarError: it names tcmalloc, which is not installed.
    """
    asked = os.environ.get(ENVIRONMENT) or "auto"
    if asked not in CHOICES:
        raise unknown(ENVIRONMENT, asked, CHOICES)
    if asked == "system" or not supported() or chosen_by_user():
        return "system"
    if asked == "tcmalloc" and tcmalloc() is None:
        raise EdgeCifarError(f"{ENVIRONMENT}=tcmalloc, but {_TCMALLOC} is not installed; see edge-cifar doctor")
    return "tcmalloc" if asked != "glibc" and tcmalloc() else "glibc"


def settings() -> dict[str, str]:
    """Additions to the environment of a heavy process that select the allocator."""
    return {
        "glibc": {"GLIBC_TUNABLES": _GLIBC_TUNABLES},
        "tcmalloc": {"LD_PRELOAD": str(tcmalloc())},
        "system": {},
    }[chosen()]


def restart() -> None:
    """Start this process's program again under the chosen allocator; returns where that is done or need not be.

    The process stays the same: its id, files and terminal. What was set for it alone is taken from the environment
    again, so that the programs it starts, such as the workers that measure, run as on any device.

    Raises:
        EdgeCifarError: as :func:`chosen`.
    """
    if started := os.environ.pop(_STARTED, None):
        for name in started.split(","):
            os.environ.pop(name, None)
        return
    added = settings()
    if added and sys.executable:
        # Signals are held back until the restarted program handles them.
        signals = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        # If it cannot be restarted, it continues without the allocator.
        with contextlib.suppress(OSError):
            os.execve(
                sys.executable,
                [sys.executable, *sys.orig_argv[1:]],
                {**os.environ, **added, _STARTED: ",".join(added)},
            )
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


def supported() -> bool:
    """Whether the C library is glibc, on 64-bit Linux."""
    if sys.platform != "linux" or sys.maxsize < 2**32:
        return False
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except ValueError:  # musl does not know the name
        return False


def chosen_by_user() -> bool:
    """Whether the environment already configures memory allocation."""
    return any(name in ("LD_PRELOAD", "GLIBC_TUNABLES") or name.startswith("MALLOC_") for name in os.environ)


def tcmalloc() -> Path | None:
    """tcmalloc's library, if the system has it."""
    # Fedora keeps 32-bit libraries in /usr/lib, Debian every machine's own in a folder named after it.
    folders = (f"/usr/lib/{platform.machine()}-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib")
    return next((path for folder in folders if (path := Path(folder, _TCMALLOC)).is_file()), None)
