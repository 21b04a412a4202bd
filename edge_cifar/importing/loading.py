"""Opening a model that somebody else made: what it is, and whether it may be run."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_cifar import model_files, packages
from edge_cifar.errors import BundleError, ModelError, UsageError, first_line
from edge_cifar.importing import onnx_file
from edge_cifar.importing.tracing import SAVED_MODEL, saved_model
from edge_cifar.model_files import PYTORCH
from edge_cifar.runtimes import keras as keras_runtime
from edge_cifar.storage import files, scratch

ONNX = ".onnx"
_KERAS = (".keras", ".h5", ".hdf5")
_OWN = "contains {name}, which is not part of Keras; tell where it is defined with --custom module:{name}"
# What Keras says of files that it does not load, and what is said to users instead.
_REFUSALS = (
    (
        "lambda",
        "contains code (a Lambda layer), which could do anything on this machine; if you trust where it comes from, "
        "add --trust",
    ),
    (r"could not locate (?:class|function) '(?P<name>\w+)'", _OWN),
    (r"unknown (?:layer|object|activation function|initializer)\W+(?:\w+>)?(?P<name>\w+)", _OWN),
    (
        "no model config found",
        "contains weights only; load them into your model and save that with model.save('model.keras')",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A model, open.

    Attributes:
        model: a Keras model.
        name: what it is called: its file's stem, or the object's own name.
        file: name of its file or folder; None for an object.
        sha256: of that.
        onnx_file: the path, if it is an ONNX file; the model is what :mod:`edge_cifar.importing.onnx_file` gives then.
    """

    model: Any
    name: str
    file: str | None
    sha256: str | None
    onnx_file: Path | None = None


def is_importable(path: Path) -> bool:
    """Whether a path can be nothing but somebody's model, and not a run."""
    return path.suffix.lower() in (*_KERAS, *PYTORCH, ONNX, ".pb") or (path / SAVED_MODEL).is_file()


def demand_importable(path: Path) -> None:
    """Refuse, by its name alone, a file that is no model that can be imported.

    Raises:
        ModelError: there is none, or it is of another kind; says the way out.
    """
    suffix = path.suffix.lower()
    if suffix in PYTORCH:
        raise ModelError(f"{path} is a PyTorch file; write it as ONNX with torch.onnx.export (see docs/pytorch.md)")
    if suffix in (".tflite", ".mlpackage"):
        raise ModelError(
            f"{path} is converted already: bench, predict and serve take it as it is; export needs the model before"
        )
    if path.name == SAVED_MODEL and path.is_file():
        raise ModelError(f"{path} is part of a SavedModel; name its folder, {path.parent}")
    if suffix == ".pb":
        raise ModelError(f"{path} is a TensorFlow graph without its model; save that with model.save('model.keras')")
    if path.name.lower().endswith(".weights.h5"):
        raise ModelError(
            f"{path} holds weights only; load them into your model and save that with model.save('model.keras')"
        )
    if not path.exists():
        raise ModelError(f"no model at {path}")
    if path.is_file() and suffix not in (*_KERAS, ONNX):
        raise ModelError(f"{path} is no model file: its name must end in {', '.join((*_KERAS, ONNX))}")
    if path.is_dir() and not (path / SAVED_MODEL).is_file():
        raise ModelError(f"{path} is neither a run nor a SavedModel (no {SAVED_MODEL}); name a model file")


def open_model(source: Any, *, custom: Sequence[str] = (), trust: bool = False) -> Opened:
    """Open a model.

    Args:
        source: a ``.keras`` or ``.h5`` file of Keras 2 or 3, a SavedModel folder, an ``.onnx`` file, or a Keras model.
        custom: classes and functions of its own, as ``module:Name``; the modules are imported.
        trust: run code that the file contains.

    Raises:
        UsageError: the object is no Keras model, or a custom object cannot be had.
        ModelError: the file is missing, damaged, of another kind, or contains code.
        MissingPackage: Keras or its backend is not installed.
    """
    if isinstance(source, str | os.PathLike):
        return _opened_file(Path(source), custom, trust)
    keras = packages.require_keras()
    if type(source).__module__.partition(".")[0] == "tf_keras":
        return _of_tf_keras(source)
    if not isinstance(source, keras.Model):
        raise UsageError(f"a model is a run, a file's path or a Keras model; got {type(source).__name__}")
    return Opened(model=source, name=source.name, file=None, sha256=None)


def _opened_file(path: Path, custom: Sequence[str], trust: bool) -> Opened:
    demand_importable(path)
    if path.suffix.lower() == ONNX:
        model = onnx_file.opened(path)
        checksum = model_files.sha256(path)
        return Opened(model=model, name=path.stem, file=path.name, sha256=checksum, onnx_file=path)
    checksum = files.sha256(path)
    # First, as a module of somebody's own imports it too: this one keeps TensorFlow's log off the terminal.
    keras = packages.require_keras()
    objects = _custom_objects(custom)
    if path.is_dir():
        return Opened(model=saved_model(path, trust), name=path.resolve().name, file=path.name, sha256=checksum)
    try:
        with keras.saving.custom_object_scope(objects):
            model = keras_runtime.read(keras, path, trust=trust)
    except BundleError as error:
        raise ModelError(_refusal(path, error)) from error
    return Opened(model=model, name=path.stem, file=path.name, sha256=checksum)


def _of_tf_keras(model: Any) -> Opened:
    """A model of Keras 2, through its file format, which Keras 3 reads."""
    with scratch.folder("keras2") as folder:
        path = folder / f"{model.name}.h5"
        model.save(path)
        opened = _opened_file(path, (), trust=False)
    return Opened(model=opened.model, name=model.name, file=None, sha256=None)


def _refusal(path: Path, error: BundleError) -> str:
    for pattern, reason in _REFUSALS:
        if found := re.search(pattern, str(error.__cause__), re.IGNORECASE):
            return f"{path} {reason.format(**found.groupdict())}"
    return str(error)


def _custom_objects(custom: Sequence[str]) -> dict[str, Any]:
    """What was named as ``module:Name``, by its name; modules are looked for in the working directory, too."""
    found: dict[str, Any] = {}
    for one in custom:
        module, colon, name = one.partition(":")
        if not (module and colon and name.isidentifier()):
            raise UsageError(f"--custom takes module:Name, such as my_layers:Swish; got {one!r}")
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        try:
            found[name] = getattr(importlib.import_module(module), name)
        except AttributeError as error:
            raise UsageError(f"--custom {one}: the module {module} has no {name}") from error
        except ImportError as error:
            raise UsageError(
                f"--custom {one}: {module} cannot be imported ({first_line(error)}); run this where it is, or set "
                "PYTHONPATH"
            ) from error
    return found
