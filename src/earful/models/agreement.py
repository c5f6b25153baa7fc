"""What two runs in a row over one growing utterance agree on: the words that are told while it is open. Pure.

A model that hears the utterance anew each time changes its mind about the newest words; those before them stay.
Called LocalAgreement with n = 2 in Liu, Spanakis and Niehues, "Low-Latency Sequence-to-Sequence Speech Recognition
and Translation by Partial Hypothesis Selection" (2020).
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PUNCTUATION = ".,;:!?\u2026\"'()"


class Agreement:
    """One utterance's words: those of the last run, and how many of them were told."""

    __slots__ = ("_last", "_told")

    def __init__(self) -> None:
        """Begin an utterance."""
        self._last: Sequence[str] = ()
        self._told = 0

    def tell(self, text: str) -> str:
        """The words that this run and the last agree on and that were not told yet, as a fragment to append.

        Words are compared without case and punctuation, and told as the newer run spells them. A word that was told
        is never taken back, whatever later runs say: the final replaces it.
        """
        words = text.split()
        agreed = _common(self._last, words)
        self._last = words
        news = " ".join(words[self._told : agreed])
        if not news:
            return ""
        fragment = f" {news}" if self._told else news
        self._told = agreed
        return fragment


def _common(earlier: Sequence[str], later: Sequence[str]) -> int:
    """How many words the two begin with in common."""
    pairs = zip(map(_plain, earlier), map(_plain, later), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _plain(word: str) -> str:
    return word.strip(_PUNCTUATION).casefold()
