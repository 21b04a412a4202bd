"""waitress with limits: how many connections there may be, and how long a request may take to arrive.

waitress stops accepting at its limit, so that whoever opens connections and says nothing shuts out everybody else,
and knows one time limit, from the last byte, so that a byte now and then holds a connection for ever. Its other gaps
are closed here as well: a line of a chunk's size that never ends is kept whole, and what it refuses itself is told
as plain text.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import time
from collections import defaultdict
from http import HTTPStatus
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.receiver import ChunkedReceiver
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask
from waitress.utilities import BadRequest, RequestEntityTooLarge

# A browser opens six at the most; a reverse proxy, or many machines behind one router, share one address.
MOST_CONNECTIONS = 200
MOST_BY_ADDRESS = 100
# From the connection, or from its first byte after an answer, to the end of the headers and of the whole request.
# 32 MiB arrive within the latter at 560 kB a second.
HEADER_SECONDS = 10.0
REQUEST_SECONDS = 60.0
IDLE_SECONDS = 30
HEADER_BYTES = 32 << 10
# The size of a chunk has a few digits, and what may follow it is used by nobody.
_CHUNK_LINE_BYTES = 256
_SIXTY_FOUR = 64


def adjustments(max_body_bytes: int) -> Any:
    """waitress' settings.

    Args:
        max_body_bytes: of one request; more is refused before it is read.
    """
    return Adjustments(
        # It refuses what has as many as it is told.
        max_request_body_size=max_body_bytes + 1,
        max_request_header_size=HEADER_BYTES,
        # Never reached; beyond it nobody would be let in.
        connection_limit=2 * MOST_CONNECTIONS,
        channel_timeout=IDLE_SECONDS,
        cleanup_interval=1,
        ident=None,
    )


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """A request as it arrives."""

    def received(self, data: bytes) -> int:
        try:
            consumed: int = super().received(data)
        except ValueError as error:
            # A number of more digits than Python converts.
            self.error, self.completed = BadRequest(str(error)), True
            return len(data)
        body = self.body_rcv
        if isinstance(body, ChunkedReceiver) and not self.completed:
            if len(body.control_line) > _CHUNK_LINE_BYTES:
                self.error, self.completed = BadRequest("a chunk-size line is too long"), True
            elif len(body.trailer) > HEADER_BYTES:
                self.error, self.completed = BadRequest("the trailer is too long"), True
            elif body.chunk_remainder > self.adj.max_request_body_size:
                self.error, self.completed = RequestEntityTooLarge(""), True
        return consumed


class Refusal(ErrorTask):  # type: ignore[misc]
    """What waitress refuses, told as JSON like everything else."""

    def execute(self) -> None:
        error = self.request.error
        sentence = {
            413: f"the body has more than {self.channel.adj.max_request_body_size >> 20} MiB",
            500: "the server failed to answer",
            431: f"the headers have more than {HEADER_BYTES >> 10} KiB",
        }.get(error.code, f"malformed request: {error.body}")
        self.status = f"{error.code} {error.reason}"
        body = json.dumps({"error": sentence}).encode()
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):  # type: ignore[misc]
    """One connection.

    Attributes:
        client: whom it comes from.
        began: when the request that is arriving began, by the monotonic clock; None between requests. What has
            just been connected is taken to begin one.
    """

    parser_class = Parser
    error_task_class = Refusal

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.client = _client(self.addr[0])
        self.began: float | None = time.monotonic()
        self._used = self.began

    def received(self, data: bytes) -> bool:
        self._used = time.monotonic()
        if self.began is None:
            self.began = self._used
        taken: bool = super().received(data)
        return taken

    def service(self) -> None:
        super().service()
        # Part of the next request may have come along.
        self.began = None if self.request is None else time.monotonic()

    @property
    def waits(self) -> bool:
        """Whether nothing is worked on or sent: it is the client's turn."""
        return not (self.requests or self.total_outbufs_len or self.will_close or self.close_when_flushed)

    @property
    def since(self) -> float:
        """Since when it is the client's turn, by the monotonic clock."""
        return self._used if self.began is None else self.began

    def overdue(self) -> bool:
        """Whether a request takes longer to arrive than it may."""
        arriving = self.request is not None and self.request.headers_finished
        limit = REQUEST_SECONDS if arriving else HEADER_SECONDS
        return self.waits and self.began is not None and time.monotonic() - self.began > limit

    def hang_up(self, status: HTTPStatus, sentence: str) -> None:
        """Say why, as far as the client listens, and close; called while it is the client's turn."""
        body = json.dumps({"error": sentence})
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
        answer = f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
        # At once, without a thread: these may all be taken when there is reason to hang up.
        with contextlib.suppress(OSError):
            self.socket.send(answer.encode())
        self.will_close = True


class LimitedServer(TcpWSGIServer):  # type: ignore[misc]
    """The listening socket."""

    channel_class = Channel

    def handle_accept(self) -> None:
        super().handle_accept()
        by_address = defaultdict(list)
        for channel in self.active_channels.values():
            if not channel.will_close:
                by_address[channel.client].append(channel)
        most = max(by_address.values(), key=len, default=[])
        if len(most) > MOST_BY_ADDRESS or sum(map(len, by_address.values())) > MOST_CONNECTIONS:
            # Of whoever holds most, what has been silent longest: a client that comes with its request is answered.
            waiting = [channel for channel in most if channel.waits]
            if waiting:
                silent = min(waiting, key=lambda channel: channel.since)
                silent.hang_up(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections; try again in a moment")

    def maintenance(self, now: float) -> None:
        super().maintenance(now)
        for channel in list(self.active_channels.values()):
            if channel.overdue():
                channel.hang_up(HTTPStatus.REQUEST_TIMEOUT, "the request took too long to arrive")


def _client(address: str) -> str:
    """Whom an address stands for: of version 6 everybody is given a whole network of 64 bits."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, _SIXTY_FOUR), strict=False))
