"""Keeping NumPy's matrix library to one thread while images are spread over threads of our own.

OpenBLAS, MKL and BLIS start as many threads as there are cores for each product; on a busy machine, or
beside our own threads, they then wait for one another and a product takes ten times as long.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_users = 0
_limit = ExitStack()


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold the matrix library to one thread within the context.

    The limit holds for the whole process, so it is set by the first of several threads that are within
    such a context and lifted by the last.
    """
    global _users
    with _lock:
        if _users == 0:
            _limit.enter_context(ThreadpoolController().limit(limits=1, user_api="blas"))
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limit.close()
