"""What the server tells about itself, and the document that programs read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from support.serve import SERVED, ask, asking, picture

from edge_cifar.documents.bundle import Bundle

pytest.importorskip("flask", reason="serving needs Flask")


@pytest.fixture(scope="module")
def client(tiny_bundle: Bundle) -> Iterator[Any]:
    with asking(tiny_bundle) as client:
        yield client


def test_models_are_listed_with_those_left_out(client: Any, tiny_bundle: Bundle) -> None:
    told = client.get("/models").json
    assert told["model"] == "resnet8"
    assert {entry["name"] for entry in told["models"]} == set(SERVED)
    assert all(entry["labels"] == list(tiny_bundle.artifacts[0].labels) for entry in told["models"])
    assert told["left_out"] == [{"name": "coreml-w8", "reason": "not on this machine"}]


def test_health(client: Any) -> None:
    assert client.get("/healthz").json == {"status": "ok", "workers": 1, "waiting": 0, "places": 4}


def test_document_tells_of_every_address(client: Any) -> None:
    document = client.get("/openapi.json").json
    served = {str(rule) for rule in client.application.url_map.iter_rules()}
    assert set(document["paths"]) | {"/", "/page.css", "/page.js"} == served


def test_answers_are_as_the_document_says(client: Any) -> None:
    document = client.get("/openapi.json").json
    for address in ("/models", "/healthz"):
        conforms(client.get(address).json, _schema(document, document["paths"][address]["get"], "200"), document)
    post = document["paths"]["/predict"]["post"]
    conforms(ask(client, picture()).json, _schema(document, post, "200"), document)
    for code, answer in {"400": ask(client, b""), "415": ask(client, b"x"), "422": ask(client, picture()[:90])}.items():
        assert str(answer.status_code) == code
        conforms(answer.json, _schema(document, post, code), document)


def _schema(document: Any, operation: Any, code: str) -> Any:
    return operation["responses"][code]["content"]["application/json"]["schema"]


def conforms(value: Any, schema: Any, document: Any) -> None:
    """As much of JSON Schema as the document uses."""
    if "$ref" in schema:
        target = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        conforms(value, target, document)
        return
    known = {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "minimum",
        "maximum",
        "description",
    }
    assert set(schema) <= known
    assert value in schema.get("enum", [value])
    assert value == schema.get("const", value)
    types = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    names = schema.get("type", [])
    if names:
        assert any(isinstance(value, types[name]) for name in ([names] if isinstance(names, str) else names)), (
            value,
            names,
        )  # type: ignore[arg-type]
    if isinstance(value, dict):
        assert set(schema["required"]) <= set(value) <= set(schema["properties"])
        for name, held in value.items():
            conforms(held, schema["properties"][name], document)
    if isinstance(value, list):
        for one in value:
            conforms(one, schema["items"], document)
    if "minimum" in schema:
        assert schema["minimum"] <= value <= schema.get("maximum", math.inf)
