"""The beat that callers speak to: each chunk interval has moments, and each caller one of them for its own.

Guarantees an absolute schedule, however late a beat may be, and that callers are spread evenly. Driven by
`performance`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earful.bench.scenario.caller import Caller

BEAT_MS = 2


class Metronome:
    """Beats from `began_s` on, every 2 ms or so; `take` asks who is to speak at one."""

    __slots__ = ("_began_s", "_groups", "_taken", "beat_s")

    def __init__(self, chunk_ms: int, began_s: float) -> None:
        """Begin with nobody."""
        self._groups: list[list[tuple[Caller, int]]] = [[] for _ in range(max(1, chunk_ms // BEAT_MS))]
        """With the beat from which on each of them speaks."""
        self.beat_s = chunk_ms / 1000 / len(self._groups)
        self._began_s = began_s
        self._taken = -1

    def due_s(self, beat: int) -> float:
        """When this beat is, counted from 0."""
        return self._began_s + beat * self.beat_s

    def join(self, caller: Caller, now_s: float) -> float:
        """Let it speak from the next beat on where there is most room; when that is."""
        moments = len(self._groups)
        beat = max(self._taken, int((now_s - self._began_s) / self.beat_s))
        ahead = min(range(1, moments + 1), key=lambda nth: len(self._groups[(beat + nth) % moments]))
        self._groups[(beat + ahead) % moments].append((caller, beat + ahead))
        return self.due_s(beat + ahead)

    def take(self, beat: int) -> list[Caller]:
        """Who is to speak at this beat, the last one's successor; those that stopped or are gone are forgotten.

        Nobody speaks at a beat from before it joined, which may come late.
        """
        self._taken = beat
        nth = beat % len(self._groups)
        self._groups[nth] = there = [(caller, first) for caller, first in self._groups[nth] if caller.is_speaking]
        return [caller for caller, first in there if first <= beat]
