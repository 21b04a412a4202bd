"""Where the ``edge-cifar`` command begins and ends: light, since nobody minds signals before it is imported."""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

# What ends a command in good order, and how it is told. The exit status is a shell's: 128 and the signal's number.
_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_FIRST_STATUS = 128


class _Ended:
    """The signal that the command was ended by; SIGINT where none was noticed, as when a test raises its exception."""

    by: int = signal.SIGINT


def main(arguments: list[str] | None = None, *, own_process: bool = False) -> int:
    """Run the command line.

    Args:
        arguments: of the command; the process's own when left out.
        own_process: whether the process does nothing else, and may be started again under another allocator.

    Returns:
        The exit status: 0 done, 1 files, data, packages, the machine, a check that was not met or a row of a
        benchmark that failed, 2 refused from the command line alone, 130 interrupted, 143 terminated.
    """
    try:
        from edge_cifar.cli import group

        return group.run(sys.argv[1:] if arguments is None else arguments, own_process=own_process)
    except KeyboardInterrupt as error:
        return _interrupted(error)


def entry() -> None:
    """Entry point of the installed script."""
    # At first there is nothing to be put in order, and at last there is nothing left.
    _handle(_leave)
    # Where this is a process's second start: signals waited for it, see edge_cifar.processes.allocator.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WORDS)
    from edge_cifar.cli import group  # noqa: F401 - takes longest of what comes before a command begins

    try:
        _handle(_unwind)
        status = main(own_process=True)
    except KeyboardInterrupt as error:  # before or behind all that main does
        status = _interrupted(error)
    _handle(_leave)
    sys.exit(status)


def _interrupted(error: KeyboardInterrupt) -> int:
    """Say so, and which command goes on."""
    notes = getattr(error, "__notes__", ())
    print("\n".join([f"edge-cifar: {_WORDS[signal.Signals(_Ended.by)]}", *notes]), file=sys.stderr)
    return _FIRST_STATUS + _Ended.by


def _handle(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in _WORDS:
        # A shell starts its background jobs deaf to Ctrl-C, and so they stay.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> None:
    """End the process at once."""
    os.write(2, f"edge-cifar: {_WORDS[signal.Signals(number)]}\n".encode())
    os._exit(_FIRST_STATUS + number)


def _unwind(number: int, frame: FrameType | None) -> None:
    """End what runs in good order: workers are ended, temporary folders go, nothing is left half written."""
    _Ended.by = number
    raise KeyboardInterrupt
