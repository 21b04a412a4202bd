"""What the Tab key offers for arguments and options; each imports what it lists when it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def completing(names: Callable[[], Iterable[str]], *, folders: bool = False, several: bool = False) -> Completer:
    """Offers names.

    Args:
        names: lists them.
        folders: offer folders too.
        several: complete the last of several names with commas between them.
    """

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",") if several else ("", "", incomplete)
        found = [CompletionItem(f"{before}{comma}{name}") for name in names() if name.startswith(last)]
        # The shell takes the folders where no name fits.
        return [CompletionItem(incomplete, type="dir"), *found] if folders else found

    return complete


def data_sets() -> tuple[str, ...]:
    """Names of the data sets."""
    from edge_cifar.data import sets

    return sets.names()


def precisions() -> tuple[str, ...]:
    """Every precision that some format is exported in."""
    from edge_cifar import formats

    return (*dict.fromkeys(name for one in formats.exported() for name in formats.get(one).precisions), "all")


def calibration_methods() -> tuple[str, ...]:
    """Every way in which some format sets ranges."""
    from edge_cifar import formats

    return tuple(dict.fromkeys(name for one in formats.exported() for name in formats.get(one).calibration_methods))


def backends() -> tuple[str, ...]:
    """Names of what may run an artifact."""
    from edge_cifar.bench.subject import known_backends

    return ("default", "all", *known_backends())


def recipes(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offers the recipes of the backbone that was named."""
    from edge_cifar import backbones

    name = context.params.get("backbone") or context.params.get("name")
    known = backbones.get(name).recipes if name in backbones.names() else ("default", "report")
    return [CompletionItem(recipe) for recipe in known if recipe.startswith(incomplete)]


def run_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offers the names of runs below ``./runs``, and folders."""
    from edge_cifar.documents import run

    found = [one.name for one in run.below() if one.name.startswith(incomplete)]
    return [CompletionItem(incomplete, type="dir"), *map(CompletionItem, found)]


def run_paths(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offers the paths of runs below ``./runs``, and files."""
    from edge_cifar.documents import run

    found = [str(one.path) for one in run.below() if str(one.path).startswith(incomplete)]
    return [CompletionItem(incomplete, type="file"), *map(CompletionItem, found)]
