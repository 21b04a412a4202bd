"""One file from the network: with progress, and resumed where it was cut off."""

from __future__ import annotations

import http.client
import io
import os
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

_NetworkError = (OSError, http.client.HTTPException)


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
        while True:
            try:
                _receive(url, partial, size_bytes, advance)
                problem = "the connection was cut off"
            except _DiskError as disk:
                raise disk.cause from disk
            except _NetworkError as error:
                problem = _reason(error)
            have = _size(partial)
            if have >= size_bytes:
                return
            if have > furthest:
                furthest, pauses = have, iter(_PAUSES_SECONDS)
            pause = next(pauses, None)
            if pause is None:
                raise DataError(f"{url} cannot be fetched ({problem})")
            time.sleep(pause)


def _receive(url: str, partial: BinaryIO, size_bytes: int, advance: Advance) -> None:
    """Append what one connection gives, from where ``partial`` ends."""
    have = _size(partial)
    request = urllib.request.Request(url, headers={"User-Agent": "edge-cifar", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        if have and not (resumed and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")):
            # The server knows no ranges, or gave another one: begin again.
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


def _size(stream: BinaryIO) -> int:
    return stream.seek(0, io.SEEK_END)


def _reason(error: BaseException) -> str:
    """Why the network failed, in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP status {error.code}"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        return _reason(error.reason)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
