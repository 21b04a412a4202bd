"""The record of a training as it is written and read: ``record.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edge_cifar.documents import schema, tables
from edge_cifar.documents.accuracy import Accuracy, TestResult
from edge_cifar.documents.dataset import TrainingData
from edge_cifar.documents.fields import Fields
from edge_cifar.errors import BundleError, RunError
from edge_cifar.evaluation.metrics import wilson
from edge_cifar.notebook import Tabular
from edge_cifar.storage import files
from edge_cifar.tables import Table


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One line of the history; accuracies in 0..1. What was not recorded is None."""

    epoch: int
    phase: str
    phase_index: int | None
    loss: float | None
    accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float | None
    seconds: float | None

    @classmethod
    def from_json(cls, fields: Fields) -> Epoch:
        """Read the attributes by their names.

        Raises:
            BundleError: one has another type, or the epoch's number is missing.
        """
        return cls(
            epoch=fields.required_whole("epoch"),
            phase=fields.text("phase") or "",
            phase_index=fields.whole("phase_index"),
            loss=fields.number("loss"),
            accuracy=fields.number("accuracy"),
            val_loss=fields.number("val_loss"),
            val_accuracy=fields.number("val_accuracy"),
            learning_rate=fields.number("learning_rate"),
            seconds=fields.number("seconds"),
        )


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A phase that was trained.

    Attributes:
        name: the recipe's name for it.
        epochs: how many it took.
        trainable_parameters: how many it trained.
        seconds: how long it took.
        batch_norm_reestimated: what its end decided; None where it did not look at that.
        features: how frozen layers were computed; None in records of before they were cached.
    """

    name: str
    epochs: int
    trainable_parameters: int
    seconds: float
    batch_norm_reestimated: bool | None
    features: Mapping[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """The attributes by their names."""
        told = asdict(self)
        return told if self.features else {name: told[name] for name in told if name != "features"}

    @classmethod
    def from_json(cls, fields: Fields) -> Phase:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value is missing or has another type.
        """
        return cls(
            name=fields.required_text("name"),
            epochs=fields.required_whole("epochs"),
            trainable_parameters=fields.required_whole("trainable_parameters"),
            seconds=fields.required_number("seconds"),
            batch_norm_reestimated=fields.flag("batch_norm_reestimated"),
            features=fields.child("features").plain() or None,
        )


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
        imported: where the model comes from, if it was not trained by this tool; there is then no history, and the
            recipe only says how the data are split.
        facts: the rest: device, versions, machine, commit, command and so on.
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
    imported: Imported | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

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
    def command(self) -> str | None:
        """The command line that trained it; None where it was no command."""
        command = self.facts.get("command")
        return None if command is None else str(command)

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
            **self.facts,
            # One side stands for both of a square.
            "image_size": self.image_size[0] if len(set(self.image_size)) == 1 else list(self.image_size),
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "history": [asdict(epoch) for epoch in self.history],
            "phases": [phase.to_json() for phase in self.phases],
            "seconds": self.seconds,
            "validation": self.validation.to_json(),
            "test": self.test.to_json(),
            "model": {"file": "model.keras", "sha256": self.model_sha256} if self.model_sha256 else None,
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
            imported=fields.optional("imported", Imported.from_json),
            # The last, which takes what is left.
            facts=fields.rest(),
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
