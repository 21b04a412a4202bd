"""Where a figure comes from: the commit that ran, and the command."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from edge_cifar.processes import programs


def commit() -> str | None:
    """The commit of the source tree that this package runs from, ``+`` appended when the code differs from it.

    None for an installed package, or where git is not at hand.
    """
    package = Path(__file__).resolve().parent
    if not (package.parent / ".git").exists():
        return None
    head = _git(package, "rev-parse", "HEAD").strip()
    if not head:
        return None
    # Only the package counts: results written beside it do not change what was run.
    return head + "+" if _git(package, "status", "--porcelain", "--", ".").strip() else head


def command() -> str | None:
    """The ``edge-cifar`` command line that this process is; None in somebody's own program, which has another."""
    program = Path(sys.argv[0])
    if program.name != "edge-cifar" and program.parts[-2:] != ("edge_cifar", "__main__.py"):
        return None
    return shlex.join(["edge-cifar", *sys.argv[1:]])


def _git(folder: Path, *arguments: str) -> str:
    return programs.output("git", "--no-optional-locks", "-C", str(folder), *arguments)
