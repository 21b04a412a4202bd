"""CIFAR-10: 60,000 photographs of 32x32 pixels in ten classes.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from pathlib import Path

from edge_cifar.data import Dataset, cifar
from edge_cifar.data.sets import DataSet
from edge_cifar.progress import SILENT, Progress

_PUBLISHED = cifar.CifarSet(
    name="cifar10",
    folder="cifar-10-batches-py",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    archive_md5="c58f30108f718f92721af3b95e74349a",
    archive_bytes=170_498_071,
    train_files=("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"),
    test_files=("test_batch",),
    meta_file="batches.meta",
    md5={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
    label_key=b"labels",
    label_names_key=b"label_names",
)


def load(*, data_dir: Path | str | None = None, seed: int = 0, progress: Progress = SILENT) -> Dataset:
    """The 50,000 training and 10,000 test images; ``seed`` changes nothing, the split is published."""
    return cifar.load(_PUBLISHED, data_dir=data_dir, progress=progress)


DATA_SET = DataSet(name="cifar10", load=load, licence=cifar.LICENCE, published=_PUBLISHED)
