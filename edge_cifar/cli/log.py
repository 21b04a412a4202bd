"""Where ``-v`` and ``--log-file`` send what the command and its libraries say.

Python's logging is imported only when one of them is given.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edge_cifar.storage import files
from edge_cifar.visible import visible

if TYPE_CHECKING:
    import logging

_OURS = "edge_cifar"


@dataclass
class _Log:
    """The handlers of this command, and the root logger's level without them."""

    handlers: list[logging.Handler] = field(default_factory=list)
    level: int = 0

    def add(self, handler: logging.Handler) -> None:
        import logging

        root = logging.getLogger()
        if not self.handlers:
            self.level = root.level
            root.setLevel(min(root.level, logging.INFO))
            logging.captureWarnings(True)
        handler.setLevel(logging.INFO)
        root.addHandler(handler)
        self.handlers.append(handler)

    def close(self) -> None:
        if not self.handlers:
            return
        import logging

        root = logging.getLogger()
        for handler in self.handlers:
            root.removeHandler(handler)
            handler.close()
        self.handlers.clear()
        root.setLevel(self.level)
        logging.captureWarnings(False)


_log = _Log()


def to_file(path: Path) -> None:
    """Append to a file, with times, what is said from now on; until :func:`close`.

    Raises:
        EdgeCifarError: it cannot be written.
    """
    import logging

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise files.cannot_write(path, error) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    _log.add(handler)


def to_terminal() -> None:
    """Show on standard error what libraries log; until :func:`close`."""
    import logging

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    # What the command itself says is shown already.
    handler.addFilter(lambda record: record.name != _OURS)
    _log.add(handler)


def note(text: str) -> None:
    """Write a line to the log, if there is one."""
    if _log.handlers and text.strip():
        import logging

        logging.getLogger(_OURS).info("%s", visible(text.strip(), keep="\n"))


def note_error(error: BaseException) -> None:
    """Write an error to the log with its traceback, if there is one."""
    if _log.handlers:
        import logging

        logging.getLogger(_OURS).error("%s", visible(str(error) or type(error).__name__, keep="\n"), exc_info=error)


def close() -> None:
    """End the log."""
    _log.close()
