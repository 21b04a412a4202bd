"""A page from elsewhere cannot use the server through its visitor's browser."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from edge_cifar.cli.main import main
from edge_cifar.errors import UsageError
from edge_cifar.serve.hosts import ForeignHostError, ForeignOriginError, Hosts

LOCAL = ["localhost", "LOCALHOST:8000", "localhost.", "127.0.0.1", "127.0.0.1:8000", "127.8.9.1", "[::1]", "[::1]:8000"]
FOREIGN = [
    *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.io", "evil.example:localhost"),
    *(
        "localhost:80@evil.example",
        "8.8.8.8",
        "[2001:db8::1]",
        "0.0.0.0",
        "[::1]evil",
        "localhost, evil.example",
        "",
        "[",
    ),
]
OWN = sorted(
    {one.address for network in psutil.net_if_addrs().values() for one in network if one.family == socket.AF_INET}
)


def accepted(hosts: Hosts, host: str, origin: str | None) -> bool:
    """Whether a request with these headers is answered."""
    try:
        hosts.demand(host, origin)
    except (ForeignHostError, ForeignOriginError):
        return False
    return True


@pytest.mark.parametrize("listening", ["127.0.0.1", "localhost", "::1", "0.0.0.0", "::", "pi.example"])
@pytest.mark.parametrize("host", LOCAL)
def test_local_names_are_its_own(host: str, listening: str) -> None:
    assert accepted(Hosts(listening), host, None)
    assert accepted(Hosts(listening), host, f"http://{host}")


@pytest.mark.parametrize("listening", ["127.0.0.1", "localhost", "0.0.0.0", "::", "pi.example"])
@pytest.mark.parametrize("host", FOREIGN)
def test_other_names_are_not(host: str, listening: str) -> None:
    with pytest.raises(ForeignHostError) as refused:
        Hosts(listening).demand(host, None)
    assert len(str(refused.value)) < 200
    with pytest.raises(ForeignHostError):
        Hosts(listening).demand(None, None)


@pytest.mark.parametrize("host", [*OWN, socket.gethostname(), f"{socket.gethostname().partition('.')[0]}.local:8000"])
def test_the_machines_own_count_where_the_network_reaches_it(host: str) -> None:
    assert accepted(Hosts("0.0.0.0"), host, None)
    loopback = host.startswith("127.") or host == "localhost"
    assert accepted(Hosts("127.0.0.1"), host, None) == loopback


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "https://localhost:8000.evil.example",
        "http://localhost:3000",
        "file://",
        "http://[",
    ],
)
def test_pages_of_others_are_refused(origin: str) -> None:
    hosts = Hosts("127.0.0.1")
    assert accepted(hosts, "localhost:8000", "http://localhost:8000")
    with pytest.raises(ForeignOriginError):
        hosts.demand("localhost:8000", origin)


def test_an_allowed_name_may_be_called_and_may_ask() -> None:
    hosts = Hosts("127.0.0.1", ["Pi.Example", "192.0.2.7", "2001:db8::7"])
    for host in ("pi.example", "PI.example:443", "192.0.2.7:8000", "[2001:db8::7]:8000"):
        assert accepted(hosts, host, None)
    # As through a proxy that names itself only in Origin.
    assert accepted(hosts, "127.0.0.1:8000", "https://pi.example")
    with pytest.raises(ForeignHostError, match=r"--allow-host evil\.example"):
        hosts.demand("evil.example", None)


@pytest.mark.parametrize("name", ["http://pi.example", "pi.example:8000", "*", "", "a b", "-pi", "pi..example"])
def test_what_is_no_name_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="--allow-host takes"):
        Hosts("127.0.0.1", [name])
    assert main(["serve", "nowhere.tflite", f"--allow-host={name}"]) == 2
    assert "--allow-host takes" in capsys.readouterr().err


@pytest.fixture
def client() -> Any:
    """Flask's client of an application without any artifact."""
    pytest.importorskip("flask", reason="serving needs Flask")
    from edge_cifar.serve import app

    pool: Any = SimpleNamespace(models=(), classifiers=(), workers=1, places=1, waiting=lambda: 0)
    return app.create(pool, model="model", hosts=Hosts("127.0.0.1")).test_client()


@pytest.mark.parametrize("address", ["/", "/models", "/healthz", "/openapi.json", "/predict", "/nowhere"])
def test_no_address_answers_a_foreign_page(address: str, client: Any) -> None:
    foreign = client.get(address, headers={"Host": "evil.example"})
    assert (foreign.status_code, foreign.mimetype) == (421, "application/json")
    assert "evil.example" in foreign.json["error"]
    for method in (client.get, client.post, client.options):
        page = method(address, headers={"Host": "localhost", "Origin": "http://evil.example"})
        assert (page.status_code, page.mimetype) == (403, "application/json")
        assert set(page.json) == {"error"}
    own = client.get(address, headers={"Host": "localhost:8000", "Origin": "http://localhost:8000"})
    assert own.status_code in (200, 404, 405)
