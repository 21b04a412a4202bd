"""Whether a foreign model tells pictures apart, and whether it does so better in another input range.

A model file mostly does not say which numbers it takes for a pixel. Given others than it was trained on, it
answers all the same, mostly with one class for everything and a probability near 1.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_cifar import input_ranges, model_files
from edge_cifar.command_line import command_line
from edge_cifar.evaluation import scores
from edge_cifar.evaluation.variety import SAME, variety
from edge_cifar.pixels import Setup
from edge_cifar.preprocessing import Preprocessing
from edge_cifar.runtimes import Runtime

# So few answers may well be the same; so many pictures are kept to try other ranges on.
_FEWEST_ALIKE = 3
_MOST_KEPT = 16
# Another range must tell half as many classes again apart: sound answers in the right range leave no room for that.
_CLEARLY_BETTER = 1.5


class AnswerCheck:
    """The first different pictures that a foreign file answered, with its answers."""

    def __init__(self, path: Path, runtime: Runtime, setup: Setup, threads: int) -> None:
        """Nothing is known yet.

        Args:
            path: the model file.
            runtime: what answers.
            setup: that it was loaded with.
            threads: CPU threads that one inference may use.
        """
        self._path = path
        self._setup = setup
        self._threads = threads
        self._given = runtime.preprocessing
        self._assumed = runtime.range_ground == "assumed"
        self._pictures: dict[int, NDArray[np.uint8]] = {}
        self._answers: list[NDArray[np.float32]] = []

    @property
    def assumption(self) -> str:
        """What is taken for granted of the file's input, for people; empty where nothing is."""
        if not self._assumed:
            return ""
        return f"{self._path.name}: assuming an input range of {self._range}, as the file does not state it"

    def add(self, pixels: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> None:
        """Take note of an answer; the same picture again says nothing new.

        Args:
            pixels: uint8 ``[H, W, 3]``, as the model got them.
            probabilities: float32 ``[classes]``.
        """
        key = hash(pixels.tobytes())
        if key not in self._pictures and len(self._pictures) < _MOST_KEPT:
            self._pictures[key] = pixels
            self._answers.append(probabilities)

    def alike(self, labels: tuple[str, ...]) -> str:
        """That all pictures got the same answer, for people; empty where they did not, or are too few to tell."""
        if len(self._answers) < _FEWEST_ALIKE or variety(np.array(self._answers)) > SAME:
            return ""
        likeliest = int(self._answers[0].argmax())
        cause = f"the input range is probably not {self._range}" if self._assumed else "check the model"
        return (
            f"{self._path.name}: the predictions for {len(self._answers)} different images are identical "
            f"({labels[likeliest]}, {self._answers[0][likeliest]:.1%}); if that is wrong, {cause}"
        )

    def better_range(self) -> str:
        """Which other common range tells the pictures much better apart, for people; empty where none does.

        Asked only where the range is assumed and there are two pictures. The file is loaded once more for each range.
        """
        if len(self._answers) < 2 or not self._assumed:
            return ""
        _, *others = input_ranges.to_try(self._given, self._setup.preprocessing)
        tried = [(self._variety_in(other), other) for other in others]
        most, best = max(tried, key=lambda pair: pair[0])
        if most < _CLEARLY_BETTER * variety(np.array(self._answers)):
            return ""
        compare = command_line("bench", self._path, *best.options.split(), "--data", "FOLDER")
        return (
            f"{self._path.name}: an input range of {input_ranges.name_of(best)} separates these images far better than "
            f"{self._range}; compare both on labeled images: {compare}"
        )

    @property
    def _range(self) -> str:
        return input_ranges.name_of(self._given)

    def _variety_in(self, other: Preprocessing) -> float:
        setup = replace(self._setup, preprocessing=other)
        runtime = model_files.load(self._path, threads=self._threads, setup=setup)
        answers = np.concatenate([runtime.predict(pixels[None]) for pixels in self._pictures.values()])
        return variety(scores.as_probabilities(answers)[0]) if scores.are_numbers(answers) else 0.0
