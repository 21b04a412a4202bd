"""The data sets, one module each, found by file name.

A module offers ``load(*, data_dir: Path | str | None, seed: int, progress: Progress) -> Dataset`` and
``LICENCE``, a sentence or two on who made the images and what they allow, for the model card.
"""
