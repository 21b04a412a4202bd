"""The addresses of the server and what each answers."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO

from edge_cifar import model_files, packages
from edge_cifar.errors import DataError, EdgeCifarError, NoPicture, PictureTooLarge, UsageError
from edge_cifar.serve import openapi
from edge_cifar.serve.hosts import ForeignHostError, ForeignOriginError, Hosts
from edge_cifar.serve.worker_pool import BusyError, Question, WorkerPool

MAX_BODY_BYTES = 32 << 20
RETRY_AFTER_SECONDS = 1

_DEFAULT_TOP = 3
_PAGE = {"/": "page.html", "/page.css": "page.css", "/page.js": "page.js"}
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
# What clients say of bytes when their user said nothing; the last is curl's word.
_UNTOLD = ("", "application/octet-stream", "application/x-www-form-urlencoded")
# The page loads nothing but what this server sends, and may not be framed; a picture is shown from memory.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; media-src blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
# Subclasses before their parents.
_STATUS: tuple[tuple[type[EdgeCifarError], int], ...] = (
    (BusyError, 503),
    (ForeignOriginError, 403),
    (ForeignHostError, 421),
    (UsageError, 400),
    (NoPicture, 415),
    (PictureTooLarge, 413),
    (DataError, 422),
)


def create(pool: WorkerPool, *, model: str, hosts: Hosts, left_out: Sequence[tuple[str, str]] = ()) -> Any:
    """The application.

    Args:
        pool: what answers.
        model: what the page calls the network.
        hosts: the names that requests may call it by.
        left_out: names of artifacts that are not served, each with the reason.

    Returns:
        a Flask application.

    Raises:
        MissingPackage: Flask is not installed.
    """
    flask = packages.require("flask", "serve")
    exceptions = packages.require("werkzeug.exceptions", "serve")
    app = flask.Flask("edge_cifar.serve", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.ensure_ascii = False
    app.json.sort_keys = False
    models = _models(pool, model, left_out)
    names = [served.name for served in pool.models]

    def predict() -> Any:
        return pool.ask(_question(flask.request, names))

    def health() -> dict[str, Any]:
        return {"status": "ok", "workers": pool.workers, "waiting": pool.waiting(), "places": pool.places}

    def demand_known_host() -> None:
        hosts.demand(flask.request.headers.get("Host"), flask.request.headers.get("Origin"))

    app.before_request(demand_known_host)
    for address, asset in _PAGE.items():
        app.add_url_rule(address, asset, _answer_with(flask, asset))
    app.add_url_rule("/models", "models", lambda: models)
    app.add_url_rule("/healthz", "healthz", health)
    app.add_url_rule("/openapi.json", "openapi", lambda: openapi.document(names, max_body_bytes=MAX_BODY_BYTES))
    app.add_url_rule("/predict", "predict", predict, methods=["POST"])
    app.register_error_handler(exceptions.HTTPException, _refusal)
    app.register_error_handler(EdgeCifarError, _failure)
    app.after_request(_hardened)
    return app


def _answer_with(flask: Any, asset: str) -> Callable[[], Any]:
    content = resources.files("edge_cifar.serve").joinpath(asset).read_bytes()
    return lambda: flask.Response(content, mimetype=_KINDS[Path(asset).suffix])


def _refusal(error: Any) -> Any:
    """What Flask itself refuses, told as JSON like everything else."""
    # A refused method is answered with those that are allowed.
    allowed = getattr(error, "valid_methods", None)
    return {"error": error.description}, error.code, {"Allow": ", ".join(sorted(allowed))} if allowed else {}


def _failure(error: EdgeCifarError) -> Any:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if isinstance(error, BusyError) else {}
    return {"error": str(error)}, status, headers


def _hardened(response: Any) -> Any:
    response.headers.update(_HEADERS)
    return response


def _models(pool: WorkerPool, model: str, left_out: Sequence[tuple[str, str]]) -> dict[str, Any]:
    entries = []
    for served, classifier in pool.classifiers:
        height, width, _ = classifier.runtime.input_shape
        entries.append(
            {
                "name": served.name,
                "variant": served.variant,
                "runtime": classifier.runtime.name,
                "input": {"height": height, "width": width, **classifier.input},
                "labels": list(classifier.labels),
                "size_bytes": model_files.size_bytes(served.path),
            }
        )
    return {
        "model": model,
        "version": importlib.metadata.version("edge-cifar"),
        "models": entries,
        "left_out": [{"name": name, "reason": reason} for name, reason in left_out],
    }


def _question(request: Any, names: Sequence[str]) -> Question:
    """What a request asks.

    Raises:
        UsageError: a parameter is wrong, or there is not exactly one picture.
        NoPicture: the body says that it is something else.
    """
    models = request.args.getlist("model")
    for name in models:
        if name not in names:
            raise UsageError(f"no model {name!r} here; choose from {', '.join(names)}")
    top = _number(request.args, "top", _DEFAULT_TOP, int)
    threshold = _number(request.args, "threshold", 0.0, float)
    if top < 1:
        raise UsageError(f"top must be at least 1; got {top}")
    if not 0 <= threshold <= 1:
        raise UsageError(f"threshold must be between 0 and 1; got {threshold:g}")
    return Question(picture=_picture(request), models=models, top=top, threshold=threshold)


def _picture(request: Any) -> BinaryIO:
    kind = request.mimetype
    if kind == "multipart/form-data":
        parts = [part for _, part in request.files.items(multi=True)]
        if len(parts) != 1:
            raise UsageError(f"the form must contain one image file; it contains {len(parts)}")
        stream: BinaryIO = parts[0].stream
    elif kind in _UNTOLD or kind.startswith("image/"):
        stream = request.stream
    else:
        raise NoPicture(f"send the image's bytes or a form with the image as a file, not {kind}")
    return stream


def _number(arguments: Any, name: str, default: float, kind: type[int] | type[float]) -> Any:
    text = arguments.get(name)
    if text is None:
        return default
    try:
        return kind(text)
    except ValueError:
        raise UsageError(f"{name} is not a number: {text!r}") from None
