"""Copies of one image in a folder: within a class, in two classes, and worst, in training and testing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from edge_cifar.data import Split
from edge_cifar.data.notices import Notices

Named = tuple[Split, Sequence[str]]


def note(splits: Mapping[str, Named], notices: Notices) -> None:
    """Tell of images whose pixels are equal at the size that they are used at.

    Args:
        splits: by name, each with its digests and the names of its files.
        notices: told.
    """
    places = {split: _by_digest(found) for split, found in splits.items()}
    for split, (images, names) in splits.items():
        copies = [numbers for numbers in places[split].values() if len(numbers) > 1]
        notices.noted(
            "{} [image is a copy of another|images are copies of others]",
            (f"{names[number]} ({names[first]})" for first, *others in copies for number in others),
        )
        notices.noted(
            "{} [image stands|images stand] in several classes, so that one label is wrong",
            (
                ", ".join(names[number] for number in numbers)
                for numbers in copies
                if len({int(images.labels[number]) for number in numbers}) > 1
            ),
        )
    for split, what in (("test", "test accuracy"), ("validation", "validation accuracy")):
        if split in splits:
            _, names = splits[split]
            _, trained = splits["train"]
            notices.noted(
                f"{{}} {split} [image is a training image, too, and makes|images are training images, too, and make] "
                f"the {what} too high",
                (
                    f"{names[number]} ({trained[places['train'][digest][0]]})"
                    for digest, numbers in places[split].items()
                    if digest in places["train"]
                    for number in numbers
                ),
            )


def _by_digest(found: Named) -> dict[bytes, list[int]]:
    images, _ = found
    assert images.digests is not None
    numbers: defaultdict[bytes, list[int]] = defaultdict(list)
    for number, digest in enumerate(images.digests):
        numbers[digest.tobytes()].append(number)
    return numbers
