"""What reading a folder of pictures has to tell: nothing is left out, or taken in an unusual way, without a word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

_NAMED_AT_MOST = 10
# Words for one and for several, as in "[file|files]".
_NUMBER = re.compile(r"\[([^][|]*)\|([^][|]*)\]")


class Notices:
    """What was skipped, and what was read in a way that one may not expect, by reason."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, None]] = {}
        self._said: dict[str, None] = {}

    def skipped(self, reason: str, names: Iterable[str]) -> None:
        """Note files or folders that are left out for one reason, worded as for :meth:`noted`; each counts once."""
        self.noted(f"skipped {{}} {reason}", names)

    def noted(self, sentence: str, names: Iterable[str]) -> None:
        """Note files or folders of which one thing is to be told.

        Args:
            sentence: with ``{}`` for their number, and ``[file|files]`` for words that depend on it.
            names: the files or folders; nothing is noted where there are none.
        """
        if names := dict.fromkeys(names):
            self._found.setdefault(sentence, {}).update(names)

    def said(self, sentence: str) -> None:
        """Note a whole sentence."""
        self._said[sentence] = None

    def sentences(self) -> Iterator[str]:
        """One for each reason: how many, why, and the first few names; then the others."""
        for sentence, names in self._found.items():
            counted = _NUMBER.sub(r"\1" if len(names) == 1 else r"\2", sentence)
            yield f"{counted.replace('{}', f'{len(names):,}', 1)}: {listed(list(names))}"
        yield from self._said


def listed(names: Sequence[str]) -> str:
    """The first few of many names."""
    rest = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {rest:,} more" if rest > 0 else "")
