"""What a package may ask for. All are far above any image classifier; what exceeds one is refused."""

from __future__ import annotations

MANIFEST_BYTES = 1 << 20
"""Size of ``Manifest.json``; real ones have under 2 kB."""

SPEC_BYTES = 32 << 20
"""Size of ``model.mlmodel`` without the weights; that of ResNet50 is under 1 MB."""

RANK = 8
"""Axes of a tensor."""

ELEMENTS = 1 << 32
"""Elements of a tensor, axes of length 0 counted as 1: a tensor of more is refused as soon as it is read of."""

CONSTANT_BYTES = 1 << 31
"""All constants together, as stored and again where decompressed or widened. VGG16 with its ImageNet head: 830 MB."""

IMAGE_BYTES = 1 << 29
"""Values alive at once while one image is computed. VGG16 at 224 pixels needs 26 MB."""

IMAGE_WORK = 200_000_000_000
"""Multiplications for one image, and what takes as long: some twenty seconds. VGG16 at 224 pixels: 15.5 billion."""

STEP_WORK = 100_000
"""What one call into NumPy counts for, however few elements it touches."""

ELEMENT_WORK = 16
"""What computing one element counts for, where an operation does not say."""

CHUNK_BYTES = 192 << 20
"""Values alive at once in one thread: images are computed in chunks of as many as fit."""

CHUNK_IMAGES = 32
"""Images computed at once: more make the rows of a matrix product no faster."""
