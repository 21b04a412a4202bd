"""A confusion matrix for the page: shares of each true class, the errors shaded relative to the worst."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

View = dict[str, Any]


def lines(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> list[View]:
    """The matrix line by line.

    Args:
        confusion: images by true class (lines) and predicted class (cells).
        labels: class names.
    """
    shares = [[count / max(1, sum(line)) for count in line] for line in confusion]
    worst = max((value for r, line in enumerate(shares) for c, value in enumerate(line) if r != c), default=0.0)
    return [
        {
            "label": labels[r],
            "cells": [
                {
                    "kind": "right" if r == c else "wrong" if value > 0 else "nothing",
                    "share": round(value if r == c else value / worst if worst else 0.0, 3),
                    "title": f"{confusion[r][c]:,} of {sum(confusion[r]):,} {labels[r]} classified as {labels[c]}",
                    "text": f"{100 * value:.1f}" if value else "",
                }
                for c, value in enumerate(line)
            ],
        }
        for r, line in enumerate(shares)
    ]
