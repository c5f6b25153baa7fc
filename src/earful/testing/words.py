"""How many words a transcript gets wrong. Pure."""

from __future__ import annotations

import re


def word_error_rate(expected: str, heard: str) -> float:
    """Words to put in, take out or change to make `heard` of `expected`, over the words of `expected`.

    Case and punctuation do not count. Raises ValueError where `expected` has no word.
    """
    wanted, found = _words(expected), _words(heard)
    if not wanted:
        raise ValueError("a text without words has no word error rate")
    distances = list(range(len(found) + 1))  # Of the first words of `wanted` to each beginning of `found`.
    for row, word in enumerate(wanted, start=1):
        diagonal, distances[0] = distances[0], row
        for column, other in enumerate(found, start=1):
            changed = diagonal + (word != other)
            diagonal = distances[column]
            distances[column] = min(changed, diagonal + 1, distances[column - 1] + 1)
    return distances[-1] / len(wanted)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:['\u2019][^\W_]+)*", text.casefold())
