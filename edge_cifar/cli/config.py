"""Values for options from a TOML file, and from environment variables.

What was typed comes first, then the environment, then the file, then an option's own default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from edge_cifar.errors import EdgeCifarError, unknown

PREFIX = "EDGE_CIFAR"
_PROJECT = "pyproject.toml"
_TABLE = "edge-cifar"
# They run a file's code, connect to a machine, or answer a question: nobody's project may do so for its reader.
_TYPED_ONLY = ("custom", "install", "on", "trust", "yes")

# Finds a command by its name; raises UsageError for an unknown one.
Commands = Callable[[str], click.Command]


def from_file(path: Path, commands: Commands) -> dict[str, Any]:
    """Defaults from a file with a table for each command, as ``click`` takes them.

    Args:
        path: the file: a ``pyproject.toml``, where they stand below ``[tool.edge-cifar]``, or one of ours.
        commands: finds commands.

    Raises:
        EdgeCifarError: it cannot be read, or names a command or an option that there is not.
    """
    document = _read(path)
    if path.name == _PROJECT:
        document = document.get("tool", {}).get(_TABLE, {})
    try:
        return {name: _defaults(commands(name), table, name) for name, table in document.items()}
    except EdgeCifarError as error:
        raise EdgeCifarError(f"{path}: {error}") from error


def of_project() -> Path | None:
    """The ``pyproject.toml`` of this folder, or of the nearest above it, if it has a table for this tool."""
    here = Path.cwd()
    nearest = next((path for folder in (here, *here.parents) if (path := folder / _PROJECT).is_file()), None)
    if nearest is None:
        return None
    try:
        # Other tools' mistakes in it are none of ours.
        return nearest if f"tool.{_TABLE}" in nearest.read_text(encoding="utf-8") else None
    except (OSError, UnicodeError):
        return None


def section(defaults: Mapping[str, Any], context: click.Context) -> dict[str, Any]:
    """The part of the defaults that is about a context's command."""
    found: Any = defaults
    for word in context.command_path.split()[1:]:
        found = found.get(word, {})
    return dict(found)


def name_variables(command: click.Command, words: tuple[str, ...]) -> None:
    """Let each option take its value from an environment variable, such as ``EDGE_CIFAR_TRAIN_BATCH_SIZE``.

    Args:
        command: whose options they are.
        words: how it is called.
    """
    for name, option in options(command).items():
        option.envvar = "_".join((PREFIX, *words, name)).replace("-", "_").upper()


def options(command: click.Command) -> dict[str, click.Option]:
    """What may be set for a command: its own options by their long names; of several for one value, the first."""
    found: dict[str, click.Option] = {}
    seen: set[str | None] = set()
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.expose_value and parameter.name not in seen:
            seen.add(parameter.name)
            if parameter.name in _TYPED_ONLY:
                continue
            found[max(parameter.opts, key=len).lstrip("-")] = parameter
    return found


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EdgeCifarError(f"cannot read {path}: {error.strerror or error}") from error
    except (UnicodeError, tomllib.TOMLDecodeError) as error:
        raise EdgeCifarError(f"{path} is not valid TOML: {error}") from error


def _defaults(command: click.Command, table: Any, name: str) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise EdgeCifarError(f"{name} must be a table of options, such as [train]; got {table!r}")
    below = command.commands if isinstance(command, click.Group) else {}
    known = options(command)
    defaults: dict[str, Any] = {}
    for key, value in table.items():
        if key in below:
            defaults[key] = _defaults(below[key], value, f"{name}.{key}")
        elif key in known:
            defaults[known[key].name or key] = _value(known[key], value, f"{name}.{key}")
        elif key in _TYPED_ONLY:
            raise EdgeCifarError(f"{name}.{key} cannot be set in a file; it has to be typed")
        else:
            raise unknown(f"option of {name}", key, [*known, *below])
    return defaults


def _value(option: click.Option, value: Any, name: str) -> Any:
    """A value as it would be typed."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise EdgeCifarError(f"{name} must be true or false; got {value!r}")
        return value
    if isinstance(value, dict):
        raise EdgeCifarError(f"{name} must be a value, not a table")
    if isinstance(value, list):
        texts = [str(one) for one in value]
        return texts if option.multiple else ",".join(texts)
    return [str(value)] if option.multiple else str(value)
