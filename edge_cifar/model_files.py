"""Model files: which runtime runs one, and its size and checksum, be it one file, a folder, or one with weights beside.

All of it follows from the file's format, which is told by its suffix.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from edge_cifar import formats, input_ranges
from edge_cifar.arguments import as_int
from edge_cifar.errors import BundleError, RuntimeUnavailable, UsageError
from edge_cifar.model_options import ModelOptions
from edge_cifar.pixels import PLAIN, Setup
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.runtimes import Runtime, RuntimeModule
from edge_cifar.storage import files

# Files of PyTorch's, which hold weights or code, and no graph that could be run.
PYTORCH = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")


def suffixes() -> tuple[str, ...]:
    """File suffixes that some runtime runs, sorted."""
    return tuple(sorted(suffix for name in formats.names() for suffix in formats.get(name).suffixes))


def is_model(path: Path) -> bool:
    """Whether a path is that of a model file, by its suffix."""
    return formats.of_file(path) is not None


def runtimes_of(path: Path | str) -> tuple[RuntimeModule, ...]:
    """The runtimes that run files of a path's suffix, those of devices first; none where nothing runs them."""
    format_ = formats.of_file(path)
    return tuple(runtime() for runtime in format_.runtimes.values()) if format_ else ()


def runtime_for(path: Path) -> RuntimeModule:
    """The module that runs a file on this machine.

    Raises:
        UsageError: no runtime runs files of this suffix.
        RuntimeUnavailable: those that do cannot run here; the message says why.
    """
    candidates = runtimes_of(path)
    if not candidates and path.suffix.lower() in PYTORCH:
        raise UsageError(f"{path} is a PyTorch file; write it as ONNX with torch.onnx.export (see docs/pytorch.md)")
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

    Returns:
        The model. Its ``predict(images)`` takes raw RGB pixels, 0 to 255, as a uint8 array of shape
        ``[N, height, width, 3]`` with the height and width in ``input_shape``, and returns float32 ``[N, classes]``.
        What the network itself was trained on, such as -1 to 1, is taken care of. For single images, floats and other
        sizes, use :func:`edge_cifar.predict`.

    Raises:
        UsageError: no runtime runs files of this suffix, or ``threads`` is no positive number.
        RuntimeUnavailable: those that do cannot run here.
        BundleError: the file is missing or damaged, or is no image classifier.
    """
    path, threads = Path(path), as_int("--threads", threads)
    if threads < 1:
        raise UsageError(f"--threads must be at least 1; got {threads}")
    module = runtime_for(path)
    if not path.exists():
        raise BundleError(f"no model file at {path}")
    parts(path)
    return module.load(path, threads=threads, setup=completed(path, setup))


def stated(path: Path) -> ModelOptions:
    """What a file's metadata say of its input and its classes; nothing for a damaged file."""
    format_ = formats.of_file(path)
    try:
        return format_.stated(path) if format_ and path.exists() else ModelOptions()
    except BundleError:
        # The runtime that loads the file says what is wrong with it.
        return ModelOptions()


def completed(path: Path, setup: Setup) -> Setup:
    """How a file is run, with what nobody told taken from its metadata."""
    told, says = setup.preprocessing, stated(path)
    return replace(
        setup,
        preprocessing=told.over(says.preprocessing),
        ground=setup.ground if told.tells_range else "stated",
        image_size=setup.image_size or says.image_size,
    )


def overruled(path: Path, told: Preprocessing) -> str:
    """That a user tells another input range than a file's metadata, for people; empty where both say the same.

    Args:
        path: the file.
        told: what the user says; it is what is used.
    """
    says = stated(path).preprocessing
    if not says.tells_range or told.over(says) == says:
        return ""
    given, otherwise = input_ranges.name_of(told.over(says)), input_ranges.name_of(says)
    return "" if given == otherwise else f"input range {given}, as told, although the file states {otherwise}"


def parts(path: Path) -> tuple[Path, ...]:
    """A model's file or folder, and the files beside it that hold a part of it.

    Raises:
        BundleError: one of those is missing or lies elsewhere.
    """
    format_ = formats.of_file(path)
    return (path, *(format_.companions(path) if format_ else ()))


def size_bytes(path: Path) -> int:
    """Size of all that belongs to a model.

    Raises:
        BundleError: as :func:`parts`.
    """
    return sum(map(files.size_bytes, parts(path)))


def gzip_bytes(path: Path) -> int:
    """Size of all that belongs to a model behind gzip, each file by itself.

    Raises:
        BundleError: as :func:`parts`.
    """
    return sum(map(files.gzip_bytes, parts(path)))


def sha256(path: Path) -> str:
    """Checksum of a model: that of its file or folder, or of all its files as of a folder that holds them alone.

    Raises:
        BundleError: as :func:`parts`.
    """
    found = parts(path)
    if len(found) == 1:
        return files.sha256(path)
    digest = hashlib.sha256()
    for part in sorted(found):
        digest.update(part.relative_to(path.parent).as_posix().encode() + b"\0")
        digest.update(bytes.fromhex(files.sha256(part)))
    return digest.hexdigest()
