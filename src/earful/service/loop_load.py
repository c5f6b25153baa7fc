"""Whether the event loop has time for one more live session, by the CPU time that those there take. Pure.

Guarantees that it refuses nobody before it has measured enough, nor who would be alone. Lag says that a loop has no
time when it has none any more; this says it before. `Places` shows it now and then what the loop's thread did.
Clients that are refused and do not rest take time too: it is no session's price, but there must be room for it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

FADES_S = 5.0
"""What was measured so long ago counts a third of what is measured now."""
ENOUGH_S = 5.0
"""Of sessions, added up: less says nothing yet."""
REACH = 3.0
"""A session of few costs more than one of many: of more than so many times those that were there nothing is known."""
EASED = 0.97
"""Once it is full, there is room below this share of what may be."""
FLOOD_PER_S = 200.0
"""Refusals; fewer are a price that the sessions can bear."""
SPARED = 0.5
"""Of what is not given to sessions, this share is not given to refusals either: a full loop is late with everything."""


class Used(NamedTuple):
    """What a loop's thread did since its start: sums that only grow."""

    cpu_s: float
    refusals: int = 0


class LoopLoad:
    """Of one worker: its thread's CPU time is what it does without any session, and as much for each that there is."""

    __slots__ = (
        "_before",
        "_cpu_s",
        "_idle",
        "_most",
        "_refusing",
        "_seen_s",
        "_sessions_s",
        "_time_s",
        "is_full",
    )

    def __init__(self, most: float) -> None:
        """Let in as long as sessions would keep the loop busy for this share of its time; 0 is always."""
        self.is_full = False
        """Whether the newest answer was that there is no room."""
        self._most = most
        self._before = Used(0.0)
        self._idle = 0.0
        self._cpu_s = self._sessions_s = self._time_s = 0.0
        self._seen_s = 0.0
        """Of sessions, since the start."""
        self._refusing = 0.0
        """The share of the loop's time that a flood of refusals takes, or took a moment ago."""

    def observe(self, used: Used, sessions: int, since_s: float, *, had_uploads: bool = False) -> None:
        """Take in what the loop's thread did for so many `sessions`, in the time since the call before.

        Of the first call no time is known: 0. Uploads take what is left: of a time in which there were any, as
        `had_uploads` says, nothing is learnt.
        """
        took_s, refused = used.cpu_s - self._before.cpu_s, used.refusals - self._before.refusals
        self._before = used
        is_flood = refused > FLOOD_PER_S * since_s and self._seen_s >= ENOUGH_S
        if not is_flood:  # One that is over needs no room, uploads or not.
            self._refusing /= 2
        if since_s and not had_uploads:
            if is_flood:
                self._refusing += (max(0.0, took_s / since_s - self._price_of(sessions)) - self._refusing) / 2
            else:
                self._learn(took_s, sessions, since_s)
        self.has_room(sessions)

    def load_of(self, sessions: int) -> float | None:
        """For which share of its time so many sessions would keep the loop busy; None where that is not known."""
        if self._seen_s < ENOUGH_S or sessions > REACH * self._sessions_s / self._time_s:
            return None
        return self._price_of(sessions)

    def has_room(self, sessions: int) -> bool:
        """Whether one more than these may come."""
        load = self.load_of(sessions + 1) if self._most and sessions else None
        most = min(self._most, 1 - SPARED * (1 - self._most) - self._refusing)
        self.is_full = load is not None and load > most * (EASED if self.is_full else 1.0)
        return not self.is_full

    def _price_of(self, sessions: int) -> float:
        each = max(0.0, self._cpu_s - self._idle * self._time_s) / self._sessions_s
        return self._idle + sessions * each

    def _learn(self, took_s: float, sessions: int, since_s: float) -> None:
        fade = math.exp(-since_s / FADES_S)
        if not sessions:
            self._idle = self._idle * fade + took_s / since_s * (1 - fade)
            return
        self._cpu_s = self._cpu_s * fade + took_s
        self._sessions_s = self._sessions_s * fade + sessions * since_s
        self._time_s = self._time_s * fade + since_s
        self._seen_s += sessions * since_s
