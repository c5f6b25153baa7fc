"""Sessions that arrive as they like and workers that die, second by second: who is refused, how long a death hurts.

Guarantees the same for the same seed, and that no session is lost from count. Pure; sessions of a worker are a number,
since their lengths are exponential and so none is different from another. Called by `earful plan`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earful.planning.balance import to_any, to_the_fewest

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
    Reals = np.ndarray[tuple[int], np.dtype[np.float64]]

TICKS_A_SESSION = 10
"""At least so often sessions come and go while one lasts: refusals are then within a third of Erlang's formula."""
MOST_WORK = 100_000_000.0
"""In workers looked at once, each about 0.1 us: some ten seconds altogether."""
_TICK_WORK = 1000
"""What a tick costs however few workers there are."""
_DEATH_WORK = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Workers, what each can hold without being late (`capacity`) and lets in (`limit`, and resumes a `reserve` more).

    `is_even` says whether a balancer sends who comes to the worker with the fewest, or to any. A worker that is there
    dies `deaths_per_day`, of all one at least unless that is 0, and is back after `restart_s`; its sessions come back
    within `return_s`, with `replay_s` of audio each to be heard again, and give up after `window_s`.
    """

    workers: int
    capacity: float
    limit: int
    reserve: int = 0
    is_even: bool = True
    deaths_per_day: float = 1.0
    restart_s: int = 5
    return_s: int = 3
    replay_s: float = 8.0
    window_s: int = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What came of it.

    A death hurts until all its sessions are seated again or have given up, no worker is behind because of it, and those
    that are there have room for as many sessions as there are to be. Deaths that overlap hurt as one.
    """

    seconds: int
    """How many were simulated."""
    arrived: int
    refused: int
    deaths: int
    displaced: int
    given_up: int
    """Sessions that found no place within their window."""
    hurt_s_mean: float
    hurt_s_most: int
    is_hurting: bool
    """Whether it hurt at the end: for how much longer nobody saw."""
    late_share: float
    """Of all seconds of all sessions, those at a worker that had more than it can hold, or was still replaying."""
    most_sessions: int
    mean_sessions: float

    @property
    def refused_share(self) -> float:
        """Of those that arrived."""
        return self.refused / self.arrived if self.arrived else 0.0


def simulate(
    fleet: Fleet, sessions: int, session_s: float, seconds: int, seed: int = 1, *, most_work: float = MOST_WORK
) -> Fate:
    """`seconds` of `sessions` on average, from a fleet that is at work already.

    Where that is more than `most_work`, only the first of these seconds, one at least.
    """
    most_s = max(1, int(most_work / _work_per_s(fleet, session_s)))
    return _World(fleet, sessions, session_s, min(seconds, most_s), seed).run()


def _ticks(session_s: float) -> int:
    """In how many parts a second is simulated."""
    return math.ceil(TICKS_A_SESSION / session_s)


def _work_per_s(fleet: Fleet, session_s: float) -> float:
    """Of its ticks, and of its deaths."""
    deaths = fleet.workers * fleet.deaths_per_day / 86_400
    return (_ticks(session_s) + min(1.0, deaths)) * (_TICK_WORK + fleet.workers) + deaths * _DEATH_WORK


class _World:
    """The state at one second, and what was counted so far."""

    def __init__(self, fleet: Fleet, sessions: int, session_s: float, seconds: int, seed: int) -> None:
        """Begin with the sessions there are on average."""
        import numpy as np

        self._np = np
        self._fleet = fleet
        self._seconds = seconds
        self._sessions = min(sessions, fleet.workers * fleet.limit)
        self._ticks = _ticks(session_s)
        self._arrivals = sessions / session_s / self._ticks
        part = 1 / session_s / self._ticks
        self._leaving = -math.expm1(-part)
        # Of those that come within a tick, some leave within it: without them there would be too many.
        self._leaving_at_once = 1 - self._leaving / part
        self._chance = np.random.default_rng(seed)
        nobody: Numbers = np.zeros(fleet.workers, np.int64)
        self._back_at = nobody.copy()
        self._behind_s: Reals = np.zeros(fleet.workers)
        self._live = to_the_fewest(nobody, sessions, self._room(fleet.limit, 0))
        self._coming: deque[int] = deque([0] * (fleet.return_s + 1))
        self._seeking: deque[tuple[int, int]] = deque()
        self._hurting_since: int | None = None
        self._hurts: list[int] = []
        self._late = self._spoken = 0.0
        self._arrived = self._refused = self._deaths = self._displaced = self._given_up = self._most = 0

    def run(self) -> Fate:
        """Let all seconds pass."""
        deaths = self._deaths_at()
        for now in range(self._seconds):
            for worker in deaths.get(now, ()):
                self._kill(worker, now)
            self._resume(now)
            for _ in range(self._ticks):
                self._come_and_go(now)
            self._hear(now)
        return self._fate()

    def _deaths_at(self) -> dict[int, list[int]]:
        """Who dies when: a Poisson process over all workers; where it has nobody die, one in the middle.

        Nobody where nobody is to die.
        """
        if not self._fleet.deaths_per_day:
            return {}
        expected = self._fleet.workers * self._fleet.deaths_per_day * self._seconds / 86_400
        number = int(self._chance.poisson(expected))
        times = self._chance.integers(0, self._seconds, number) if number else [self._seconds // 2]
        found: dict[int, list[int]] = {}
        for at in times:
            found.setdefault(int(at), []).append(int(self._chance.integers(self._fleet.workers)))
        return found

    def _kill(self, worker: int, now: int) -> None:
        """Its sessions come back, spread evenly over the time that takes. One that is away cannot die."""
        if self._back_at[worker] > now:
            return
        fleet, gone = self._fleet, int(self._live[worker])
        self._deaths += 1
        self._displaced += gone
        self._live[worker] = 0
        self._behind_s[worker] = 0
        self._back_at[worker] = now + fleet.restart_s
        for nth in range(1, fleet.return_s + 1):
            self._coming[nth] += gone * nth // fleet.return_s - gone * (nth - 1) // fleet.return_s
        if self._hurting_since is None:
            self._hurting_since = now

    def _resume(self, now: int) -> None:
        """Seat those that are back, the oldest first; who finds no place tries again until the window is over."""
        self._seeking.append((now + self._fleet.window_s, self._coming.popleft()))
        self._coming.append(0)
        while self._seeking and (self._seeking[0][0] <= now or not self._seeking[0][1]):
            self._given_up += self._seeking.popleft()[1]
        wanted = sum(number for _, number in self._seeking)
        if not wanted:
            return
        before = self._live
        self._live = self._spread(before, wanted, self._room(self._fleet.limit + self._fleet.reserve, now))
        seated = self._live - before
        self._behind_s += seated * self._fleet.replay_s
        self._unseek(int(seated.sum()))

    def _unseek(self, seated: int) -> None:
        while seated:
            until, number = self._seeking.popleft()
            if number > seated:
                self._seeking.appendleft((until, number - seated))
            seated -= min(number, seated)

    def _come_and_go(self, now: int) -> None:
        """A tick: who was there leaves, others arrive, and of those some leave at once."""
        self._live -= self._chance.binomial(self._live, self._leaving)
        number = int(self._chance.poisson(self._arrivals))
        before = self._live
        self._live = self._spread(before, number, self._room(self._fleet.limit, now))
        seated = self._live - before
        self._live -= self._chance.binomial(seated, self._leaving_at_once)
        self._arrived += number
        self._refused += number - int(seated.sum())

    def _room(self, limit: int, now: int) -> Numbers:
        """The most that each worker lets in: none where it is away."""
        return self._np.where(self._back_at <= now, limit, 0)

    def _hear(self, now: int) -> None:
        """A second passes: what a worker has left over it spends on what it is behind with."""
        np = self._np
        self._behind_s = np.maximum(0.0, self._behind_s + self._live - self._fleet.capacity)
        is_late = self._behind_s > 0
        self._late += float(self._live[is_late].sum())
        total = int(self._live.sum())
        self._spoken += total
        self._most = max(self._most, total)
        is_settled = not self._seeking and not any(self._coming) and not is_late.any()
        if self._hurting_since is not None and is_settled and self._has_room(now):
            self._hurts.append(now - self._hurting_since)
            self._hurting_since = None

    def _has_room(self, now: int) -> bool:
        """Whether who is there can hold as many as there are to be: or arrivals pay for who is away."""
        return int(self._room(self._fleet.limit, now).sum()) >= self._sessions

    def _spread(self, live: Numbers, number: int, room: Numbers) -> Numbers:
        if self._fleet.is_even:
            return to_the_fewest(live, number, room)
        return to_any(live, number, room, self._chance)

    def _fate(self) -> Fate:
        since = self._hurting_since
        hurts = self._hurts if since is None else [*self._hurts, self._seconds - since]
        return Fate(
            seconds=self._seconds,
            arrived=self._arrived,
            refused=self._refused,
            deaths=self._deaths,
            displaced=self._displaced,
            given_up=self._given_up,
            hurt_s_mean=sum(hurts) / len(hurts) if hurts else 0.0,
            hurt_s_most=max(hurts, default=0),
            is_hurting=since is not None,
            late_share=self._late / self._spoken if self._spoken else 0.0,
            most_sessions=self._most,
            mean_sessions=self._spoken / self._seconds,
        )
