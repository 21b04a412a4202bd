"""What is measured: an artifact of a bundle, or a model file made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_cifar import formats, model_files
from edge_cifar.bench.evaluation_set import EvaluationSet
from edge_cifar.documents.artifact import Artifact
from edge_cifar.errors import BundleError, RuntimeUnavailable, UsageError
from edge_cifar.model_options import ModelOptions
from edge_cifar.pixels import Setup
from edge_cifar.runtimes import RuntimeModule
from edge_cifar.variant import Variant

# In place of a backend's name: every one that this machine has.
ALL = "all"
# The user's name for a run's own Keras model.
KERAS = "keras"


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """One file (or ``.mlpackage`` folder) to be measured.

    Attributes:
        model: what tables call the network.
        path: where the file lies.
        artifact: its manifest entry; None for a bare file.
        accuracy_on: the images that accuracy is measured on; None leaves it out.
        agreement_on: the images with the Keras model's answers; None leaves agreement out. The
            same object as ``accuracy_on`` where one set of images serves both.
        multiply_adds: of the Keras model for one image; None where it is not known.
        caveat: why its accuracy says nothing about the network; None when it does.
        of_run: whether it is the Keras model of a run, whose record vouches for it.
        options: what the user says of a bare file.
    """

    model: str
    path: Path
    artifact: Artifact | None = None
    accuracy_on: EvaluationSet | None = None
    agreement_on: EvaluationSet | None = None
    multiply_adds: int | None = None
    caveat: str | None = None
    of_run: bool = False
    options: ModelOptions = field(default_factory=ModelOptions)

    @property
    def variant(self) -> Variant | None:
        """Format and precision; None for a bare file."""
        if self.artifact is not None:
            return self.artifact.variant
        return Variant(KERAS, "fp32") if is_keras(self.path) else None

    @property
    def bare(self) -> bool:
        """Whether it was made elsewhere, so that no manifest or run describes its input."""
        return self.artifact is None and not self.of_run

    @property
    def setup(self) -> Setup:
        """How it is run, by what the user and the file's metadata say of a bare file."""
        if not self.bare:
            return Setup()
        told = self.options
        setup = Setup(preprocessing=told.preprocessing, output=told.output, image_size=told.image_size)
        return model_files.completed(self.path, setup)

    def labels(self, held: Sequence[str] | None) -> tuple[str, ...] | None:
        """Class names of a bare file, where the user or the file tells them.

        Args:
            held: those that its runtime found in it.
        """
        if not self.bare:
            return None
        return self.options.labels or (tuple(held) if held else None) or model_files.stated(self.path).labels

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.model} {self.variant}" if self.variant else self.path.name

    @property
    def evaluation_sets(self) -> tuple[EvaluationSet, ...]:
        """Each set of images once."""
        named = [one for one in (self.accuracy_on, self.agreement_on) if one is not None]
        return tuple(dict.fromkeys(named))

    def goes_by(self, name: str) -> bool:
        """Whether a user who says ``name`` may mean this subject."""
        names = (str(self.variant), self.name, self.path.name, str(self.path))
        return name in names or (name == KERAS and self.variant is not None and self.variant.format == KERAS)

    def check(self) -> None:
        """Check the file against its manifest entry; a bare file must only exist, with all its parts.

        Raises:
            BundleError: it is missing or another.
        """
        if self.artifact is not None:
            self.artifact.check()
        elif not self.path.exists():
            raise BundleError(f"no model at {self.path}")
        else:
            model_files.parts(self.path)


def contradiction(subject: Subject, input_shape: tuple[int, ...], classes: int) -> str | None:
    """How a loaded file contradicts its manifest entry; None if it does not, or there is no entry.

    Args:
        subject: what was loaded.
        input_shape: (height, width, 3), as the runtime found it.
        classes: likewise.
    """
    if subject.artifact is None:
        return None
    labels, told = subject.artifact.labels, subject.artifact.conversion.input
    if len(labels) != classes:
        return f"has {classes} outputs; the manifest has {len(labels)} labels"
    shape = list(told.shape) if told else []
    # A package's shape has no batch dimension, and channels may come first.
    if shape and sorted(map(str, shape[-3:])) != sorted(map(str, input_shape)):
        return f"expects images of shape {list(input_shape)}; the manifest says {shape}"
    return None


def timed_runtime(path: Path) -> RuntimeModule:
    """The runtime module to time a file with on this machine.

    Raises:
        UsageError: no runtime runs files of this suffix.
        RuntimeUnavailable: none can here; a reference evaluator does not count, as its speed is meaningless.
    """
    candidates = [module for module in model_files.runtimes_of(path) if module.TIMED]
    if not candidates:
        raise UsageError(f"{path} is not a model file: its name must end in {', '.join(model_files.suffixes())}")
    reasons = [module.unavailable() for module in candidates]
    for module, reason in zip(candidates, reasons, strict=True):
        if reason is None:
            return module
    raise RuntimeUnavailable("; ".join(reason for reason in reasons if reason))


def backends(module: RuntimeModule, asked: Sequence[str]) -> tuple[str, ...]:
    """Those of a runtime's backends that a user asks for; the default one where none of them is its own.

    Args:
        module: a runtime.
        asked: names, or ``all`` for those that this machine has; empty for the default.
    """
    if list(asked) == [ALL]:
        return tuple(name for name in module.BACKENDS if module.unavailable(name) is None)
    return tuple(name for name in module.BACKENDS if name in asked) or module.BACKENDS[:1]


def known_backends() -> tuple[str, ...]:
    """Names of every timed runtime's backends, each once."""
    return tuple(dict.fromkeys(name for _, module in formats.runtimes() if module.TIMED for name in module.BACKENDS))


def stored(path: Path) -> tuple[int | None, str | None]:
    """Size in bytes and checksum of the model at ``path``; None for each if a part is missing."""
    try:
        return (model_files.size_bytes(path), model_files.sha256(path)) if path.exists() else (None, None)
    except BundleError:
        # A part of it is missing, which the check before the measurement reports.
        return None, None


def is_keras(path: Path) -> bool:
    """Whether a path is that of a Keras model, by its suffix."""
    return (format_ := formats.of_file(path)) is not None and KERAS in format_.runtimes
