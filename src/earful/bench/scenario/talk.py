"""One session's account: which of its chunks are answered, and whether its finals came in time. Pure.

Guarantees to count every spoken chunk that was due within the timeline once. Written by `caller`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.bench.scenario.timeline import GOOD_WITHIN_S
from earful.bench.spoken import LEAD_IN_MS

if TYPE_CHECKING:
    from earful.bench.scenario.timeline import Timeline
    from earful.bench.voice import Voice


class Talk:
    """A voice's chunks from `first_due_s` on, each `chunk_s` after the one before."""

    __slots__ = ("_answered", "_chunk_s", "_first_due_s", "_timeline", "_voice", "sent")

    def __init__(self, timeline: Timeline, voice: Voice, first_due_s: float, chunk_s: float) -> None:
        """Begin before the first chunk."""
        self._timeline = timeline
        self._voice = voice
        self._first_due_s = first_due_s
        self._chunk_s = chunk_s
        self._answered = 0
        self.sent = 0
        """How many chunks were sent."""

    def answer(self, sequence: int, now_s: float) -> None:
        """Take an answer to all chunks up to this sequence, the number of the last plus one."""
        for chunk in range(self._answered, min(sequence, self.sent)):
            due_s = self._due_s(chunk)
            cell = self._timeline.at(due_s)
            if cell is not None and self._is_counted(chunk):
                cell.owed += 1
                cell.latencies.observe(now_s - due_s)
            self._answered = chunk + 1

    def final(self, start_ms: int, end_ms: int, now_s: float) -> None:
        """Take the final of the utterance between these milliseconds of the session's audio."""
        ended_s = self._due_s(int(end_ms / 1000 / self._chunk_s))
        cell = self._timeline.at(ended_s)
        if cell is not None and now_s - ended_s <= GOOD_WITHIN_S:
            cell.good_s += (end_ms - start_ms) / 1000

    def is_settled(self) -> bool:
        """Whether nothing that counts is owed."""
        return not any(self._is_owed(chunk) for chunk in range(self._answered, self.sent))

    def close(self) -> None:
        """Count what is still owed as not answered; nothing may follow."""
        for chunk in range(self._answered, self.sent):
            cell = self._timeline.at(self._due_s(chunk))
            if cell is not None and self._is_counted(chunk):
                cell.owed += 1
        self.forget()

    def forget(self) -> None:
        """Count what is still owed neither way."""
        self._answered = self.sent

    def _is_owed(self, chunk: int) -> bool:
        return self._timeline.at(self._due_s(chunk)) is not None and self._is_counted(chunk)

    def _is_counted(self, chunk: int) -> bool:
        """Whether it must be answered at once; a session may begin in the midst of a word, as no stretch does."""
        return chunk * self._chunk_s * 1000 >= LEAD_IN_MS and self._voice.is_spoken(chunk)

    def _due_s(self, chunk: int) -> float:
        return self._first_due_s + chunk * self._chunk_s
