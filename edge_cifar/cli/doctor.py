"""``edge-cifar doctor``."""

from __future__ import annotations

import click

from edge_cifar.cli._output import emit_json, status

_TITLES = {"train": "Train", "convert": "Convert to", "run": "Run", "measure": "Measure and show"}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(as_json: bool) -> None:
    """Tell what this machine can train on, convert to, run and measure.

    Says for whatever is missing which command adds it.

    \b
    Example:
      edge-cifar doctor
    """
    from edge_cifar.steps.doctor import AREAS, doctor

    diagnosis = doctor()
    if as_json:
        emit_json(diagnosis.document())
        return
    facts = diagnosis.machine
    parts = [
        f"edge-cifar {diagnosis.version}",
        f"Python {facts['python']}",
        f"{facts['os']} {facts['architecture']}",
        facts.get("cpu_model"),
        f"{facts['usable_cores']} cores",
        f"{facts['memory_bytes'] / 2**30:.0f} GiB",
    ]
    click.echo(", ".join(part for part in parts if part))
    for area in AREAS:
        click.echo(f"\n{_TITLES[area]}")
        findings = diagnosis.of(area)
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            mark = status("yes", True) if finding.ready else status("no ", None)
            click.echo(f"  {mark}  {finding.name:{width}}  {finding.detail}".rstrip())
    if diagnosis.remedies:
        click.echo("\nTo add what is missing:")
        for remedy in diagnosis.remedies:
            click.echo(f"  {remedy}")
