"""Clients that open connections and say little: others are answered all the same, and these are sent away."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from support.pace import PATIENCE_SECONDS

pytest.importorskip("waitress", reason="serving needs waitress")

from edge_cifar.serve import connections
from edge_cifar.serve.server import Server

# Far beyond what any test takes: a client that waits so long was not answered.
NEVER = 3600.0
HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half: "
GOOD = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
MAX_BODY_BYTES = 2 << 20


def application(environ: dict[str, Any], start: Callable[..., object]) -> list[bytes]:
    """Tells how long the body was."""
    body = b"%d" % len(environ["wsgi.input"].read())
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    server = Server(application, host="127.0.0.1", port=0, busy_threads=2, max_body_bytes=MAX_BODY_BYTES)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server.address, int(server.url.rpartition(":")[2])
    server.stop()
    thread.join()


@pytest.fixture
def opened(address: tuple[str, int]) -> Iterator[Callable[..., socket.socket]]:
    """Opens connections, which are closed at the end."""
    with contextlib.ExitStack() as stack:
        yield lambda say=b"", source=None: stack.enter_context(connected(address, say, source))


def connected(address: tuple[str, int], say: bytes, source: tuple[str, int] | None) -> socket.socket:
    client = socket.create_connection(address, timeout=PATIENCE_SECONDS, source_address=source)
    client.sendall(say)
    return client


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time limit: only the limits to connections can help."""
    for name in ("HEADER_SECONDS", "REQUEST_SECONDS", "IDLE_SECONDS"):
        monkeypatch.setattr(connections, name, int(NEVER))


def answer(client: socket.socket) -> tuple[int, Any]:
    """Status and body of the next answer; (0, None) where the connection was closed without one."""
    try:
        with client.makefile("rb") as stream:
            status = stream.readline().split()
            headers = {}
            while line := stream.readline().strip():
                name, _, value = line.decode().lower().partition(":")
                headers[name] = value.strip()
            content = stream.read(int(headers.get("content-length", 0)))
    except ConnectionError:
        return 0, None
    if not status:
        return 0, None
    return int(status[1]), json.loads(content) if headers["content-type"] == "application/json" else content


def is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        while client.recv(1000):
            pass
        return False
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


@pytest.mark.parametrize("say", [b"", HALF, HALF + b"x\r\n\r\n"[:-2]], ids=["nothing", "half a header", "no end"])
def test_half_open_connections_beyond_every_limit_keep_nobody_out(
    say: bytes, endless: None, opened: Callable[..., socket.socket]
) -> None:
    count = connections.MOST_CONNECTIONS + 30
    bad = [opened(say) for _ in range(count)]
    assert answer(opened(GOOD)) == (200, b"0")
    # Those that were silent longest are gone, told why; the youngest may go on.
    assert answer(bad[0])[0] in (0, 503)
    assert sum(map(is_open, bad)) <= connections.MOST_BY_ADDRESS
    assert is_open(bad[-1])


def test_one_address_takes_no_others_places(endless: None, opened: Callable[..., socket.socket]) -> None:
    try:
        slow = opened(HALF, ("127.0.0.2", 0))
    except OSError:
        pytest.skip("this system has one loopback address: connections cannot come from two")
    for _ in range(connections.MOST_CONNECTIONS + 30):
        opened(HALF)
    assert answer(opened(GOOD)) == (200, b"0")
    slow.sendall(b"x\r\n\r\n")
    assert answer(slow) == (200, b"0")


def test_an_address_of_version_6_is_its_network() -> None:
    assert connections._client("2001:db8::1") == connections._client("2001:db8::ffff:1%eth0")
    assert connections._client("2001:db8::1") != connections._client("2001:db8:0:1::1")
    assert (
        connections._client("::ffff:192.0.2.1") == connections._client("192.0.2.1") != connections._client("192.0.2.2")
    )


@pytest.mark.parametrize(
    ("limit", "begun"),
    [("HEADER_SECONDS", HALF), ("REQUEST_SECONDS", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n")],
    ids=["headers", "body"],
)
def test_a_byte_now_and_then_does_not_hold_a_connection(
    limit: str, begun: bytes, endless: None, opened: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, limit, 0.2)
    client = opened(begun)
    client.settimeout(0.05)
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(TimeoutError, ConnectionError):
            client.sendall(b"x")
            told = client.recv(1000)
            break
    assert told.startswith(b"HTTP/1.1 408 ")
    assert json.loads(told.partition(b"\r\n\r\n")[2]) == {"error": "the request took too long to arrive"}


def test_blank_lines_do_not_hold_a_connection(
    endless: None, opened: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    client = opened()
    client.settimeout(0.05)
    for part in itertools.cycle((b"\r", b"\n\r\n")):
        try:
            client.sendall(part)
            if not client.recv(1000):
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    assert not is_open(client)


def test_a_connection_between_requests_is_not_late(
    endless: None, opened: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: now))
    slow, client = opened(HALF), opened(GOOD)
    assert answer(client) == (200, b"0")
    now += connections.HEADER_SECONDS + connections.REQUEST_SECONDS
    # The server has looked through all connections once one of them is told that it is late.
    assert answer(slow)[0] == 408
    client.sendall(GOOD)
    assert answer(client) == (200, b"0")


REFUSED = {
    "a chunk's size without end": (CHUNKED + b"f" * 4000, 400, "chunk-size line is too long"),
    "a chunk's extension without end": (CHUNKED + b"5;" + b"a" * 4000, 400, "chunk-size line is too long"),
    "a chunk's size beyond the limit": (CHUNKED + b"ffffffff\r\nx", 413, "more than 2 MiB"),
    "a chunk's size beyond 64 bits": (CHUNKED + b"f" * 200 + b"\r\nx", 413, "more than 2 MiB"),
    "a chunk's size that is none": (CHUNKED + b"zz\r\n", 400, "Invalid chunk size"),
    "a trailer without end": (CHUNKED + b"0\r\n" + b"a: b\r\n" * 8000, 400, "trailer is too long"),
    "chunks without end": (CHUNKED + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 33, 413, "more than 2 MiB"),
    "a body beyond the limit": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), 413, "more than 2 MiB",
    ),
    "a length of 5,000 digits": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400, "digits",
    ),
    "headers without end": (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 6000, 431, "more than 32 KiB"),
    "no request": (b"\x16\x03\x01\r\n\r\n", 400, "malformed request"),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "status", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_too_much_is_refused_at_once_and_as_json(
    sent: bytes, status: int, sentence: str, endless: None, opened: Callable[..., socket.socket]
) -> None:
    client = opened()
    with contextlib.suppress(ConnectionError):  # it may hang up before all of it was sent
        client.sendall(sent)
    got, told = answer(client)
    assert got == status
    assert set(told) == {"error"}
    assert sentence in told["error"]


def test_as_much_as_may_be_is_taken(opened: Callable[..., socket.socket]) -> None:
    client = opened(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % MAX_BODY_BYTES)
    client.sendall(bytes(MAX_BODY_BYTES))
    assert answer(client) == (200, b"%d" % MAX_BODY_BYTES)
    client.sendall(CHUNKED + b"5;name=value\r\n12345\r\n10000\r\n" + bytes(65536) + b"\r\n0\r\nx: y\r\n\r\n")
    assert answer(client) == (200, b"65541")
