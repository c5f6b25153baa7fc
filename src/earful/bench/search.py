"""The most streams that hold: doubled until they do not, then halved between, to within 5 %.

Guarantees an end after some four dozen steps at most, whatever the judgements, and that no number counts as too many
before it failed twice: a slow second of the machine's is not the server's. Pure; `run` asks it what to try.
"""

from __future__ import annotations

MAX_STREAMS = 100_000
_WITHIN = 0.05


class Search:
    """`holds` is the largest number that held so far, 0 for none; `fails` the smallest that did not, if any."""

    __slots__ = ("_doubted", "_first", "fails", "holds")

    def __init__(self, first: int) -> None:
        """Begin with `first`, at least one; not more than MAX_STREAMS are ever tried."""
        self._first = min(first, MAX_STREAMS)
        self.holds = 0
        self.fails: int | None = None
        self._doubted: int | None = None
        """The number that has failed once."""

    def next(self) -> int | None:
        """What to try; None where the answer is known."""
        if self._doubted is not None:
            return self._doubted
        if self.fails is None:
            wanted = min(2 * self.holds, MAX_STREAMS) or self._first
            return None if wanted == self.holds else wanted
        if self.fails - self.holds <= max(1.0, _WITHIN * self.holds):
            return None
        return (self.holds + self.fails) // 2

    def judge(self, streams: int, *, held: bool) -> None:
        """Take what came of the number that `next` gave."""
        is_first_failure = not held and self._doubted is None
        self._doubted = streams if is_first_failure else None
        if held:
            self.holds = streams
        elif not is_first_failure:
            self.fails = streams
