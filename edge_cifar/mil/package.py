"""A ``.mlpackage`` folder: its manifest, the program in it, and the weights the program points to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edge_cifar.errors import BundleError
from edge_cifar.mil import limits, schema
from edge_cifar.mil.blob import WeightFile
from edge_cifar.mil.dtypes import Array
from edge_cifar.mil.program import Blob, Program, Tensor, TensorType
from edge_cifar.storage import files, strict_json
from edge_cifar.visible import visible

_DATA = "Data"
_MODEL_PATH = "@model_path/"
_MESSAGE_LENGTH = 400


class Package:
    """An open package.

    Attributes:
        program: what its ``model.mlmodel`` says.
    """

    def __init__(self, path: Path) -> None:
        """Read a package's manifest and program; weights are read when asked for.

        Raises:
            BundleError: a file is missing, broken or too large, or points outside the package.
        """
        if not path.is_dir():
            raise BundleError(
                "it is not a folder, as a .mlpackage must be" if path.exists() else "the package does not exist"
            )
        spec = files.inside(path / _DATA, _spec_name(path / "Manifest.json"))
        self.program: Program = schema.parse(_content(spec, limits.SPEC_BYTES))
        self._folder = spec.parent
        self._weights: dict[str, WeightFile] = {}
        self._constant_bytes = 0

    def array(self, literal: Tensor | Blob) -> Array:
        """The elements of a literal, as they are stored: an array of its type's ``storage``.

        Raises:
            BundleError: they are not where the program says, or all constants together exceed
                the limit.
        """
        self.claim(literal.type)
        if isinstance(literal, Tensor):
            return literal.array
        if literal.file not in self._weights:
            self._weights[literal.file] = WeightFile(self._weight_path(literal.file))
        return self._weights[literal.file].read(literal.offset, literal.type)

    def claim(self, type_: TensorType) -> None:
        """Count a constant that is about to be made. One small blob may be claimed by any number of them.

        Raises:
            BundleError: all constants together exceed the limit.
        """
        self._constant_bytes += type_.count * np.dtype(type_.element.storage).itemsize
        if self._constant_bytes > limits.CONSTANT_BYTES:
            raise BundleError(f"its constants take more than {limits.CONSTANT_BYTES >> 20} MiB")

    def close(self) -> None:
        """Close the weight files."""
        for file in self._weights.values():
            file.close()

    def _weight_path(self, name: str) -> Path:
        if not name.startswith(_MODEL_PATH):
            raise BundleError(f"the program refers to weights in {name!r}, outside {_MODEL_PATH}")
        return files.inside(self._folder, name.removeprefix(_MODEL_PATH))


@contextmanager
def opened(path: Path) -> Iterator[Package]:
    """A package, open within the context; every error names its path.

    Raises:
        BundleError: the package, or what was found in it within the context, is unfit.
    """
    package: Package | None = None
    try:
        package = Package(path)
        yield package
    except BundleError as error:
        raise BundleError(f"{path} cannot be evaluated: {_tamed(str(error))}") from error
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error
    finally:
        if package is not None:
            package.close()


def _tamed(message: str) -> str:
    """A message that may quote names from the package, without line breaks and terminal commands, and not endless."""
    printable = visible(message)
    return printable if len(printable) <= _MESSAGE_LENGTH else printable[:_MESSAGE_LENGTH] + " ..."


def _spec_name(manifest: Path) -> str:
    """Where the manifest says that the model lies, below the folder ``Data``."""
    try:
        document: Any = strict_json.parse(_content(manifest, limits.MANIFEST_BYTES))
        name = document["itemInfoEntries"][document["rootModelIdentifier"]]["path"]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise BundleError(f"{manifest.name} is not the manifest of a Core ML package") from error
    if not isinstance(name, str):
        raise BundleError(f"{manifest.name} does not contain the path of the model")
    return name


def _content(path: Path, most: int) -> bytes:
    if not path.is_file():
        raise BundleError(f"{path.name} is missing")
    with path.open("rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise BundleError(f"{path.name} is larger than {most >> 20} MiB")
    return content
