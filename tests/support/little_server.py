"""A little web server with moods, which serves an archive that looks like CIFAR's."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from edge_cifar.data import cifar
from support import cifar_files

FILES = cifar_files.contents()
PACKED = cifar_files.archive(FILES)


@dataclass
class Server:
    """A little web server with moods.

    Attributes:
        content: what it serves.
        ranges: whether it understands Range.
        shifted: whether it answers a Range with another one.
        cut_after: bytes after which each of the next connections breaks off, one entry a connection.
        status: answered instead of the content if set.
        asked: the Range header of each request.
    """

    content: bytes = PACKED
    ranges: bool = True
    shifted: bool = False
    cut_after: list[int] = field(default_factory=list)
    status: int | None = None
    asked: list[str | None] = field(default_factory=list)
    url: str = ""

    def published(self, packed: bytes = PACKED) -> cifar.CifarSet:
        return cifar_files.published(FILES, packed, self.url)


@pytest.fixture
def server() -> Iterator[Server]:
    mood = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            mood.asked.append(asked)
            if mood.status:
                self.send_error(mood.status)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and mood.ranges else 0
            if start >= len(mood.content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            body = mood.content[start:]
            self.send_header("Content-Length", str(len(body)))
            if start:
                first = start + mood.shifted
                self.send_header("Content-Range", f"bytes {first}-{len(mood.content) - 1}/{len(mood.content)}")
            self.end_headers()
            self.wfile.write(body[: mood.cut_after.pop(0)] if mood.cut_after else body)

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        mood.url = f"http://127.0.0.1:{listening.server_port}/little.tar.gz"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield mood
        listening.shutdown()
        thread.join()
