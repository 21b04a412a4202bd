"""``edge-cifar bench --on``: which options travel, and what is printed of the answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from click.core import ParameterSource

from edge_cifar.cli.bench_table import emit, refuse_failed
from edge_cifar.cli.layout import Layout
from edge_cifar.cli.output import Terminal, next_step
from edge_cifar.errors import UsageError

_UNASKED = (ParameterSource.DEFAULT, None)
# About files of this machine.
_STAY = ("data", "data_dir", "baseline", "max_regression")
_OURS = (
    *("targets", "on", "install", "output", "keep_going"),
    *("as_json", "as_csv", "as_markdown", "wide", "columns"),
)


def bench_on(
    context: click.Context, host: str, targets: tuple[Path, ...], *, install: bool, keep_going: bool, layout: Layout
) -> None:
    """Have the target measured by another machine, as the options of this command line say."""
    from edge_cifar.steps.remote import bench_on

    if len(targets) > 1:
        raise UsageError(f"--on takes a single run or bundle; got {len(targets)}")
    (target,) = targets or (None,)
    output, as_json = context.params["output"], context.params["as_json"]
    report = bench_on(
        host, target, options=list(_options(context)), install=install, output=output, progress=Terminal()
    )
    emit(report, as_json, context.params["relative_to"], layout)
    if not keep_going:
        refuse_failed(report.results)
    if not as_json:
        sources = [str(output)] if output else [str(target)] if target else []
        next_step("report", *sources, err=True)


def _options(context: click.Context) -> Iterator[str]:
    """What was asked for, here or in a file of settings, for the other machine's command line."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in _OURS or not parameter.expose_value or context.get_parameter_source(name) in _UNASKED:
            continue
        if name in _STAY:
            raise UsageError(f"{parameter.opts[-1]} refers to files on this machine and cannot be combined with --on")
        value = context.params[name]
        if value is True:
            yield parameter.opts[-1]
        else:
            # Joined, so that a value such as -1,1 is taken for no option.
            yield f"{parameter.opts[-1]}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
