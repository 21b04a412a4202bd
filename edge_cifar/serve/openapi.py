"""What the endpoint takes and gives, as an OpenAPI 3.1 document."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Any


def document(names: Sequence[str], *, max_body_bytes: int) -> dict[str, Any]:
    """The document, for the artifacts that this server answers with.

    Args:
        names: of the artifacts.
        max_body_bytes: largest body of a request.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edge-cifar",
            "version": importlib.metadata.version("edge-cifar"),
            "description": "Labels and probabilities for an image, from every artifact that this server holds.",
        },
        "paths": {
            "/predict": {"post": _predict(names, max_body_bytes)},
            "/models": {"get": _get("The artifacts served, and those that are not, with the reason", _MODELS)},
            "/healthz": {"get": _get("Whether the server is up, and how busy it is", _HEALTH)},
            "/openapi.json": {"get": _get("This document", {"type": "object"})},
        },
        "components": {"schemas": {"Prediction": _prediction(names), "Error": _ERROR}},
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _list_of(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _optionally(required: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """An object that may have further properties."""
    return {**required, "properties": {**required["properties"], **properties}}


_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_INPUT = {
    "layout": {"enum": ["nhwc", "nchw"]},
    "low": {"type": "number", "description": "Input value for pixel 0."},
    "high": {"type": "number", "description": "Input value for pixel 255."},
    "ground": {
        "enum": ["told", "stated", "quantized", "assumed"],
        "description": "Where the range comes from: the user, the file, its quantization, or an assumption.",
    },
}
_CHANNELS = {
    "channels": {"enum": ["bgr", "gray"], "description": "Channels of the input; red, green and blue if left out."},
    "mean": {"type": "array", "items": {"type": "number"}, "description": "Of each channel, where they differ."},
    "std": {"type": "array", "items": {"type": "number"}, "description": "Likewise."},
}
_PICTURE = {"type": "string", "format": "binary"}
_ERROR = _object(error=_TEXT)
_MODELS = _object(
    model=_TEXT,
    version=_TEXT,
    models=_list_of(
        _object(
            name=_TEXT,
            variant=_TEXT_OR_NULL,
            runtime=_TEXT,
            input=_optionally(_object(height=_COUNT, width=_COUNT, **_INPUT), **_CHANNELS),
            labels=_list_of(_TEXT),
            size_bytes=_COUNT,
        )
    ),
    left_out=_list_of(_object(name=_TEXT, reason=_TEXT)),
)
_HEALTH = _object(status={"const": "ok"}, workers=_COUNT, waiting=_COUNT, places=_COUNT)


def _prediction(names: Sequence[str]) -> dict[str, Any]:
    return _object(
        name={"enum": list(names)},
        variant=_TEXT_OR_NULL,
        runtime=_TEXT,
        input=_optionally(_object(**_INPUT), **_CHANNELS),
        preparation={"type": "string", "description": "How the image was fitted to the input; empty if unchanged."},
        milliseconds={"type": "number", "minimum": 0, "description": "Latency of the inference only."},
        unsure={"type": "boolean", "description": "Whether the top probability is below the threshold."},
        predictions=_list_of(_object(label=_TEXT, probability=_PROBABILITY)),
        warnings={
            **_list_of(_TEXT),
            "description": "What is assumed about the file, and evidence against it.",
        },
    )


def _predict(names: Sequence[str], max_body_bytes: int) -> dict[str, Any]:
    answer = _object(width=_COUNT, height=_COUNT, results=_list_of({"$ref": "#/components/schemas/Prediction"}))
    refusals = {
        "400": "a parameter is invalid, or there is not exactly one image",
        "403": "the request comes from a page of another server",
        "408": "the request took too long to arrive",
        "413": f"the body has more than {max_body_bytes:,} bytes, or the image too many pixels",
        "415": "the body is not an image in a supported format",
        "421": "the Host header does not name this server",
        "422": "the image is damaged",
        "503": "the queue is full (retry after the seconds in Retry-After), or there are too many connections",
    }
    return {
        "summary": "Classify one image",
        "parameters": [
            _query("model", "Only this artifact; repeatable", {"enum": list(names)}),
            _query("top", "Number of classes to return", {"type": "integer", "minimum": 1, "default": 3}),
            _query(
                "threshold", "Probability below which a prediction is marked as unsure", {**_PROBABILITY, "default": 0}
            ),
        ],
        "requestBody": {
            "required": True,
            "description": "The image's bytes, or a form with the image as its only file.",
            "content": {
                "image/*": {"schema": _PICTURE},
                "application/octet-stream": {"schema": _PICTURE},
                "multipart/form-data": {"schema": _object(image=_PICTURE)},
            },
        },
        "responses": {
            "200": _json("The predictions", answer),
            **{code: _refusal(text) for code, text in refusals.items()},
        },
    }


def _get(summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": _json(summary, schema)}}


def _query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _refusal(description: str) -> dict[str, Any]:
    return _json(description, {"$ref": "#/components/schemas/Error"})
