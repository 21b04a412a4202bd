"""How a training went, epoch by epoch and phase by phase, and what computed it; part of a run record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edge_cifar.documents.fields import Fields


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
class Execution:
    """What computed a training, and how. What a record does not tell is None, as all of it is for an imported model.

    Attributes:
        deterministic: whether only deterministic operations were used.
        feature_cache_gb: largest size of the cache of frozen layers' outputs, in GB (1e9 bytes).
        mixed_precision: as asked for: ``auto``, ``off``, ``float16`` or ``bfloat16``.
        backend: of Keras: ``tensorflow``, ``jax`` or ``torch``.
        device: as TensorFlow, JAX or PyTorch call it.
        policy: Keras' dtype policy that ``mixed_precision`` led to on that device.
    """

    deterministic: bool | None = None
    feature_cache_gb: float | None = None
    mixed_precision: str | None = None
    backend: str | None = None
    device: str | None = None
    policy: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The attributes that are known, by their names."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, fields: Fields) -> Execution:
        """Read what :meth:`to_json` writes, from among a record's other values.

        Raises:
            BundleError: a value has another type.
        """
        return cls(
            deterministic=fields.flag("deterministic"),
            feature_cache_gb=fields.number("feature_cache_gb"),
            mixed_precision=fields.text("mixed_precision"),
            backend=fields.text("backend"),
            device=fields.text("device"),
            policy=fields.text("policy"),
        )
