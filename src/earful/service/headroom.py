"""Whether the model has time for one more live session, by what it was measured to take. Pure.

Guarantees that it refuses nobody before it has measured enough, nor who would be alone. `Places` asks it for each
newcomer, and shows it now and then what the model did.
"""

from __future__ import annotations

import math
from typing import NamedTuple

FADES_S = 30.0
"""What was measured so long ago counts a third of what is measured now; time in which nothing came is no time."""
ENOUGH_S = 5.0
"""Of audio that the model heard, and of sessions: less says nothing yet."""
EASED = 0.95
"""Once it is full, there is room below this share of what may be."""


class Done(NamedTuple):
    """What a model did since the start: sums that only grow."""

    busy_s: float
    """Time of its places, of calls that went well."""
    heard_s: float
    """Audio in those calls."""


class Headroom:
    """Of one worker's model."""

    __slots__ = (
        "_before",
        "_busy_s",
        "_heard_s",
        "_most",
        "_places",
        "_seen_s",
        "_sessions_s",
        "_spoken_s",
        "is_full",
    )

    def __init__(self, most: float) -> None:
        """Let in as long as the model would be busy for this share of its time; 0 is always."""
        self.is_full = False
        """Whether the newest answer was that there is no room."""
        self._most = most
        self._places = 0
        self._before = Done(0.0, 0.0)
        self._busy_s = self._heard_s = 0.0
        self._spoken_s = self._sessions_s = 0.0
        self._seen_s = 0.0
        """Of sessions, since the start."""

    def observe(
        self, done: Done, places: int | None, sessions: int, since_s: float, *, had_uploads: bool = False
    ) -> None:
        """Take in what the model did with so many `places`, for so many `sessions`, in the time since the call before.

        Of the first call no time is known: 0. None is a model of which nothing can be said. Uploads are heard too, but
        nobody speaks in them: `had_uploads` is whether there were any in that time.
        """
        since_s = min(since_s, FADES_S)
        busy_s, heard_s = done.busy_s - self._before.busy_s, done.heard_s - self._before.heard_s
        self._before = done
        self._places = places or 0
        fade = math.exp(-since_s / FADES_S)
        if heard_s > 0:
            self._busy_s = self._busy_s * fade + busy_s
            self._heard_s = self._heard_s * fade + heard_s
        if sessions and not had_uploads:
            self._spoken_s = self._spoken_s * fade + heard_s
            self._sessions_s = self._sessions_s * fade + sessions * since_s
            self._seen_s += sessions * since_s
        self.has_room(sessions)

    def load_of(self, sessions: int) -> float | None:
        """For which share of its time so many sessions would keep the model busy; None where that is not known."""
        if not self._places or min(self._before.heard_s, self._seen_s) < ENOUGH_S:
            return None
        cost = self._busy_s / self._heard_s
        duty = self._spoken_s / self._sessions_s
        return sessions * duty * cost / self._places

    def has_room(self, sessions: int) -> bool:
        """Whether one more than these may come."""
        load = self.load_of(sessions + 1) if self._most and sessions else None
        self.is_full = load is not None and load > self._most * (EASED if self.is_full else 1.0)
        return not self.is_full
