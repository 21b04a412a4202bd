"""``edge-cifar serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edge_cifar.cli.completers import run_paths
from edge_cifar.cli.options import model_options
from edge_cifar.cli.output import Terminal


@click.command("serve")
@click.argument(
    "target", required=False, type=click.Path(path_type=Path), metavar="[RUN|BUNDLE|MODEL]", shell_complete=run_paths
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all interfaces."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 picks a free port.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Images classified in parallel.  [default: number of cores, at most 4]",
)
@click.option(
    "--allow-host",
    "allow_hosts",
    metavar="NAME",
    multiple=True,
    help="Additional host name to accept, such as a proxy's; repeatable.",
)
@model_options()
def command(
    target: Path | None, host: str, port: int, workers: int | None, allow_hosts: tuple[str, ...], **told: Any
) -> None:
    """Serve a web page and a JSON endpoint.

    Drop, paste or take a picture, and every artifact of the bundle shows its labels, probabilities and
    latency. TARGET is a run, a bundle or a model file; the default is the newest run under ./runs. The
    server is reachable from this machine only, unless --host says otherwise. Requests for other host
    names, and from pages of other sites, are refused unless --allow-host lists the name. The API is
    described at /openapi.json.

    \b
    Examples:
      edge-cifar serve
      edge-cifar serve export/ --host 0.0.0.0 --port 8080
      curl --data-binary @cat.jpg http://127.0.0.1:8000/predict
    """
    from edge_cifar.steps.serve import serve

    serve(target, host=host, port=port, workers=workers, allow_hosts=allow_hosts, progress=Terminal(), **told)
