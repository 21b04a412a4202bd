"""One file from the network: with progress, and resumed where it was cut off."""

from __future__ import annotations

import http.client
import io
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import BinaryIO

from edge_cifar.errors import DataError
from edge_cifar.progress import Advance, Progress

# Enough for a slow server, short enough for a person who waits to hear that there is no network.
_TIMEOUT_SECONDS = 15.0
# A connection that was cut off is taken up again after these pauses; each gain starts the series anew.
_PAUSES_SECONDS: tuple[float, ...] = (1.0, 3.0, 10.0)
_CHUNK_BYTES = 1 << 16

_NETWORK_ERRORS = (OSError, http.client.HTTPException)


class _DiskError(Exception):
    """The file being written could not take more."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def download(url: str, partial: BinaryIO, *, size_bytes: int, progress: Progress) -> None:
    """Fetch the rest of a file.

    Args:
        url: its address.
        partial: what is there of it, open for reading and appending; taken as its beginning. The
            caller checks the whole against a checksum.
        size_bytes: size of the whole.
        progress: told of the bytes that came.

    Raises:
        DataError: the address cannot be reached, or stopped answering; what came is kept.
        OSError: ``partial`` cannot be written.
    """
    pauses: Iterator[float] = iter(())
    furthest = _size(partial)
    with progress.bar(f"Downloading {url.rpartition('/')[2]}", size_bytes) as advance:
        advance(furthest)
        while _size(partial) < size_bytes:
            problem = _attempt(url, partial, size_bytes, advance)
            have = _size(partial)
            if have > furthest:
                furthest, pauses = have, iter(_PAUSES_SECONDS)
            if have < size_bytes:
                pause = next(pauses, None)
                if pause is None:
                    raise DataError(f"{url} cannot be downloaded ({problem})")
                time.sleep(pause)


def _attempt(url: str, partial: BinaryIO, size_bytes: int, advance: Advance) -> str:
    """Take what one connection gives; returns why it ended, should that have been too early."""
    try:
        _receive(url, partial, size_bytes, advance)
    except _DiskError as error:
        raise error.cause from error
    except _NETWORK_ERRORS as error:
        return _reason(error)
    return "the connection was interrupted"


def _receive(url: str, partial: BinaryIO, size_bytes: int, advance: Advance) -> None:
    """Append what one connection gives, from where ``partial`` ends."""
    have = _size(partial)
    response, start = _open(url, have)
    with response:
        if start != have:
            partial.truncate(0)
            advance(-have)
            have = 0
        # A server that sends more than there can be is not the right one; the checksum will tell.
        while have < size_bytes and (chunk := response.read(min(_CHUNK_BYTES, size_bytes - have))):
            try:
                partial.write(chunk)
                partial.flush()
            except OSError as error:
                raise _DiskError(error) from error
            have += len(chunk)
            advance(len(chunk))


def _open(url: str, first_byte: int) -> tuple[http.client.HTTPResponse, int]:
    """Ask for a file from a byte on.

    Returns:
        The open response, and the byte it begins with: the one asked for, or 0 where the server knows
        no ranges, gave another one, or has no such byte.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "edge-cifar", "Accept-Encoding": "identity"})
    if first_byte:
        request.add_header("Range", f"bytes={first_byte}-")
    try:
        # An opener of our own: the shared one remembers the proxies of the first download in the process.
        response: http.client.HTTPResponse = urllib.request.build_opener().open(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if first_byte and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _open(url, 0)
        raise
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return response, 0
    if first_byte and response.headers.get("Content-Range", "").startswith(f"bytes {first_byte}-"):
        return response, first_byte
    response.close()
    if not first_byte:
        raise http.client.HTTPException("the server sent part of the file instead of all of it")
    return _open(url, 0)


def _size(stream: BinaryIO) -> int:
    return stream.seek(0, io.SEEK_END)


def _reason(error: BaseException) -> str:
    """Why the network failed, in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP status {error.code}"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        return _reason(error.reason)
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
