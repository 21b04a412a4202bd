"""The data sets, one module each, found by file name.

A module offers ``load(*, data_dir: Path | None, seed: int, progress: Progress) -> Dataset``.
"""
