"""The record of a training as it is written and read: ``record.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_cifar.documents import schema, tables
from edge_cifar.documents.accuracy import Accuracy, TestResult
from edge_cifar.documents.dataset import TrainingData
from edge_cifar.documents.fields import Fields
from edge_cifar.documents.provenance import Provenance
from edge_cifar.documents.training_history import Epoch, Execution, Phase
from edge_cifar.errors import BundleError, RunError
from edge_cifar.evaluation.metrics import wilson
from edge_cifar.notebook import Tabular
from edge_cifar.storage import files
from edge_cifar.tables import Table


@dataclass(frozen=True, kw_only=True)
class Imported:
    """Where a model comes from that was trained elsewhere, and how it was made to take raw pixels.

    Attributes:
        file: name of its file or folder; None for an object of a Python program.
        sha256: of that.
        input_range: what pixels 0 to 255 become before the network takes them, for people.
        ground: why.
        output: what was done to its outputs; empty where they were probabilities.
    """

    file: str | None
    sha256: str | None
    input_range: str
    ground: str
    output: str

    @property
    def source(self) -> str:
        """What it was made from, for people."""
        return self.file or "a Keras model in memory"

    def to_json(self) -> dict[str, Any]:
        """The attributes by their names."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Fields) -> Imported:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value is missing or has another type.
        """
        return cls(
            file=fields.text("file"),
            sha256=fields.text("sha256"),
            input_range=fields.required_text("input_range"),
            ground=fields.required_text("ground"),
            output=fields.text("output") or "",
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class RunRecord(Tabular):
    """What a finished training tells of itself.

    Attributes:
        backbone: the network's name.
        recipe_name: as on the command line.
        recipe: all settings of the recipe, see :class:`edge_cifar.recipe.Recipe`.
        weights: what it started with: ``imagenet``, ``none``, or a file's name.
        alpha: width multiplier.
        seed: of everything random.
        data: what it was trained on.
        image_size: height and width in pixels that the network sees.
        parameters: how many the network has.
        multiply_adds: of one inference; None where they cannot be counted.
        history: one entry an epoch, over all phases.
        phases: one entry a phase.
        seconds: of all phases.
        validation: accuracy on the validation images.
        test: on the test images.
        model_sha256: of the weights; None in records of older versions.
        model_file: name of the file that holds them.
        imported: where the model comes from, if it was not trained by this tool; there is then no history, and the
            recipe only says how the data are split.
        execution: what computed the training, and how.
        provenance: commit, command and versions; a record does not tell when it was made.
        machine: :func:`edge_cifar.machine.facts` of the machine.
    """

    backbone: str
    recipe_name: str
    recipe: Mapping[str, Any]
    weights: str
    alpha: float
    seed: int
    data: TrainingData
    image_size: tuple[int, int]
    parameters: int
    multiply_adds: int | None
    history: tuple[Epoch, ...]
    phases: tuple[Phase, ...]
    seconds: float
    validation: Accuracy
    test: TestResult
    model_sha256: str | None = None
    model_file: str = "model.keras"
    imported: Imported | None = None
    execution: Execution
    provenance: Provenance
    machine: Mapping[str, Any]

    @property
    def summary(self) -> str:
        """What was trained, and how well it does."""
        words = f"{self.backbone}, top-1 {100 * self.test.top1:.2f} % on {self.test.images:,} test images"
        return f"{words} of {self.data.name}"

    def table(self) -> Table:
        """A row for each epoch."""
        return tables.of_history(self)

    @property
    def resolution(self) -> str:
        """What the network sees, in pixels, for people: ``96`` for a square, ``96×128``."""
        return "×".join(map(str, dict.fromkeys(self.image_size)))

    @property
    def validation_split(self) -> float:
        """Share of the training images that was held out."""
        return Fields(dict(self.recipe), "the record", "recipe").required_number("validation_split")

    @property
    def augmentation(self) -> Mapping[str, Any]:
        """See :class:`edge_cifar.recipe.Augmentation`."""
        return Fields(dict(self.recipe), "the record", "recipe").child("augmentation").plain()

    def trainable(self, phase: str) -> Any:
        """What the recipe says that a phase trains, see :attr:`edge_cifar.recipe.Phase.trainable`; None if nothing."""
        planned = Fields(dict(self.recipe), "the record", "recipe").children("phases")
        return next((one.plain().get("trainable") for one in planned if one.text("name") == phase), None)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON holds it."""
        return {
            "kind": "run",
            "schema": schema.SCHEMA,
            "backbone": self.backbone,
            "recipe_name": self.recipe_name,
            "recipe": dict(self.recipe),
            "weights": self.weights,
            "alpha": self.alpha,
            "data": self.data.to_json(),
            "seed": self.seed,
            **self.execution.to_json(),
            "versions": dict(self.provenance.versions),
            "machine": dict(self.machine),
            "commit": self.provenance.commit,
            "command": self.provenance.command,
            # One side stands for both of a square.
            "image_size": self.image_size[0] if len(set(self.image_size)) == 1 else list(self.image_size),
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "history": [asdict(epoch) for epoch in self.history],
            "phases": [phase.to_json() for phase in self.phases],
            "seconds": self.seconds,
            "validation": self.validation.to_json(),
            "test": self.test.to_json(),
            "model": {"file": self.model_file, "sha256": self.model_sha256} if self.model_sha256 else None,
            **({"imported": self.imported.to_json()} if self.imported else {}),
        }

    @classmethod
    def from_json(cls, document: Any, file: str) -> RunRecord:
        """Read what :meth:`to_json` writes, or wrote in schema 1.

        Args:
            document: the parsed JSON.
            file: what to call the file in an error.

        Raises:
            RunError: it is no run record, or a value in it is missing or has another type.
        """
        try:
            return cls._read(schema.opened(document, file, "run", _upgraded))
        except BundleError as error:
            raise RunError(str(error)) from error

    @classmethod
    def _read(cls, fields: Fields) -> RunRecord:
        recipe = fields.child("recipe")
        recipe.required_number("validation_split")
        list(recipe.children("phases"))
        return cls(
            backbone=fields.required_text("backbone"),
            recipe_name=fields.required_text("recipe_name"),
            recipe=recipe.plain(),
            weights=fields.required_text("weights"),
            alpha=fields.required_number("alpha"),
            seed=fields.required_whole("seed"),
            data=TrainingData.from_json(fields.child("data")),
            image_size=_size(fields),
            parameters=fields.required_whole("parameters"),
            multiply_adds=fields.whole("multiply_adds"),
            history=tuple(map(Epoch.from_json, fields.children("history"))),
            phases=tuple(map(Phase.from_json, fields.children("phases"))),
            seconds=fields.required_number("seconds"),
            validation=Accuracy.from_json(fields.child("validation")),
            test=TestResult.from_json(fields.child("test")),
            model_sha256=fields.child("model").text("sha256"),
            model_file=fields.child("model").text("file") or "model.keras",
            imported=fields.optional("imported", Imported.from_json),
            execution=Execution.from_json(fields),
            provenance=Provenance.from_json(fields),
            machine=fields.child("machine").plain(),
        )

    @classmethod
    def read(cls, path: Path) -> RunRecord:
        """Read a file.

        Raises:
            RunError: it is missing, is no JSON, or no run record.
        """
        try:
            document = files.read_json(path, "run record")
        except BundleError as error:
            raise RunError(str(error)) from error
        return cls.from_json(document, str(path))

    def write(self, path: Path) -> None:
        """Write a file, whole."""
        files.write_json(path, self.to_json())


def _size(fields: Fields) -> tuple[int, int]:
    if not isinstance(fields.plain().get("image_size"), list):
        side = fields.required_whole("image_size")
        return side, side
    sides = tuple(map(int, fields.numbers("image_size")))
    if len(sides) != 2:
        raise fields.refuse("image_size", "a side, or height and width")
    return sides[0], sides[1]


def _upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """A record of schema 1: accuracies were ``accuracy``, that of validation without its interval."""
    test = dict(document["test"])
    test["top1"] = test.pop("accuracy")
    told = document["validation"]
    validation = Accuracy.of(wilson(round(told["accuracy"] * told["images"]), told["images"]))
    return {**document, "test": test, "validation": validation.to_json()}
