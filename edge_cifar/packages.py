"""Optional packages: imported when needed, named with the command that adds them when absent."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import logging
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from edge_cifar.errors import MissingPackage, RuntimeUnavailable
from edge_cifar.processes import output_capture
from edge_cifar.storage import strict_json

# Keras' backends, each with what installs it.
_BACKENDS = {
    "jax": 'pip install "jax[cpu]"',
    "tensorflow": 'pip install "edge-cifar[train]"',
    "torch": "pip install torch",
}


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module.

    Only the absence of that very package is turned into advice; an ImportError from inside an
    installed package is a broken installation and surfaces as it is.

    Args:
        module: dotted name to import.
        extra: the extra of edge-cifar that brings it.

    Raises:
        MissingPackage: the module's top-level package is not installed.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise MissingPackage(package, extra) from error


def installed(module: str) -> bool:
    """Whether a top-level module can be found, without importing it."""
    return importlib.util.find_spec(module) is not None


def keras_backend() -> str:
    """The backend that Keras will use: of ``KERAS_BACKEND``, of its own configuration file, or TensorFlow."""
    if named := os.environ.get("KERAS_BACKEND"):
        return named
    # As Keras finds it, without a home of its own in the temporary folder.
    home = os.path.expanduser("~")
    folder = os.environ.get("KERAS_HOME", os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras"))
    try:
        configured = strict_json.parse(Path(folder, "keras.json").expanduser().read_bytes()).get("backend")
    except (OSError, ValueError, AttributeError, RuntimeError):
        configured = None
    return configured if isinstance(configured, str) else "tensorflow"


def absent_backend() -> str | None:
    """Why Keras' backend cannot be had, and the way out; None where it is installed."""
    backend = keras_backend()
    if backend not in _BACKENDS:
        return f"KERAS_BACKEND is set to {backend!r}; choose from {', '.join(_BACKENDS)}"
    return None if installed(backend) else f"{backend} is not installed; run: {_BACKENDS[backend]}"


def require_keras() -> Any:
    """Keras 3 on its configured backend (:func:`keras_backend`), without chatter.

    Returns the ``keras`` namespace, typed ``Any`` because Keras carries no types.

    Raises:
        RuntimeUnavailable: it, or its backend, is not installed.
    """
    backend = keras_backend()
    if backend == "tensorflow":
        require_tensorflow()
    elif absence := absent_backend():
        raise RuntimeUnavailable(absence)
    return require("keras", "train")


def require_tensorflow() -> Any:
    """The ``tensorflow`` namespace, without its start-up messages and its advice to whoever writes a program."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # It warns that a function is traced again for each model that is loaded beside others.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    # Its libraries print CPU-feature and CUDA-probe lines while they are loaded, before they read their
    # log level (seen in 2.21).
    chatter = output_capture.Chatter()
    try:
        with output_capture.captured() as chatter:
            return require("tensorflow", "train")
    except MissingPackage:
        raise
    except Exception:
        sys.stderr.write(chatter.text)  # a broken installation: what the libraries said may tell why
        raise


def versions(*distributions: str) -> dict[str, str]:
    """Versions of those of the named distributions that are installed."""
    found = {}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
