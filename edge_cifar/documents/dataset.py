"""What a model was trained on: the data set, and how many images each of its splits has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_cifar.documents.accuracy import DataSource
from edge_cifar.documents.fields import Fields

_SHAPE = "height, width and channels of an image"


@dataclass(frozen=True, kw_only=True)
class DatasetInfo(DataSource):
    """A data set, as far as a document tells of it.

    Attributes:
        labels: class names; empty where they are not told.
        image_shape: ``(height, width, 3)`` of raw images; empty where it is not told.
        limit: how many images it was limited to; None where it was not.
        train_images, validation_images, test_images: how many there are of each; None where that is not told.
    """

    labels: tuple[str, ...]
    image_shape: tuple[int, ...]
    limit: int | None
    train_images: int | None
    validation_images: int | None
    test_images: int | None

    @property
    def source(self) -> DataSource:
        """What a result on its images says of them."""
        return DataSource(name=self.name, synthetic=self.synthetic, checksum=self.checksum)

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of raw images; None where they are not told."""
        return (self.image_shape[0], self.image_shape[1]) if self.image_shape else None

    def to_json(self) -> dict[str, Any]:
        """The attributes by their names."""
        return {
            **super().to_json(),
            "labels": list(self.labels),
            "image_shape": list(self.image_shape),
            "limit": self.limit,
            "train_images": self.train_images,
            "validation_images": self.validation_images,
            "test_images": self.test_images,
        }

    @classmethod
    def from_json(cls, fields: Fields) -> DatasetInfo | None:
        """Read what :meth:`to_json` writes; None where no name is told.

        Raises:
            BundleError: a value has another type.
        """
        source = DataSource.from_json(fields)
        if source is None:
            return None
        shape = tuple(map(int, fields.numbers("image_shape")))
        if len(shape) not in (0, 3):
            raise fields.refuse("image_shape", _SHAPE)
        return cls(
            **source.to_json(),
            labels=fields.texts("labels"),
            image_shape=shape,
            limit=fields.whole("limit"),
            train_images=fields.whole("train_images"),
            validation_images=fields.whole("validation_images"),
            test_images=fields.whole("test_images"),
        )


@dataclass(frozen=True, kw_only=True)
class TrainingData(DatasetInfo):
    """The data of a training, which tells all of it."""

    train_images: int
    validation_images: int
    test_images: int

    @classmethod
    def from_json(cls, fields: Fields) -> TrainingData:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value is missing or has another type.
        """
        fields.required_text("name")
        if not fields.has("labels"):
            raise fields.refuse("labels", "the names of the classes")
        if not fields.has("image_shape"):
            raise fields.refuse("image_shape", _SHAPE)
        for key in ("train_images", "validation_images", "test_images"):
            fields.required_whole(key)
        found = super().from_json(fields)
        assert isinstance(found, cls)
        return found
