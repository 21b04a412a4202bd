"""The folder is the registry: a package's modules, found by file name, imported only when chosen."""

from __future__ import annotations

import ast
import contextlib
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

from edge_cifar.errors import unknown


def names(package: ModuleType) -> tuple[str, ...]:
    """Names of a package's plugins, sorted, with dashes for underscores.

    A module that is private to the package, and a package in it, hold what the plugins share.
    """
    found = (module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg)
    return tuple(sorted(name.replace("_", "-") for name in found if not name.startswith("_")))


def load(package: ModuleType, name: str, kind: str) -> ModuleType:
    """Import one plugin.

    The listing is checked before the import, so that an ImportError raised inside a plugin
    surfaces as what it is and is not mistaken for an unknown name.

    Args:
        package: the package that holds the plugins.
        name: the plugin's name, with dashes.
        kind: what the plugin is, for the error message ("backbone", "format", ...).

    Raises:
        UsageError: no plugin has that name; the message suggests the nearest.
    """
    known = names(package)
    if name not in known:
        raise unknown(kind, name, known)
    return importlib.import_module(f"{package.__name__}.{name.replace('-', '_')}")


def constants(package: ModuleType, name: str) -> dict[str, Any]:
    """The constants that a plugin's source spells out, by name: what is said of it where importing it would take long.

    Args:
        package: the package that holds the plugins.
        name: the name of one of them, with dashes.
    """
    (folder,) = package.__path__
    source = Path(folder, f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
    found: dict[str, Any] = {}
    for statement in ast.parse(source).body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        if isinstance(target, ast.Name) and isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
            with contextlib.suppress(ValueError):  # computed when it is imported
                found[target.id] = ast.literal_eval(statement.value)
    return found
