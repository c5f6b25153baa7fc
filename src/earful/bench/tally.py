"""What went wrong with a set of connections, and how many answers came. Pure; the connections write it."""

from __future__ import annotations

from collections import Counter

_KINDS_KEPT = 50
_CODE_LENGTH = 40


class Tally:
    """Counts: `answers` (partials and finals), `errors` by code, `lost` connections by reason, `refused` by status."""

    __slots__ = ("answers", "errors", "lost", "refused", "unreachable")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.answers = 0
        self.errors: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        """By close code, 1006 where none came, or `unsent` where the server stopped reading."""
        self.refused: Counter[str] = Counter()
        """Upgrades that were answered with this HTTP status."""
        self.unreachable: Counter[str] = Counter()
        """Connections that could not be made, or whose upgrade was not answered, by reason."""

    def note_error(self, code: str) -> None:
        """Count an error message; codes are the server's words, so that not every one is kept."""
        _note(self.errors, code[:_CODE_LENGTH], 1)

    def note_unreachable(self, reason: str, number: int = 1) -> None:
        """Count connections that were not made."""
        _note(self.unreachable, reason, number)

    def sentence(self) -> str:
        """What went wrong, in a few words; empty where nothing did."""
        parts = [f"{count} refused with HTTP {status}" for status, count in self.refused.items()]
        parts += [f"{count} not connected ({reason})" for reason, count in self.unreachable.items()]
        parts += [f"{count} lost ({reason})" for reason, count in self.lost.items()]
        parts += [f"{count} errors {code}" for code, count in self.errors.items()]
        return ", ".join(parts)


def _note(counts: Counter[str], kind: str, number: int) -> None:
    """Count, with a bound on how many kinds there are."""
    if number:
        counts[kind if kind in counts or len(counts) < _KINDS_KEPT else "other"] += number
