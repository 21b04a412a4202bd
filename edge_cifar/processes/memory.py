"""How much memory this process holds and has held."""

from __future__ import annotations

import platform
import re
from pathlib import Path


def resident_bytes() -> int:
    """Resident size now, in bytes."""
    if platform.system() == "Linux":
        return _status("VmRSS")
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_bytes() -> int:
    """Largest resident size so far, in bytes.

    Linux is asked through /proc: the maximum that getrusage gives there includes, after a fork,
    that of the process that started this one.
    """
    if platform.system() == "Linux":
        return _status("VmHWM")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # getrusage(2): bytes on macOS, kilobytes elsewhere.
    return peak if platform.system() == "Darwin" else peak * 1024


def _status(field: str) -> int:
    text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    told = re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)
    if told is None:
        raise OSError(f"/proc/self/status has no {field}")
    return int(told.group(1)) * 1024
