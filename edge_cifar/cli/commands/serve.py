"""``edge-cifar serve``."""

from __future__ import annotations

from pathlib import Path

import click

from edge_cifar.cli.output import Terminal


@click.command("serve")
@click.argument("target", required=False, type=click.Path(path_type=Path), metavar="[RUN|BUNDLE|MODEL]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 for all.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Pictures at a time.  [default: cores, at most 4]"
)
@click.option(
    "--allow-host",
    "allow_hosts",
    metavar="NAME",
    multiple=True,
    help="A name that it goes by too, such as a proxy's; may be given several times.",
)
def command(target: Path | None, host: str, port: int, workers: int | None, allow_hosts: tuple[str, ...]) -> None:
    """Serve a web page and a JSON endpoint.

    Drop, paste or take a picture, and every artifact of the bundle answers with labels, probabilities
    and its time. TARGET is a run, a bundle or a model file; left out, the newest run under ./runs.
    Only this machine can reach it unless --host says otherwise. Requests that call it by a name other
    than this machine's are refused, and so are those of other servers' pages, unless --allow-host
    admits them. What programs can ask stands at /openapi.json.

    \b
    Examples:
      edge-cifar serve
      edge-cifar serve export/ --host 0.0.0.0 --port 8080
      curl --data-binary @cat.jpg http://127.0.0.1:8000/predict
    """
    from edge_cifar.steps.serve import serve

    serve(target, host=host, port=port, workers=workers, allow_hosts=allow_hosts, progress=Terminal())
