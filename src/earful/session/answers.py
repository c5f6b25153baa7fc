"""The order of what a session owes: finals, the flushes that each of them answers, then acks. Pure.

Guarantees that nothing overtakes what lies before it in the audio: so a cursor says of all before its mark
that the client has it. `Session` owes flushes to it, and tells what it gives.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from typing import Final as Constant

from earful.protocol.messages import Flushed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earful.protocol.messages import Ack, Final, Flush
    from earful.session.transcript import Transcript

MAX_FLUSHES: Constant = 64
"""Unanswered flushes above which a session wants no more input."""


class Answers:
    """The flushes that wait, each for the finals of the utterances before it."""

    __slots__ = ("_flushes",)

    def __init__(self) -> None:
        """Nothing is owed."""
        self._flushes: deque[tuple[Flushed, int]] = deque()

    @property
    def has_room(self) -> bool:
        """Whether another flush may come."""
        return len(self._flushes) < MAX_FLUSHES

    def owe(self, flush: Flush, *, sequence: int, index: int) -> None:
        """Owe `flushed`, for chunks up to `sequence`, once all utterances below `index` have their finals."""
        self._flushes.append((Flushed(flush.id, sequence), index))

    def take(self, transcript: Transcript) -> Iterator[Flushed | Ack | Final]:
        """Everything whose turn has come."""
        while True:
            while self._flushes and self._flushes[0][1] <= transcript.answered_index:
                yield self._flushes.popleft()[0]
            ack = transcript.take_ack()
            if ack is not None:
                yield ack
            final = transcript.take_final()
            if final is None:
                return
            yield final
