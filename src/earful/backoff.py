"""How soon a process that died is followed: at once mostly, ever later where it dies again and again.

Pure: times are arguments. The supervisor has one for each worker, the engine one for the processes of its model.
"""

from __future__ import annotations

from dataclasses import dataclass

QUICK_S = 2.0
"""A process that dies before this, or before it was ready, has died quickly."""
AT_ONCE = 5
"""Quick deaths in a row that are each followed at once: five in the ten seconds that they take at most."""
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next try."""

    quick_deaths: int = 0
    """In a row."""

    def delay_s(self, lived_s: float, *, was_ready: bool) -> float:
        """Note a death; seconds to wait: 0 mostly, twice as long each time for one that dies again and again."""
        is_quick = lived_s < QUICK_S or not was_ready
        self.quick_deaths = self.quick_deaths + 1 if is_quick else 0
        doublings = self.quick_deaths - AT_ONCE - 1
        if doublings < 0:
            return 0.0
        return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(doublings, 10))
