"""Which runtime runs a file: found by the file's suffix, a device's own before a reference."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import edge_cifar.runtimes
from edge_cifar import plugins
from edge_cifar.arguments import whole
from edge_cifar.errors import BundleError, RuntimeUnavailable, UsageError
from edge_cifar.pixels import PLAIN, Setup
from edge_cifar.runtimes import Runtime


def modules() -> tuple[ModuleType, ...]:
    """Every runtime there is, those of devices first; none of them has imported its package yet."""
    names = (name for name in plugins.names(edge_cifar.runtimes) if name != "loading")
    found = (plugins.load(edge_cifar.runtimes, name, "runtime") for name in names)
    return tuple(sorted(found, key=lambda module: not module.DEVICE))


def suffixes() -> tuple[str, ...]:
    """File suffixes that some runtime runs, sorted."""
    return tuple(sorted({suffix for module in modules() for suffix in _suffixes(module)}))


def takers(path: Path | str) -> tuple[ModuleType, ...]:
    """The runtimes that run files of a path's suffix, in capitals or not; those of devices first."""
    return tuple(module for module in modules() if Path(path).suffix.lower() in _suffixes(module))


def is_model(path: Path) -> bool:
    """Whether a path is that of a model file, by its suffix."""
    return bool(takers(path))


def runtime_for(path: Path) -> ModuleType:
    """The module that runs a file on this machine.

    Raises:
        UsageError: no runtime runs files of this suffix.
        RuntimeUnavailable: those that do cannot run here; the message says why.
    """
    candidates = takers(path)
    if not candidates:
        raise UsageError(f"{path} is not a model file: its name must end in {', '.join(suffixes())}")
    reasons = []
    for module in candidates:
        reason = module.unavailable()
        if reason is None:
            return module
        reasons.append(reason)
    raise RuntimeUnavailable(f"{path.name} cannot run here: {'; '.join(reasons)}")


def load(path: Path | str, *, threads: int = 1, setup: Setup = PLAIN) -> Runtime:
    """Load a model file with the runtime that runs it here.

    Args:
        path: a ``.tflite``, ``.onnx``, ``.keras`` or ``.h5`` file, or a ``.mlpackage`` folder.
        threads: CPU threads that one inference may use, where the runtime lets one choose.
        setup: how to run it.

    Raises:
        UsageError: no runtime runs files of this suffix, or ``threads`` is no positive number.
        RuntimeUnavailable: those that do cannot run here.
        BundleError: the file is missing or damaged, or is no image classifier.
    """
    path, threads = Path(path), whole("--threads", threads)
    if threads < 1:
        raise UsageError(f"--threads must be at least 1; got {threads}")
    module = runtime_for(path)
    if not path.exists():
        raise BundleError(f"no model at {path}")
    if hasattr(module, "beside"):
        module.beside(path)
    runtime: Runtime = module.load(path, threads=threads, setup=setup)
    return runtime


def _suffixes(module: ModuleType) -> tuple[str, ...]:
    return (module.SUFFIX, *getattr(module, "ALSO", ()))
