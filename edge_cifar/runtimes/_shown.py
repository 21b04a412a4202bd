"""How a loaded model is shown at Python's prompt."""

from __future__ import annotations


class Shown:
    """What every runtime's class inherits: its attributes that a user may want to see, as its ``repr``."""

    name: str
    input_shape: tuple[int, int, int]
    any_size: bool
    classes: int

    def __repr__(self) -> str:
        """For example ``<onnxruntime model: images of 32×32 to 10 scores>``."""
        height, width, _ = self.input_shape
        size = "any size" if self.any_size else f"{height}×{width}"
        return f"<{self.name} model: images of {size} to {self.classes} score{'s' * (self.classes != 1)}>"
