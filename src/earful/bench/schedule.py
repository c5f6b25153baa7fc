"""When each chunk is due: an absolute schedule, the streams spread evenly over the chunk interval.

Guarantees that no lateness adds up: a due time follows from the numbers alone. Pure; seconds count from the
first chunk's due time.
"""

from __future__ import annotations


class Schedule:
    """`slots` moments in every chunk interval, a millisecond or more apart, finer than which timers are not."""

    __slots__ = ("_chunk_s", "_streams", "slots")

    def __init__(self, streams: int, chunk_ms: int) -> None:
        """Spread so many streams, one at least."""
        self._streams = streams
        self._chunk_s = chunk_ms / 1000
        self.slots = min(streams, chunk_ms)

    def slot(self, stream: int) -> int:
        """Which of the moments is that of this stream, counted from 0."""
        return stream * self.slots // self._streams

    def due_s(self, chunk: int, slot: int) -> float:
        """When the streams of a slot send their chunk of this number."""
        return (chunk + slot / self.slots) * self._chunk_s
