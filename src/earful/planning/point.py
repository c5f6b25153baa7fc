"""What was measured of one worker with streams of one kind. Pure data; a capacity file has several."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

_MOST = 1e9
"""Of any figure, so that no sum of them is infinite."""
Amount = Annotated[float, Meta(ge=0, le=_MOST)]


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """The most streams of this chunk size and duty that one worker held at `p99_ms`, and what it used for them."""

    chunk_ms: Annotated[int, Meta(ge=1, le=60_000)]
    duty: Annotated[float, Meta(gt=0, le=1)]
    streams: Annotated[int, Meta(ge=0, le=1_000_000)]
    p99_ms: Amount
    """What was held: the unloaded p99 and a margin."""
    unloaded_p99_ms: Amount
    answers_per_s: Amount
    """Partials and finals, of all streams together."""
    cpu_pct: Amount | None = None
    base_mb: Amount | None = None
    """Before anybody was connected: what earlier points made the worker take, it may have kept."""
    kb_per_session: Amount | None = None
    """By which it grew for each of the first streams that were tried."""
    held_mb: Amount | None = None
    """Resident with the streams that were held."""
    worst_mb: Amount | None = None
    """The most that it had in any step, those with too many streams too."""
    is_generator_bound: bool = False
    """Whether the load's own process was late beyond it: the worker holds at least as many."""
    is_refusal_bound: bool = False
    """Whether the server refused more, and answered in time whom it let in: its machine holds at least as many."""

    @property
    def chunks_per_s(self) -> float:
        """Of one stream."""
        return 1000 / self.chunk_ms

    @property
    def bound(self) -> str | None:
        """Why the machine may hold more than these streams, if so: a few words."""
        if self.is_refusal_bound:
            reason = f"by its own limits the server refused more than {self.streams:,} streams before it was slow"
        elif self.is_generator_bound:
            reason = f"the load's own process was late with more than {self.streams:,} streams"
        else:
            return None
        return f"{self.chunk_ms} ms, duty {self.duty:g}: {reason}"
