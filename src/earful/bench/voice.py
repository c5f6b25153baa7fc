"""What one stream says, chunk by chunk: the recording from an offset of its own, in turns where it is not always on.

Guarantees the same for the same number, and that offsets and turns of many voices are spread evenly, so
that as many speak at any moment as at any other. Pure; called by `stream` for every chunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.bench.spoken import LEAD_IN_MS

if TYPE_CHECKING:
    from earful.bench.recording import Recording

TURN_S = 4.0

# Multiples of these two, less their whole part, fill the unit square evenly: the R2 sequence of M. Roberts, "The
# Unreasonable Effectiveness of Quasirandom Sequences" (2018).
_OFFSET_STEP, _PHASE_STEP = 0.7548776662466927, 0.5698402910980532


class Turns:
    """When a voice speaks: turns of 4 s, and between them as much silence as makes `duty` of the time."""

    __slots__ = ("_chunk_s", "_cycle_s", "_phase_s")

    def __init__(self, number: int, duty: float, chunk_ms: int) -> None:
        """Take a share above 0 and up to 1."""
        self._chunk_s = chunk_ms / 1000
        self._cycle_s = TURN_S / duty
        self._phase_s = number * _PHASE_STEP % 1 * self._cycle_s

    def is_on(self, chunk: int) -> bool:
        """Whether the chunk of this number begins inside a turn; then all of it is spoken."""
        return self._into(chunk) < TURN_S

    def is_settled(self, chunk: int) -> bool:
        """Whether it also begins late enough in its turn for a detector to be sure."""
        # The turn's first chunk may begin nearly a whole one after the turn.
        return LEAD_IN_MS / 1000 + self._chunk_s <= self._into(chunk) < TURN_S

    def _into(self, chunk: int) -> float:
        return (chunk * self._chunk_s + self._phase_s) % self._cycle_s


class Voice:
    """The chunks of stream `number`, counted from 0."""

    __slots__ = ("_offset", "_recording", "_size", "_turns")

    def __init__(self, recording: Recording, number: int, turns: Turns | None = None) -> None:
        """Speak all the time where there are no `turns`."""
        self._recording = recording
        self._size = len(recording.heads)
        self._offset = int(number * _OFFSET_STEP % 1 * self._size)
        self._turns = turns

    def head(self, chunk: int) -> bytes:
        """The chunk's message, masked, up to its number."""
        if self._turns is not None and not self._turns.is_on(chunk):
            return self._recording.silence
        return self._recording.heads[(self._offset + chunk) % self._size]

    def is_spoken(self, chunk: int) -> bool:
        """Whether the chunk must be answered as soon as it is heard."""
        if not self._recording.spoken[(self._offset + chunk) % self._size]:
            return False
        return self._turns is None or self._turns.is_settled(chunk)
