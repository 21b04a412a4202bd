"""``serve``: a web page and a JSON endpoint."""

from __future__ import annotations

import contextlib
import ipaddress
import signal
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Unpack

from edge_cifar import machine
from edge_cifar.errors import UsageError
from edge_cifar.model_options import ModelOptions, ToldOfOutput
from edge_cifar.progress import SILENT, Progress
from edge_cifar.serve import app
from edge_cifar.serve.hosts import Hosts
from edge_cifar.serve.server import Server
from edge_cifar.serve.worker_pool import ServedModel, WorkerPool
from edge_cifar.steps import _saturation
from edge_cifar.steps.choice import Choice, choose_all
from edge_cifar.steps.targets import Target, resolve_all
from edge_cifar.visible import visible

HOST = "127.0.0.1"
PORT = 8000

_MOST_PORTS = 65535
# More threads would compete for memory bandwidth, and each loads every artifact.
_MOST_WORKERS = 4
_PLACES_A_WORKER = 16


def serve(
    target: Target | None = None,
    *,
    host: str = HOST,
    port: int = PORT,
    workers: int | None = None,
    allow_hosts: Sequence[str] = (),
    progress: Progress = SILENT,
    **told: Unpack[ToldOfOutput],
) -> None:
    """Serve until SIGINT or SIGTERM; pending requests are answered first.

    Args:
        target: a run, a bundle or a model file. Default: the newest run under ``./runs``. All artifacts of a bundle
            that have a device runtime on this machine are served.
        host: address to listen on; by default only this machine can reach it.
        port: 0 picks a free port.
        workers: number of images classified in parallel, each with its own interpreters. Default: the number of
            cores, at most 4.
        allow_hosts: additional host names to accept in requests; pages of these hosts may use the server, too.
        progress: receives the address, which artifacts are not served, and what is assumed about a model file made
            elsewhere.
        **told: what such a file takes and answers, as :class:`edge_cifar.model_options.Told` lists it.

    Raises:
        UsageError: ``port`` or ``workers`` is out of range, or one of ``allow_hosts`` is not a host name.
        RunError, BundleError, RuntimeUnavailable: as :func:`edge_cifar.steps.predict.predict`.
        MissingPackage: the ``serve`` extra is not installed.
        EdgeCifarError: the server cannot listen on the address.
        KeyboardInterrupt: the server was stopped by SIGINT, or by SIGTERM in the command.
    """
    if not 0 <= port <= _MOST_PORTS:
        raise UsageError(f"the port must be between 0 and {_MOST_PORTS}; got {port}")
    if workers is not None and workers < 1:
        raise UsageError(f"workers must be at least 1; got {workers}")
    hosts = Hosts(host, allow_hosts)
    workers = workers or min(machine.usable_cores(), _MOST_WORKERS)
    (found,) = resolve_all([target], ModelOptions.of(told, serve))
    selection = choose_all(found)
    models = [_served(choice) for choice in selection.choices]
    pool = WorkerPool(models, workers=workers, places=_PLACES_A_WORKER * workers)
    try:
        server = Server(
            app.create(pool, model=selection.model, hosts=hosts, left_out=selection.left_out),
            host=host,
            port=port,
            busy_threads=workers + pool.places,
            max_body_bytes=app.MAX_BODY_BYTES,
        )
        for name, reason in selection.left_out:
            progress.say(f"{name} is not served: {reason}")
        for _, classifier in pool.classifiers:
            for note in classifier.notes:
                progress.say(note)
        for served in models:
            if doubt := _saturation.doubt(served.path):
                progress.say(f"{served.name} {doubt}")
        progress.say(f"serving {', '.join(served.name for served in models)} at {server.url}")
        if not _is_loopback(server.address):
            progress.say("no password is required: anyone who can reach this machine can use the server")
        progress.say("press Ctrl-C to stop")
        with _stopped_by_signals(server):
            server.run()
    finally:
        pool.close()


def _served(choice: Choice) -> ServedModel:
    # A file name that is not valid text could not be sent.
    name = choice.variant or visible(choice.path.name)
    return ServedModel(
        name=name,
        path=choice.path,
        labels=choice.labels,
        variant=choice.variant,
        foreign=choice.foreign,
        options=choice.options,
    )


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


@contextlib.contextmanager
def _stopped_by_signals(server: Server) -> Iterator[None]:
    """The first SIGINT or SIGTERM stops the server; a second one has its default effect."""
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for each, handler in before.items():
            signal.signal(each, handler)
        server.stop()

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for ended_by in received:
        handler = before[signal.Signals(ended_by)]
        if callable(handler):
            handler(ended_by, None)
