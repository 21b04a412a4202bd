"""Fixtures that several test modules share; the costly ones are made once for the whole session."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from edge_cifar.data import Dataset
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.run import Run
from edge_cifar.progress import Progress
from edge_cifar.storage import locks

# TensorFlow's start-up lines would drown the failures; set before any test module imports it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# No example has a time limit that a slow machine breaks.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_interrupts() -> None:
    """A shell starts its background jobs deaf to Ctrl-C, and tests of interrupts with them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _synthetic_made_once() -> None:
    """A process makes the synthetic pictures of a seed once: hundreds of tests load them, each for half a second."""
    from edge_cifar.data.sets import synthetic

    make = synthetic.load

    @cache
    def made(painter: object, data_dir: Path | str | None, seed: int) -> Dataset:
        dataset = make(data_dir=data_dir, seed=seed)
        for split in (dataset.train, dataset.test):
            split.images.setflags(write=False)
            split.labels.setflags(write=False)
        return dataset

    def load(*, data_dir: Path | str | None, seed: int, progress: Progress) -> Dataset:
        # Some tests replace what paints them.
        return made(synthetic._make, data_dir, seed)

    synthetic.DATA_SET = replace(synthetic.DATA_SET, load=load)


@pytest.fixture(scope="session")
def synthetic() -> Dataset:
    """A small synthetic data set: at most 400 training and 400 test images."""
    from edge_cifar.data.loading import load

    return load("synthetic", limit=400, seed=0)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A ResNet8 trained by the real ``train`` step on a little synthetic data. Read it, do not change it."""
    pytest.importorskip("tensorflow", reason="training needs TensorFlow")
    from edge_cifar.steps.train import train

    def make(out: Path) -> None:
        train("resnet8", data="synthetic", limit=1500, epochs=(6,), batch_size=32, learning_rate=0.05, seed=0, out=out)

    return Run(made_once(tmp_path_factory, "resnet8", make, tmp_path_factory.mktemp("runs") / "resnet8"))


@pytest.fixture(scope="session")
def tiny_bundle(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The default export of ``tiny_run``. Read it, copy it to change it."""
    pytest.importorskip("tensorflow", reason="export needs TensorFlow")
    from edge_cifar.steps.export import export

    def make(out: Path) -> None:
        export(tiny_run, calibration_images=100, reference_images=200, max_drop=100.0, out=out)

    return Bundle.open(made_once(tmp_path_factory, "export", make, tiny_run.path / "export"))


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None], copy: Path) -> Path:
    """A folder that one of the processes that run tests side by side makes, and all the others copy.

    Args:
        factory: of temporary folders.
        name: the folder's, among those that they share.
        make: makes it.
        copy: where this process wants it; it is this process's own.
    """
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each has its temporary folders beside those of the others
        shared = shared.parent
    lock = shared / f"{name}.lock"
    descriptor = locks.acquire(lock, wait=True)
    try:
        if not (shared / name).exists():
            make(shared / f"{name}.part" / name)
            (shared / f"{name}.part" / name).rename(shared / name)
    finally:
        locks.release(lock, descriptor)
    shutil.copytree(shared / name, copy)
    return copy


@pytest.fixture(scope="session")
def tflite_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The hand-made network of :mod:`mean_colour` as TFLite: in floats, in signed and in unsigned bytes."""
    from support.mean_colour import write_tflite

    return write_tflite(tmp_path_factory.mktemp("tflite"))


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the working directory while the test runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def images_without_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Synthetic data are noise in ten colours, so easy that a little training leaves a network sure of each image."""
    from support import backbones as backbones_support

    from edge_cifar.data.sets import synthetic

    monkeypatch.setattr(synthetic, "_make", backbones_support.coloured)


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded images go with the session; workers and commands that tests start have this place, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_CIFAR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
