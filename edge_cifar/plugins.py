"""The folder is the registry: a package's modules, found by file name, imported only when chosen."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Generic, TypeVar

from edge_cifar.errors import unknown

Plugin = TypeVar("Plugin")


@dataclass(frozen=True)
class Registry(Generic[Plugin]):
    """A package whose every module is a plugin: it defines one object, of one type, under one name.

    What plugins share lies elsewhere, or in a package inside this one.

    Attributes:
        package: the package's dotted name.
        kind: what a plugin is, for error messages: ``backbone``, ``format``, ...
        attribute: the name under which each module defines its object.
        type: what that object is.
    """

    package: str
    kind: str
    attribute: str
    type: type[Plugin]

    def names(self) -> tuple[str, ...]:
        """Names of the plugins, sorted, with dashes for underscores; none of them is imported."""
        modules = pkgutil.iter_modules(importlib.import_module(self.package).__path__)
        return tuple(sorted(module.name.replace("_", "-") for module in modules if not module.ispkg))

    def get(self, name: str) -> Plugin:
        """Import one plugin.

        The listing is checked before the import, so that an ImportError raised inside a plugin
        surfaces as what it is and is not mistaken for an unknown name.

        Raises:
            UsageError: no plugin has that name; the message suggests the nearest.
            TypeError: its module does not define what a plugin of this package has to.
        """
        known = self.names()
        if name not in known:
            raise unknown(self.kind, name, known)
        module = importlib.import_module(f"{self.package}.{name.replace('-', '_')}")
        plugin = getattr(module, self.attribute, None)
        if not isinstance(plugin, self.type):
            raise TypeError(f"{module.__name__} defines no {self.attribute} that is a {self.type.__name__}")
        return plugin
