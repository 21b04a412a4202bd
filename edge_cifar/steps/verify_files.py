"""``verify A B``: compare model files with each other on labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_cifar import model_files
from edge_cifar.bench.probe import input_size
from edge_cifar.data import calibration
from edge_cifar.data.class_order import in_order
from edge_cifar.data.loading import is_folder, load
from edge_cifar.documents.accuracy import DataSource
from edge_cifar.documents.verification import Verification
from edge_cifar.errors import UsageError, unknown
from edge_cifar.model_options import ModelOptions
from edge_cifar.parity.file_comparison import PRECISIONS, ComparedFile, LabelledImages, compare_files
from edge_cifar.pixels import Setup
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.progress import Progress
from edge_cifar.steps.targets import ModelFile


def verify_files(
    files: Sequence[ModelFile],
    *,
    data: str | None,
    data_dir: Path | str | None,
    images: int | None,
    precision: str | None,
    progress: Progress,
) -> list[Verification]:
    """Compare model files with the first of them.

    Args:
        files: at least two.
        data: the data set whose test images they are asked: a registered name, or a folder of images by class.
        data_dir: its directory.
        images: how many, class-balanced; all for None.
        precision: whose tolerance they have to meet; None for that of the coarser weights of each two.
        progress: receives progress messages.

    Raises:
        UsageError: no data set is named, or the precision is unknown.
        BundleError, RuntimeUnavailable: the first file cannot be asked.
        DataError: the data set is missing or damaged.
    """
    if data is None:
        raise UsageError("model files are compared on labelled images; name them with --data NAME|FOLDER")
    if precision not in (None, *PRECISIONS):
        raise unknown("precision", str(precision), PRECISIONS)
    compared = [_compared(file) for file in files]
    size = None
    if is_folder(data):
        size = files[0].options.image_size or input_size(compared[0].path, compared[0].setup)
    dataset = load(data, data_dir=data_dir, image_size=size, progress=progress)
    for file in files:
        # A single name is that of the second of two classes.
        if file.options.labels and len(file.options.labels) > 1:
            dataset = in_order(dataset, file.options.labels, by_number=not is_folder(data))
    for file in files:
        if overruled := model_files.overruled(file.path, file.options.preprocessing):
            progress.say(f"{file.path.name}: {overruled}")
    test = dataset.test
    if images is not None and images < len(test):
        test = test.take(calibration.sample(test, images, seed=0))
    asked = LabelledImages(
        images=test.images,
        labels=test.labels,
        names=tuple(dataset.labels),
        data=DataSource(name=dataset.name, checksum=dataset.checksum, synthetic=dataset.synthetic),
    )
    return compare_files(compared[0], compared[1:], asked, precision=precision, progress=progress)


def _compared(file: ModelFile) -> ComparedFile:
    if not file.foreign:
        labels = file.bundle.labels if file.bundle else file.run.record().data.labels if file.run else None
        return ComparedFile(path=file.path, setup=Setup(), labels=labels, told=Preprocessing(), foreign=False)
    options: ModelOptions = file.options
    setup = Setup(preprocessing=options.preprocessing, output=options.output, image_size=options.image_size)
    return ComparedFile(
        path=file.path,
        setup=model_files.completed(file.path, setup),
        labels=options.labels or model_files.stated(file.path).labels,
        told=options.preprocessing,
        foreign=True,
    )
