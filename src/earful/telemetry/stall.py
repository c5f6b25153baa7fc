"""When an event loop has stalled: a judge that is fed with times, by a thread beside the loop.

Pure. Guarantees that each stall is told twice, when it is noticed and when it is over, and that a time in which
the whole process stood still (stopped, suspended) is no stall. Fed by `watchdog.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

STALLED_AFTER_S = 2.0
LOOK_EVERY_S = 0.25
LATE_S = 1.0
"""A look that comes so long after the one before was kept from coming: by a stop, or by whoever computes."""
BUSY_SHARE = 0.1
"""Of a late look's time, spent on the processor: from it on the process was not stopped, it did not let go."""


class Turn(Enum):
    """What a look can bring to light."""

    BEGAN = "began"
    ENDED = "ended"


@dataclass(slots=True)
class Stall:
    """Whether the loop stands still now. All times are seconds, of one clock."""

    looked_at: float
    """When the last look was; first, when watching begins. The loop moves then."""
    cpu_s: float
    """The process' time on the processor by then."""
    stood_s: float = 0.0
    """How long the loop has stood still by now."""
    lasted_s: float = 0.0
    """How long it had, when that was last told."""
    is_on: bool = False
    _moved_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._moved_at = self.looked_at

    def look(self, now: float, cpu_s: float, moved_at: float) -> Turn | None:
        """Judge by when the loop last moved; to be called every LOOK_EVERY_S or so."""
        watched_s = self._watched_s(now, cpu_s)
        stood_s, has_moved = self.stood_s, moved_at != self._moved_at
        self._moved_at = moved_at
        self.stood_s = min(now - moved_at, watched_s) if has_moved else stood_s + watched_s
        if self.is_on and has_moved:
            self.is_on, self.lasted_s = False, stood_s
            return Turn.ENDED
        if not self.is_on and self.stood_s >= STALLED_AFTER_S:
            self.is_on, self.lasted_s = True, self.stood_s
            return Turn.BEGAN
        return None

    def _watched_s(self, now: float, cpu_s: float) -> float:
        """How much of the time since the last look the process could have run in."""
        passed_s, worked_s = now - self.looked_at, cpu_s - self.cpu_s
        self.looked_at, self.cpu_s = now, cpu_s
        was_stopped = passed_s >= LATE_S and worked_s < BUSY_SHARE * passed_s
        return LOOK_EVERY_S if was_stopped else passed_s
