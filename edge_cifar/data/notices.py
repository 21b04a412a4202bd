"""What reading a folder of pictures has to tell: nothing is left out, or taken in an unusual way, without a word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

_NAMED_AT_MOST = 10


class Notices:
    """What was skipped, and what was read in a way that one may not expect, by reason."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, None]] = {}
        self._said: dict[str, None] = {}

    def skipped(self, reason: str, names: Iterable[str]) -> None:
        """Note files or folders that are left out for one reason; each counts once."""
        self.noted(f"skipped {{}} {reason}", names)

    def noted(self, sentence: str, names: Iterable[str]) -> None:
        """Note files or folders of which one thing is to be told.

        Args:
            sentence: with ``{}`` for their number.
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
            yield f"{sentence.format(f'{len(names):,}')}: {listed(list(names))}"
        yield from self._said


def listed(names: Sequence[str]) -> str:
    """The first few of many names."""
    rest = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {rest:,} more" if rest > 0 else "")
