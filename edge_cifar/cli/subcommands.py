"""A command that has commands of its own."""

from __future__ import annotations

import click

from edge_cifar.errors import unknown


class Subcommands(click.Group):
    """A group that suggests the nearest command for a misspelt one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in self.commands:
            raise unknown("command", f"{self.name} {args[0]}", (f"{self.name} {name}" for name in self.commands))
        return super().resolve_command(ctx, args)
