"""What a measurement does, as it was asked for: one frozen value. Pure; made by the command, read by all others."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Streams, their chunks, and what happens beside them.

    `chunk_ms` is 20 to 1000. The first `warmup_s` are not measured, the `seconds` after them are. `duty` is the
    share of the time, above 0 up to 1, that each stream speaks; `connect_rate` is handshakes a second, 0 for none;
    `pid` a process of this machine whose tree is looked at.
    """

    streams: int = 100
    chunk_ms: int = 100
    seconds: float = 10.0
    warmup_s: float = 3.0
    start: bool = False
    duty: float = 1.0
    idle: int = 0
    connect_rate: float = 0.0
    pid: int | None = None
    p99_ms: float = 100.0
    most_late_ms: float = 10.0
    """A generator whose own p99 is later than this has measured itself."""
    answer_within_s: float = 5.0
    """How long the last chunks' answers are waited for."""

    @property
    def chunk_s(self) -> float:
        """Seconds from one chunk of a stream to its next."""
        return self.chunk_ms / 1000

    @property
    def window(self) -> range:
        """The numbers of the chunks that are measured, of every stream, counted from 0; one at least."""
        begin = math.ceil(self.warmup_s / self.chunk_s)
        return range(begin, begin + max(1, round(self.seconds / self.chunk_s)))


class CannotMeasureError(Exception):
    """What was planned cannot be done; the text is one sentence."""


class NoMoreFilesError(CannotMeasureError):
    """The load may not have so many connections open."""
