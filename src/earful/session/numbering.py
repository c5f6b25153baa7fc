"""The numbers of a session's chunks: which one comes next, and what is wrong with one that does not.

Pure; docs/protocol.md, Sequence numbers. Used by `Session` for every chunk.
"""

from __future__ import annotations

from typing import Final

from earful.errors import ErrorCode

REPEATS_TOLD_EVERY_S: Final = 1.0


class Numbering:
    """Counts chunks. `expected` is the next number, or None while the first is free."""

    __slots__ = ("_tell_repeats_from", "expected")

    def __init__(self, expected: int | None = None) -> None:
        """`expected` is fixed after `started`; a plain session's first number is free."""
        self.expected = expected
        self._tell_repeats_from = float("-inf")

    @property
    def newest(self) -> int:
        """The newest number used, 0 where none was."""
        return 0 if self.expected is None else self.expected - 1

    def number(self, sequence: int | None) -> int:
        """The number of a chunk; one that names none is the next."""
        if sequence is not None:
            return sequence
        return 1 if self.expected is None else self.expected

    def fault(self, number: int) -> ErrorCode | None:
        """What is wrong with a chunk of this number, if anything."""
        if self.expected is None or number == self.expected:
            return None
        return ErrorCode.SEQUENCE_REPEATED if number < self.expected else ErrorCode.SEQUENCE_GAP

    def use(self, number: int) -> None:
        """The chunk of this number is heard, or given up for good."""
        self.expected = number + 1

    def may_tell_repeat(self, now: float) -> bool:
        """Whether a repeated number may be complained about: at most once a second."""
        if now < self._tell_repeats_from:
            return False
        self._tell_repeats_from = now + REPEATS_TOLD_EVERY_S
        return True
