"""Formats of pictures that Pillow reads by a plugin: known by their first bytes, with the command that adds it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from edge_cifar import packages

# Of an ISO base media file (ISO/IEC 14496-12): its first box, "ftyp", names the brands that it conforms to.
HEADER_BYTES = 64


@dataclass(frozen=True, kw_only=True)
class PicturePlugin:
    """A package that teaches Pillow a format.

    Attributes:
        format: what people call it.
        brands: by which its files are known.
        module: to import.
        distribution: what pip calls it.
        register: makes Pillow use it, the module being imported.
    """

    format: str
    brands: frozenset[bytes]
    module: str
    distribution: str
    register: Callable[[ModuleType], object]

    def add(self) -> bool:
        """Have Pillow use the plugin; False where it is not installed."""
        if not packages.installed(self.module):
            return False
        self.register(importlib.import_module(self.module))
        return True

    @property
    def advice(self) -> str:
        """How it is had, as the rest of a sentence."""
        return f"Pillow needs a plugin for {self.format}; run: pip install {self.distribution}"


# AVIF first: its files may name HEIF's general brands, too.
_PLUGINS = (
    PicturePlugin(
        format="AVIF",
        brands=frozenset({b"avif", b"avis"}),
        module="pillow_avif",
        distribution="pillow-avif-plugin",
        register=lambda module: None,  # it registers itself when it is imported
    ),
    PicturePlugin(
        format="HEIC",
        brands=frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}),
        module="pillow_heif",
        distribution="pillow-heif",
        register=lambda module: module.register_heif_opener(),
    ),
)


def needed(header: bytes) -> PicturePlugin | None:
    """The plugin that reads a file.

    Args:
        header: its first :data:`HEADER_BYTES` bytes.
    """
    if header[4:8] != b"ftyp":
        return None
    brands = {header[start : start + 4] for start in range(8, len(header), 4)}
    return next((plugin for plugin in _PLUGINS if plugin.brands & brands), None)


def available() -> tuple[str, ...]:
    """The formats whose plugins are installed."""
    return tuple(plugin.format for plugin in _PLUGINS if packages.installed(plugin.module))
