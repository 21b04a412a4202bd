"""What helps where a runtime refuses a file: to export it again helps only where the file is damaged."""

from __future__ import annotations

from collections.abc import Sequence

from edge_cifar.errors import first_line

AGAIN = "export it again"

Remedies = Sequence[tuple[str, str]]


def remedy(error: BaseException, remedies: Remedies, otherwise: str = AGAIN) -> str:
    """What a user may do about a runtime's error.

    Args:
        error: what the runtime raised.
        remedies: words of its messages, each with what helps then; the first that is found counts.
        otherwise: what helps where none is found.
    """
    message = str(error).lower()
    return next((helps for words, helps in remedies if words.lower() in message), otherwise)


def refusal(source: str, kind: str, error: BaseException, remedies: Remedies, otherwise: str = AGAIN) -> str:
    """The sentence for a file that a runtime refuses, with the first line of its own message and what helps."""
    return f"{source} is not a {kind} ({first_line(error)}); {remedy(error, remedies, otherwise)}"
