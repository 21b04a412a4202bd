"""By which names a request may call this server.

A page from anywhere can have its visitor's browser send requests to a server that only the visitor reaches: straight
away, which shows in ``Origin``, or by giving its own name the address of that server (DNS rebinding), which shows in
``Host``. A browser lets no page forge either.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

import psutil

from edge_cifar.errors import EdgeCifarError, UsageError

_NAME = re.compile(r"(?!-)[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_LONGEST_NAME = 253
_PORT = re.compile(r":\d{1,5}")


class ForeignHostError(EdgeCifarError):
    """The request names a server that this is not."""


class ForeignOriginError(EdgeCifarError):
    """The request was made by another server's page."""


class Hosts:
    """The names and addresses of one server."""

    def __init__(self, listening: str, allowed: Iterable[str] = ()) -> None:
        """Collect them.

        Args:
            listening: the address or name that the server listens at. All addresses of this machine and its own
                name count unless that is a loopback address: those always do.
            allowed: further names, such as that of a proxy in front; pages of theirs may ask too.

        Raises:
            UsageError: one is no name of a host.
        """
        listening = listening.lower()
        address = _address(listening)
        self._allowed = frozenset(_allowed(name) for name in allowed)
        self._names = {"localhost", *self._allowed}
        if address is None or not address.is_unspecified:
            self._names.add(listening)
        self._in_network = listening != "localhost" and not (address is not None and address.is_loopback)
        if self._in_network:
            own = socket.gethostname().lower()
            self._names |= {own, own.partition(".")[0], f"{own.partition('.')[0]}.local"}

    def demand(self, host: str | None, origin: str | None) -> None:
        """Hold a request to them.

        Args:
            host: its ``Host`` header.
            origin: its ``Origin`` header, which browsers add.

        Raises:
            ForeignHostError: the host is another one, or none.
            ForeignOriginError: the page is another one's.
        """
        name = _host_name(host or "")
        if not self._is_own(name):
            raise ForeignHostError(
                (f"{host!r} is not a host name of this server; to accept it, start the server with --allow-host {name}")
                if _NAME.fullmatch(name) and len(name) <= _LONGEST_NAME
                else "the request's Host header does not name this server"
            )
        if origin is None:
            return
        page = origin.lower().partition("://")[2]
        if page != (host or "").lower() and _host_name(page) not in self._allowed:
            raise ForeignOriginError(
                f"pages of {origin!r} may not use this server; to allow them, start it with --allow-host"
            )

    def _is_own(self, name: str) -> bool:
        if name in self._names:
            return True
        address = _address(name)
        # Looked up each time: a machine may be given another address while this runs.
        return address is not None and (address.is_loopback or (self._in_network and address in _own_addresses()))


def _host_name(host: str) -> str:
    """A host without its port, in small letters; an address of version 6 without its brackets."""
    name, bracket, port = host.lower().partition("]")
    if bracket:
        return name.removeprefix("[") if not port or _PORT.fullmatch(port) else ""
    name, _, port = host.lower().partition(":")
    return name.removesuffix(".") if not port or port.isdecimal() else ""


def _allowed(name: str) -> str:
    lowered = name.lower().removesuffix(".")
    if not _NAME.fullmatch(lowered) and _address(lowered) is None:
        raise UsageError(f"--allow-host takes a host name or address without scheme and port; got {name!r}")
    return lowered


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _own_addresses() -> set[ipaddress.IPv4Address | ipaddress.IPv6Address | None]:
    return {
        _address(one.address.partition("%")[0])
        for network in psutil.net_if_addrs().values()
        for one in network
        if one.family in (socket.AF_INET, socket.AF_INET6)
    }
