"""Waitress around the application: binds, serves, and on being stopped first answers what was asked."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from edge_cifar import packages
from edge_cifar.errors import EdgeCifarError

# Beyond the requests that work or wait for a worker: these find the queue full and say so at once,
# or answer for the page and for health checks meanwhile.
_SPARE_THREADS = 4
_POLL_SECONDS = 1.0
_LAST_POLLS_SECONDS = 0.05
# Longer than any one picture takes, shorter than what service managers wait before they kill.
_PATIENCE_SECONDS = 10.0


class Server:
    """An application on a socket.

    Attributes:
        address: the IP address it listens at.
        url: where it answers.
    """

    def __init__(
        self, application: Callable[..., Any], *, host: str, port: int, busy_threads: int, max_body_bytes: int
    ) -> None:
        """Bind and listen; requests are answered once :meth:`run` runs.

        Args:
            application: a WSGI application.
            host: address or name to listen at.
            port: 0 takes any that is free.
            busy_threads: requests that may take long at a time.
            max_body_bytes: of one request; more is refused before it is read.

        Raises:
            MissingPackage: waitress is not installed.
            EdgeCifarError: the address cannot be listened at.
        """
        packages.require("waitress", "serve")
        from edge_cifar.serve import connections

        # It warns of every request that waits for a thread.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._listener = _listen(host, port)
        self._connections: dict[int, Any] = {}
        self._stopping = False
        dispatcher = packages.require("waitress.task", "serve").ThreadedTaskDispatcher()
        dispatcher.set_thread_count(busy_threads + _SPARE_THREADS)
        self._waitress = connections.LimitedServer(
            application,
            map=self._connections,
            _sock=self._listener,
            dispatcher=dispatcher,
            adj=connections.adjustments(max_body_bytes),
            sockinfo=(self._listener.family, self._listener.type, self._listener.proto, self._listener.getsockname()),
            bind_socket=False,
        )
        self.address, bound = self._listener.getsockname()[:2]
        self.url = f"http://{f'[{self.address}]' if ':' in self.address else self.address}:{bound}"

    def run(self) -> None:
        """Serve until :meth:`stop` is called; what was asked by then is answered before this returns."""
        while not self._stopping:
            self._poll(_POLL_SECONDS)
        # Not accepting: its channel in the map says that it has nothing to read.
        self._waitress.accepting = False
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end and self._unfinished():
            self._poll(_LAST_POLLS_SECONDS)
        self._waitress.task_dispatcher.shutdown()
        packages.require("waitress.wasyncore", "serve").close_all(self._connections)

    def stop(self) -> None:
        """Ask :meth:`run` to come to an end; may be called from a signal handler or another thread."""
        self._stopping = True
        self._waitress.pull_trigger()

    def _poll(self, seconds: float) -> None:
        packages.require("waitress.wasyncore", "serve").loop(
            timeout=seconds, use_poll=True, map=self._connections, count=1
        )

    def _unfinished(self) -> bool:
        """Whether a request that has arrived is not answered, or an answer not sent; others are hung up on."""
        unfinished = False
        for channel in self._waitress.active_channels.values():
            if channel.requests or channel.total_outbufs_len:
                unfinished = True
            else:
                channel.will_close = True
        return unfinished


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise EdgeCifarError(
            f"cannot listen on {host} port {port}: {reason}; choose others with --host and --port"
        ) from error
