"""The first half of ``export`` for a model made elsewhere: it becomes a run folder like any other."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_cifar import class_names, machine
from edge_cifar.command_line import command_line
from edge_cifar.data import Dataset, arrays, npz_file
from edge_cifar.data.class_order import in_order
from edge_cifar.data.loading import is_folder, load
from edge_cifar.documents import run as runs
from edge_cifar.documents.dataset import TrainingData
from edge_cifar.documents.provenance import Provenance
from edge_cifar.documents.run import MODELS, Run
from edge_cifar.documents.run_record import Imported, RunRecord
from edge_cifar.documents.training_history import Execution
from edge_cifar.errors import DataError, ModelError, RunError, UsageError
from edge_cifar.evaluation.class_order import other_order
from edge_cifar.evaluation.metrics import majority_share
from edge_cifar.export import source_model
from edge_cifar.model_options import ModelOptions
from edge_cifar.progress import Progress
from edge_cifar.run_data import KEPT, split_data
from edge_cifar.steps._run_results import Results, evaluated
from edge_cifar.steps.targets import missing
from edge_cifar.storage import exclusion, files

if TYPE_CHECKING:
    from edge_cifar.importing.loading import Opened
    from edge_cifar.importing.network import Adapted, Network

_SEED = 0
# Of the training images, for the acceptance gate; more where they are few, and never more than half.
_VALIDATION_IMAGES = 500
_LEAST_VALIDATION_SPLIT = 0.1
_MOST_VALIDATION_SPLIT = 0.5


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What is told of a model made elsewhere, and the images it is to be judged by.

    Attributes:
        data: a folder, a data set's name, an ``.npz`` file, or images with labels in memory; None where none are told.
        options: what is told of the model.
        custom: its own classes and functions, as ``module:Name``.
        trust: run code that its file contains.
        data_dir: where the data lie.
    """

    data: Any = None
    options: ModelOptions = field(default_factory=ModelOptions)
    custom: tuple[str, ...] = ()
    trust: bool = False
    data_dir: Path | str | None = None

    @property
    def told(self) -> bool:
        """Whether anything is told that means nothing for a run, which has its data and options."""
        return self.data is not None or self.options != ModelOptions() or bool(self.custom) or self.trust


NOTHING_TOLD = ImportRequest()


def open_run(model: Run | Path | str | None) -> Run:
    """A run that was named by its folder or by its model's file, or the newest.

    Raises:
        RunError: there is none.
    """
    if model is None:
        return runs.newest()
    if isinstance(model, Run):
        return model
    path = Path(model)
    return Run.open(path.parent if path.is_file() else path)


def is_onnx(model: Any) -> bool:
    """Whether an export starts from ONNX: the named file, or the file in a run; nothing is opened yet."""
    if not (model is None or isinstance(model, Run | str | Path)):
        return False
    try:
        path = runs.newest().path if model is None else model.path if isinstance(model, Run) else Path(model)
    except RunError:
        return False
    return source_model.is_onnx(Run(path).model_path if path.is_dir() else path)


def as_run(
    model: Any, request: ImportRequest, *, out: Path | str | None, overwrite: bool, progress: Progress
) -> Run | None:
    """The run of a model that was trained elsewhere; None where the model is a run already.

    Args:
        model: a run, its folder, a Keras model or its file, an ONNX file, or None for the newest run.
        request: what is told of a model made elsewhere.
        out, overwrite, progress: as :func:`import_model` takes them.

    Raises:
        UsageError: something is told that means nothing for a run.
        EdgeCifarError: as :func:`import_model`.
    """
    if isinstance(model, str | Path):
        if _is_model(Path(model)):
            return import_model(model, request, out=out, overwrite=overwrite, progress=progress)
    elif model is not None and not isinstance(model, Run):
        return import_model(model, request, out=out, overwrite=overwrite, progress=progress)
    if model is not None and not isinstance(model, Run) and request.told and not Path(model).exists():
        raise missing(Path(model))
    if request.told:
        raise UsageError(
            "--data and the options that describe a model only apply to a model made elsewhere; a run has its own"
        )
    return None


def import_model(
    model: Any, request: ImportRequest, *, out: Path | str | None, overwrite: bool, progress: Progress
) -> Run:
    """Make a run of a model that was trained elsewhere.

    Args:
        model: a file's or a SavedModel folder's path, or a Keras model.
        request: what is told of it, and its data.
        out: the run folder; ``runs/NAME`` when left out.
        overwrite: replace an existing run.
        progress: told what was found, and on what ground.

    Raises:
        UsageError: an option is invalid, or contradicts the model.
        ModelError: the model is no image classifier, or cannot be opened.
        DataError: the data are missing, or do not fit the model.
        RunError: the folder holds a run already.
    """
    from edge_cifar.importing import loading, pipeline

    data, data_dir, options = request.data, request.data_dir, request.options
    if isinstance(model, str | Path):
        loading.demand_importable(Path(model))
    if data is None:
        how = "with --data FOLDER" if isinstance(model, str | Path) else "as data=(images, labels), or a folder"
        raise UsageError(f"a model made elsewhere needs labelled images; give them {how}")
    opened = loading.open_model(model, custom=request.custom, trust=request.trust)
    run = Run(Path(out) if out is not None else Path("runs") / opened.name)
    _refuse_occupied(run, overwrite)
    # A folder's pictures are brought to the model's own size; other images have one already.
    folder = isinstance(data, str | Path) and is_folder(str(data))
    dataset = None if folder else _dataset(data, data_dir, None, progress)
    network = pipeline.take_apart(opened, options, None if dataset is None else _size(dataset))
    dataset = dataset or _dataset(data, data_dir, network.taken.size, progress)
    labels = options.labels or network.labels or _labels_beside(model, network.classes, progress)
    dataset = _labelled(dataset, labels, network, folder=folder, progress=progress)
    split = split_data(dataset, _validation_split(len(dataset.train)), _SEED)
    adapted = network.adapt(
        options.preprocessing, split.validation, _size(dataset), dataset.given_range, opened.name, dataset.labels
    )
    _say(adapted, network, dataset, progress)
    results = evaluated(adapted.predict, split)
    if results is None:
        raise ModelError(f"{network.source} outputs NaN or infinity")
    with exclusion.training(run.path):
        _refuse_occupied(run, overwrite)
        _write(run, opened, network, adapted, results)
    results.say(progress)
    _say_doubts(results, network, progress)
    return run


def _is_model(path: Path) -> bool:
    from edge_cifar.importing import loading

    run = Run(path.parent)
    own = run.finished and path.name == run.model_path.name
    return not own and not Run(path).finished and (path.is_file() or loading.is_importable(path))


def _refuse_occupied(run: Run, overwrite: bool) -> None:
    if run.finished and not overwrite:
        raise RunError(
            f"{run.path} contains a finished run; replace it with --overwrite, choose another directory with --out, or "
            f"export it: {command_line('export', run.path)}"
        )
    # Of an import that was cut off, the model is there without its record.
    ours = run.finished or any((run.path / name).exists() for name in MODELS)
    if run.path.is_file() or (not ours and run.path.is_dir() and any(_visible(run.path))):
        raise RunError(f"{run.path} is not empty and is not a run; choose another directory with --out")


def _visible(folder: Path) -> Iterator[Path]:
    return (one for one in folder.iterdir() if not one.name.startswith("."))


def _dataset(data: Any, data_dir: Path | str | None, size: tuple[int, int] | None, progress: Progress) -> Dataset:
    if isinstance(data, str | Path):
        return load(str(data), data_dir=data_dir, seed=_SEED, image_size=size, progress=progress)
    parts, names = arrays.given(data)
    return arrays.dataset(parts, name=KEPT, class_names=names, seed=_SEED, progress=progress)


def _size(dataset: Dataset) -> tuple[int, int]:
    height, width = dataset.train.images.shape[1:3]
    return int(height), int(width)


def _labels_beside(model: Any, classes: int, progress: Progress) -> tuple[str, ...] | None:
    if not isinstance(model, str | Path) or (names := class_names.beside(Path(model), classes)) is None:
        return None
    progress.say(f"class names: as {Path(model).with_name(class_names.FILE)} says")
    return names


def _labelled(
    dataset: Dataset, labels: tuple[str, ...] | None, network: Network, *, folder: bool, progress: Progress
) -> Dataset:
    """The data with the model's classes, in the order of its outputs."""
    count, classes = len(dataset.labels), network.classes
    numbered = dataset.labels == arrays.numbered_names(count)
    if labels is None:
        if numbered and count <= classes:
            labels = arrays.numbered_names(classes)
        elif count == classes:
            labels = dataset.labels
        else:
            raise DataError(
                f"{network.source} tells {classes} classes apart, {dataset.name} has {count}; name the model's classes "
                "with --labels, in the order of its outputs"
            )
    if len(labels) != classes:
        raise UsageError(
            f"{network.source} tells {classes} classes apart, --labels names {len(labels)}; name one for each output, "
            "in their order"
        )
    if numbered and count < classes:
        progress.say(
            f"the labels use {count} of the {classes} classes that {network.source} tells apart; if that is wrong, "
            "check the labels, and --output-name if the model has several outputs"
        )
    return in_order(dataset, labels, by_number=not folder)


def _validation_split(images: int) -> float:
    return min(max(round(_VALIDATION_IMAGES / images, 2), _LEAST_VALIDATION_SPLIT), _MOST_VALIDATION_SPLIT)


def _say(adapted: Adapted, network: Network, dataset: Dataset, progress: Progress) -> None:
    progress.say(f"input range: {adapted.input_range}; {adapted.ground}")
    if adapted.output:
        progress.say(adapted.output)
    if _size(dataset) != network.taken.size:
        height, width = _size(dataset)
        inner = "×".join(map(str, network.taken.size))
        progress.say(f"a resize was added: the images are {height}×{width}, the model takes {inner}")


def _say_doubts(results: Results, network: Network, progress: Progress) -> None:
    """Say that classes are in another order than the data's, or that nothing was learned that these images show."""
    labels, truth, predicted = results.data.dataset.labels, results.data.test.labels, results.probabilities.argmax(1)
    if order := other_order(truth, predicted, len(labels)):
        names = ",".join(labels[number] for number in order)
        progress.say(
            f"{network.source} seems to have its classes in another order than the data: it mistakes each class for "
            f"one other; tell the order with --labels {shlex.quote(names)}"
        )
    elif results.test.low <= majority_share(truth):
        progress.say(
            "accuracy is no better than chance: check that the model's classes are in the same order as those of the "
            f"data ({', '.join(labels[:10])}{', …' if len(labels) > 10 else ''}), and that the input range is right"
        )


def _write(run: Run, opened: Opened, network: Network, adapted: Adapted, results: Results) -> None:
    """Write the run's files, the record last: before it there is no finished run."""
    data, fraction = results.data, _validation_split(len(results.data.dataset.train))
    run.record_path.unlink(missing_ok=True)
    run.forget_results()
    shutil.rmtree(run.export_path, ignore_errors=True)
    for name in (KEPT, "history.csv", "curves.png", *MODELS):
        # Of an older run in this folder.
        (run.path / name).unlink(missing_ok=True)
    with files.atomic_write(run.path / adapted.file) as written:
        adapted.save(written)
    if data.dataset.name == KEPT:
        npz_file.write(data.dataset, run.path / KEPT)
    results.write(run)
    RunRecord(
        backbone=opened.name,
        recipe_name="imported",
        recipe={"validation_split": fraction, "phases": []},
        weights=opened.file or "none",
        alpha=1.0,
        seed=_SEED,
        data=TrainingData(
            name=data.dataset.name,
            checksum=data.dataset.checksum,
            synthetic=data.dataset.synthetic,
            labels=data.dataset.labels,
            image_shape=(*_size(data.dataset), 3),
            limit=None,
            train_images=len(data.train),
            validation_images=len(data.validation),
            test_images=len(data.test),
        ),
        image_size=network.taken.size,
        parameters=adapted.parameters,
        multiply_adds=adapted.multiply_adds,
        history=(),
        phases=(),
        seconds=0.0,
        validation=results.validation,
        test=results.test,
        model_file=adapted.file,
        model_sha256=files.sha256(run.model_path),
        imported=Imported(
            file=opened.file,
            sha256=opened.sha256,
            input_range=adapted.input_range,
            ground=adapted.ground,
            output=adapted.output,
        ),
        execution=Execution(),
        provenance=Provenance.now("edge-cifar", *adapted.packages, "numpy"),
        machine=machine.facts(),
    ).write(run.record_path)
