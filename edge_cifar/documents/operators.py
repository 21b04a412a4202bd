"""What each operator of an artifact costs, as a runtime tells it and a bench report keeps it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edge_cifar.documents.fields import Fields


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator of a file as its runtime runs it, which may have joined several into one.

    Attributes:
        name: as the runtime calls it.
        type: such as ``Conv``.
        device: what computes it: ``cpu``, ``gpu``, ``neural-engine``, ...; empty where that is not told.
        milliseconds: median time in one inference; None where the runtime only estimates.
        share: of all operators' time, or of the estimated cost, in 0..1; None where neither is told.
    """

    name: str
    type: str
    device: str
    milliseconds: float | None
    share: float | None

    def to_json(self) -> dict[str, Any]:
        """The attributes by their names."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Fields) -> Operator:
        """Read what :meth:`to_json` writes.

        Raises:
            BundleError: a value has another type.
        """
        return cls(
            name=fields.text("name") or "",
            type=fields.text("type") or "unnamed",
            device=fields.text("device") or "",
            milliseconds=fields.number("milliseconds"),
            share=fields.number("share"),
        )
