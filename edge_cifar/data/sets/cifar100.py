"""CIFAR-100 with its fine labels: 60,000 photographs of 32x32 pixels in a hundred classes.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from pathlib import Path

from edge_cifar.data import Dataset, cifar
from edge_cifar.data.sets import DataSet
from edge_cifar.progress import SILENT, Progress

_PUBLISHED = cifar.CifarSet(
    name="cifar100",
    folder="cifar-100-python",
    url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    archive_md5="eb9058c3a382ffc7106e4002c42a8d85",
    archive_bytes=169_001_437,
    train_files=("train",),
    test_files=("test",),
    meta_file="meta",
    md5={
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    },
    label_key=b"fine_labels",
    label_names_key=b"fine_label_names",
)


def load(*, data_dir: Path | str | None = None, seed: int = 0, progress: Progress = SILENT) -> Dataset:
    """The 50,000 training and 10,000 test images; ``seed`` changes nothing, the split is published."""
    return cifar.load(_PUBLISHED, data_dir=data_dir, progress=progress)


DATA_SET = DataSet(name="cifar100", load=load, licence=cifar.LICENCE, published=_PUBLISHED)
