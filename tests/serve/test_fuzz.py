"""Mutated pictures and bodies are refused, never fatal: the server still answers afterwards."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from support.serve import picture, predicted, request, running, served_models

from edge_cifar.documents.bundle import Bundle
from edge_cifar.serve.worker_pool import WorkerPool

pytest.importorskip("flask", reason="serving needs Flask")
pytest.importorskip("waitress", reason="serving needs waitress")

KINDS = ("png", "jpeg", "webp", "gif", "bmp", "tiff", "avif")
CONTENT_TYPES = (
    *(f"image/{kind}" for kind in KINDS),
    *("application/octet-stream", "text/plain", "image/*; charset=\xff", "multipart/form-data", "", ";;;", "a" * 500),
)


@pytest.fixture(scope="module")
def address(tiny_bundle: Bundle) -> Iterator[str]:
    pool = WorkerPool(served_models(tiny_bundle, "tflite-int8"), workers=2, places=32)
    with running(pool) as server:
        yield server.url
    pool.close()


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The bytes with a few changes of one kind: flipped, cut, repeated, moved, made large."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 2, 8, 64))):
        place = chance.randrange(len(changed)) if changed else 0
        length = chance.randrange(1, 64)
        match chance.randrange(7):
            case 0 | 1 if changed:
                changed[place] ^= 1 << chance.randrange(8)
            case 2:
                changed[place : place + length] = chance.randbytes(length)
            case 3:
                del changed[place : place + length]
            case 4:
                changed[place:place] = changed[place : place + length] * chance.randrange(1, 4)
            case 5:
                # Lengths and sizes stand in such fields: the largest there are.
                changed[place : place + 4] = chance.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0"))
            case 6:
                del changed[place + length * 16 :]
    return bytes(changed)


def form(content: bytes, chance: random.Random) -> tuple[bytes, str]:
    """A multipart body with the bytes, itself mutated half of the time."""
    head = b'--frontier\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    body = head + content + b"\r\n--frontier--\r\n"
    boundary = chance.choice(("frontier", "frontier", '"frontier"', "fron", ""))
    return mutated(body, chance) if chance.random() < 0.5 else body, f"multipart/form-data; boundary={boundary}"


def bombard(address: str, count: int) -> Counter[int]:
    """Send mutated requests; how often each status came."""
    chance = random.Random(count)
    originals = [picture(kind=kind) for kind in KINDS] + [b"", b"{}", chance.randbytes(2000)]
    statuses: Counter[int] = Counter()
    for number in range(count):
        content = mutated(chance.choice(originals), chance)
        kind = chance.choice(CONTENT_TYPES)
        if chance.random() < 0.3:
            content, kind = form(content, chance)
        query = chance.choice(("", "", "", "?top=-1", "?top=1e9", "?threshold=inf", "?model=%00", "?top=%ff&top=2"))
        status, _, answer = request(f"{address}/predict{query}", content, kind)
        assert status == 200 or 400 <= status < 500, (number, status, kind, query, answer)
        statuses[status] += 1
    return statuses


def test_mutated_requests_are_refused_and_the_server_still_answers(address: str) -> None:
    statuses = bombard(address, 200)
    # The mutations reach everything: what is still a picture, and each way of being none.
    assert {200, 400, 415, 422} <= set(statuses)
    assert predicted(address, picture())["results"]


@pytest.mark.slow
def test_two_thousand_mutated_requests(address: str) -> None:
    statuses = bombard(address, 2000)
    assert {200, 400, 415, 422} <= set(statuses)
    assert predicted(address, picture())["results"]
