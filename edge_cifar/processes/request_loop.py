"""A worker's side of the protocol: it answers the requests that its client (:mod:`.worker`) sends.

Requests and answers are JSON objects, one a line, on standard input and standard output. The handler answers a
request with one object or several. An exception ends the request, and not the worker:

    {"refused": SENTENCE, "unavailable": BOOL}      an error of this toolkit; the sentence is its message
    {"failed": SENTENCE, "out_of_memory": BOOL}     any other exception
"""

from __future__ import annotations

import json
import os
import queue
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from edge_cifar.errors import EdgeCifarError, RuntimeUnavailable, first_line
from edge_cifar.processes import exit_status
from edge_cifar.storage import strict_json

Message = Mapping[str, Any]
Answer = Callable[[Message], None]

_STDIN, _STDOUT, _STDERR = 0, 1, 2


def serve(handle: Callable[[Message, Answer], None]) -> NoReturn:
    """Answer requests until the client is gone; then end this process at once, whatever it is doing.

    Args:
        handle: given a request and the function that sends an answer to it.
    """
    # Native libraries print to standard output too. From here on that goes to standard error.
    answers = os.fdopen(os.dup(_STDOUT), "w", encoding="utf-8")
    os.dup2(_STDERR, _STDOUT)

    def answer(message: Message) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    while True:
        request = strict_json.message(requests.get())
        try:
            handle(request, answer)
        except EdgeCifarError as error:
            answer({"refused": str(error), "unavailable": isinstance(error, RuntimeUnavailable)})
        except Exception as error:  # native libraries may raise anything
            traceback.print_exc()
            answer(_failure(error))


def _read(requests: queue.SimpleQueue[bytes]) -> None:
    """Pass on requests as they arrive, and end the process when the client closes its end or exits."""
    unread = b""
    # Past Python's own buffer: its lock, held for ever, would crash the interpreter when it ends.
    while piece := os.read(_STDIN, 1 << 16):
        *lines, unread = (unread + piece).split(b"\n")
        for line in lines:
            requests.put(line)
    # Past the clean-up of native libraries, too: it takes seconds, and some of it crashes.
    os._exit(1)


def _failure(error: Exception) -> Message:
    if isinstance(error, MemoryError) or exit_status.names_lack_of_memory(str(error)):
        return {"failed": "it ran out of memory", "out_of_memory": True}
    name, said = type(error).__name__, first_line(error)
    return {"failed": name if said == name else f"{name}: {said}", "out_of_memory": False}
