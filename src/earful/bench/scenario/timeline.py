"""What happened when: a cell for every interval of a scenario, filled as answers come. Pure.

Guarantees a bounded number of cells, and that what is late counts when it was due, not when it came.
Written by `talk` and `performance`, read by `outcome`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from earful.bench.ledger import Latencies

GOOD_WITHIN_S = 2.0
"""A final that comes later after its last word is worth nothing any more."""


@dataclass(slots=True)
class Cell:
    """One interval: what was due in it, and how it stood at its end."""

    latencies: Latencies = field(default_factory=Latencies)
    """From when a spoken chunk was due to its answer."""
    refusals: Latencies = field(default_factory=Latencies)
    """From when somebody wanted to connect to the refusal."""
    late: Latencies = field(default_factory=Latencies)
    """Of the generator itself."""
    owed: int = 0
    """Spoken chunks, answered or not."""
    good_s: float = 0.0
    """Seconds of audio whose final came in time."""
    arrived: int = 0
    """Who wanted to connect, each try."""
    refused: int = 0
    """Of these, whose try was answered with a refusal, then or later."""
    lost: int = 0
    """Connections that ended unasked in it, or that were tried in it and could not be made."""
    errors: int = 0
    streams: int = 0
    cpu_pct: float | None = None
    resident_mb: float | None = None


class Timeline:
    """Cells of `interval_s` from `began_s` of the caller's clock on, as many as `seconds` need."""

    __slots__ = ("began_s", "cells", "interval_s")

    def __init__(self, began_s: float, interval_s: float, seconds: float) -> None:
        """Begin with empty ones, one at least."""
        self.began_s = began_s
        self.interval_s = interval_s
        self.cells = [Cell() for _ in range(max(1, round(seconds / interval_s + 0.499)))]

    def at(self, at_s: float) -> Cell | None:
        """The cell of a moment; None where it lies outside."""
        nth = int((at_s - self.began_s) // self.interval_s)
        return self.cells[nth] if 0 <= nth < len(self.cells) else None
