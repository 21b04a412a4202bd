"""Commands of ours as messages show them."""

from __future__ import annotations

import shlex


def command_line(*words: object) -> str:
    """An ``edge-cifar`` command for people to type: quoted, so that it works when it is copied into a shell.

    Args:
        *words: the command and its arguments; paths as they are.
    """
    return shlex.join(["edge-cifar", *map(str, words)])
