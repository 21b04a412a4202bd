"""Images and labels as arrays, however people keep them: brought to raw RGB pixels and class numbers, and split."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_cifar.data import Dataset, Split, checksum
from edge_cifar.data.image_folder import TEST_FRACTION
from edge_cifar.data.splits import stratified_mask
from edge_cifar.errors import DataError
from edge_cifar.progress import SILENT, Progress

# What an iterable without a length may yield: an endless one would fill the memory.
_MOST_BATCHED = 200_000
# The ranges that images are commonly kept in; the first that holds all values is theirs.
_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Images with their labels as they were given.

    Attributes:
        images: ``[N, H, W]``, ``[N, H, W, 1 or 3]`` or ``[N, 1 or 3, H, W]``; bytes, or floats in a common range.
        labels: ``[N]`` class numbers or names, ``[N, 1]``, or ``[N, classes]`` one-hot.
    """

    images: NDArray[Any]
    labels: NDArray[Any]


def dataset(
    parts: Mapping[str, Labelled],
    *,
    name: str,
    class_names: Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Dataset:
    """A data set of arrays.

    Args:
        parts: by the name of a split: ``train``, ``validation``, ``test``. Where there is no ``test``, or it is all
            there is, a fifth of each class is held out for testing, as of a folder.
        name: what the data set is called.
        class_names: in the order of the class numbers; numbered where nobody tells.
        seed: of the test split.
        progress: told how the images were turned round.

    Raises:
        DataError: the arrays are no images with labels, do not belong together, or are too few.
    """
    low, high = _range([part.images for part in parts.values()])
    as_bytes = all(_are_raw(part.images, low, high) for part in parts.values())
    if any(_channels_first(part.images) for part in parts.values()):
        progress.say("the images are given as [N, channels, height, width]; their channels were moved behind")
    if any(_channels_first(part.images) for part in parts.values()):
        progress.say("the images are given as [N, channels, height, width]; their channels were moved behind")
    names, numbers = _numbered([part.labels for part in parts.values()], class_names)
    splits = {
        split: _split(part.images, labels, low, high, f"the {split} images of {name}")
        for (split, part), labels in zip(parts.items(), numbers, strict=True)
    }
    shapes = {split.images.shape[1:] for split in splits.values()}
    if len(shapes) > 1:
        raise DataError(f"the splits of {name} have images of different sizes; bring them to one size")
    train = splits.get("train") or splits.get("test") or next(iter(splits.values()))
    test = splits.get("test")
    validation = splits.get("validation") if train is not splits.get("validation") else None
    if test is None or test is train:
        held_out = stratified_mask(train.labels, TEST_FRACTION, seed)
        train, test = train.take(np.flatnonzero(~held_out)), train.take(np.flatnonzero(held_out))
    if not len(test) or not len(train):
        raise DataError(f"{name} has too few images to hold out a test set; give at least two of each class")
    return Dataset(
        name=name,
        train=train,
        test=test,
        validation=validation,
        labels=names,
        checksum=checksum.of_splits(*filter(None, (train, test, validation))),
        synthetic=False,
        given_range=None if as_bytes else (low, high),
    )


def given(data: Any) -> tuple[dict[str, Labelled], tuple[str, ...] | None]:
    """What a Python program gives as data, in memory.

    Args:
        data: ``(images, labels)``; ``((images, labels), (images, labels))`` for training and testing, as
            ``keras.datasets`` has them; or anything that yields batches of images and labels, such as a
            ``tf.data.Dataset``, also two of them.

    Returns:
        the arrays by split, and the class names where the data have some.

    Raises:
        DataError: it is nothing of that kind.
    """
    if isinstance(data, tuple | list) and len(data) == 2 and not _is_array(data[0]):
        (train, names), (test, _) = (_labelled(part) for part in data)
        return {"train": train, "test": test}, names
    labelled, names = _labelled(data)
    return {"train": labelled}, names


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") or (isinstance(value, list) and bool(value) and not isinstance(value[0], tuple))


def _labelled(data: Any) -> tuple[Labelled, tuple[str, ...] | None]:
    if isinstance(data, tuple | list) and len(data) == 2 and _is_array(data[0]):
        images, labels = data
    else:
        images, labels = _gathered(data)
    try:
        return Labelled(images=np.asarray(images), labels=np.asarray(labels)), _class_names(data)
    except ValueError as error:
        raise DataError(f"the images differ in size ({error}); bring them to one size") from error


def _class_names(data: Any) -> tuple[str, ...] | None:
    """Names that Keras' loaders of folders put on what they return."""
    found = getattr(data, "class_names", None) or getattr(data, "class_indices", None)
    return tuple(map(str, found)) if found else None


def _gathered(batches: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """All images and labels that an iterable yields in batches, or one by one."""
    if not isinstance(batches, Iterable) and not hasattr(batches, "__getitem__"):
        raise DataError(
            f"data must be a folder, a file, (images, labels) or yield batches of them; got {type(batches).__name__}"
        )
    images, labels, count = [], [], 0
    for batch in _finite(batches):
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            raise DataError("the data do not yield (images, labels); give labelled batches")
        image, label = np.asarray(batch[0]), np.asarray(batch[1])
        single = image.ndim < 4 and label.ndim == 0
        images.append(image[np.newaxis] if single else image)
        labels.append(label[np.newaxis] if single else label)
        count += len(images[-1])
        if count > _MOST_BATCHED:
            raise DataError(f"the data yield more than {_MOST_BATCHED:,} images, perhaps without end; take fewer")
    if not images:
        raise DataError("the data yield no images")
    try:
        return np.concatenate(images), np.concatenate(labels)
    except ValueError as error:
        raise DataError(f"the batches do not belong together ({error})") from error


def _finite(batches: Any) -> Iterable[Any]:
    """An iterable, ended by its length where it has one: Keras' own sequences go on for ever."""
    cardinality = getattr(batches, "cardinality", None)
    if callable(cardinality) and int(cardinality()) == -1:
        raise DataError("the data set repeats without end; pass it without repeat(), or with take(n)")
    if hasattr(batches, "__getitem__") and hasattr(batches, "__len__"):
        return (batches[number] for number in range(len(batches)))
    return iter(batches) if not hasattr(batches, "__len__") else itertools.islice(batches, len(batches))


def _are_raw(images: NDArray[Any], low: float, high: float) -> bool:
    """Whether images are pixels as files hold them: whole numbers from 0 to 255, of any type."""
    return images.dtype == np.uint8 or ((low, high) == _RANGES[-1] and not np.any(images % 1))


def _range(arrays: Sequence[NDArray[Any]]) -> tuple[float, float]:
    """The range that all images are in: what black and white are."""
    if any(array.size == 0 or array.dtype.kind not in "uifb" for array in arrays):
        raise DataError("the images must be arrays of numbers, not empty; give raw pixels, 0 to 255")
    if all(array.dtype == np.uint8 for array in arrays):
        return _RANGES[-1]
    low, high = min(float(array.min()) for array in arrays), max(float(array.max()) for array in arrays)
    for least, most in _RANGES:
        if least <= low and high <= most:
            return least, most
    raise DataError(
        f"the images have values from {low:g} to {high:g}, which are no pixels; give raw ones, 0 to 255, and tell how "
        "the model was given them with --mean and --std or --input-range"
    )


def _channels_first(images: NDArray[Any]) -> bool:
    return images.ndim == 4 and images.shape[3] not in (1, 3) and images.shape[1] in (1, 3)


def _split(images: NDArray[Any], labels: NDArray[np.int64], low: float, high: float, what: str) -> Split:
    if _channels_first(images):
        images = images.transpose(0, 2, 3, 1)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise DataError(f"{what} have shape {list(images.shape)}; give [N, height, width, 3], or [N, height, width]")
    if len(images) != len(labels):
        raise DataError(f"{what} are {len(images)}, their labels {len(labels)}")
    if images.dtype != np.uint8:
        scaled = (images.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
        images = np.rint(scaled).astype(np.uint8)
    if images.shape[3] == 1:
        images = images.repeat(3, axis=3)
    return Split(images=np.ascontiguousarray(images), labels=labels)


def _numbered(
    labels: Sequence[NDArray[Any]], class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], list[NDArray[np.int64]]]:
    """The classes' names, and each split's labels as class numbers."""
    flat = [_flat(one) for one in labels]
    if any(one.dtype.kind in "US" for one in flat):
        found = sorted({str(name) for one in flat for name in one})
        names = tuple(class_names) if class_names else tuple(found)
        if unknown := set(found) - set(names):
            raise DataError(f"the data have labels that are no class names: {', '.join(sorted(unknown)[:5])}")
        places = {name: number for number, name in enumerate(names)}
        return names, [np.array([places[str(name)] for name in one], np.int64) for one in flat]
    numbers = [one.astype(np.int64) for one in flat]
    if any((one != number).any() or number.min() < 0 for one, number in zip(flat, numbers, strict=True)):
        raise DataError("class numbers must be integers from 0 on; give them, one-hot rows or class names")
    count = max(int(one.max()) for one in numbers) + 1
    if class_names and count > len(class_names):
        raise DataError(f"the data have {count} classes but {len(class_names)} class names")
    return tuple(class_names) if class_names else numbered_names(max(count, 2)), numbers


def _flat(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels as ``[N]``, one-hot rows among them."""
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "uifb":
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise DataError("the labels give several classes an image, or shares of them; give one class an image")
        return np.asarray(labels.argmax(axis=1))
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "uifbUS":
        raise DataError(f"the labels have shape {list(labels.shape)}; give one class number an image")
    return labels.astype(str) if labels.dtype.kind == "S" else labels


def numbered_names(count: int) -> tuple[str, ...]:
    """What classes are called that nobody has named."""
    return tuple(f"class {number}" for number in range(count))
