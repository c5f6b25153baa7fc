"""How hard a worker is pressed, as a level from 0 to 4, and what each level sheds. Pure: `now` is an argument.

Guarantees one step at a time, up after lasting pressure, which a moment's ease does not end, and down after lasting
calm, so that no level flaps.
`Overload` takes the readings once a sweep and does what the level says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class Level(IntEnum):
    """What is shed: each level what the one before sheds, and more."""

    NORMAL = 0
    FEWER_PARTIALS = 1
    FINALS_ONLY = 2
    """And no new uploads."""
    NO_NEW_SESSIONS = 3
    HANDING_OVER = 4
    """The newest sessions are sent on to other workers."""


PARTIALS_EVERY_MS = {
    Level.NORMAL: 0,
    Level.FEWER_PARTIALS: 1000,
    Level.FINALS_ONLY: 1 << 40,
    Level.NO_NEW_SESSIONS: 1 << 40,
    Level.HANDING_OVER: 1 << 40,
}
"""How much audio there is between two partials of an utterance, at least."""


class Reading(NamedTuple):
    """How a worker stands at one moment."""

    audio_lag_s: float = 0.0
    """What nine of ten answers, and what is still with the model, did not exceed."""
    loop_lag_s: float = 0.0
    memory_share: float = 0.0
    """Of the memory that there is, what is in use."""


Steps = tuple[float, float, float, float]
"""From which value on a reading asks for level 1, 2, 3, 4."""
NEVER: Steps = (float("inf"),) * 4


@dataclass(frozen=True, slots=True)
class LadderRules:
    """When to climb and when to come down."""

    audio_lag_s: Steps = NEVER
    loop_lag_s: Steps = NEVER
    memory_share: Steps = NEVER
    rise_s: Steps = (1.0, 1.0, 1.0, 5.0)
    """How long readings must ask for more before this level is entered; while they do not, it passes backwards."""
    fall_s: float = 2.0
    """How long all readings must be calm before a level is left."""
    calm: float = 0.7
    """A lag is calm below this share of the value that asked for the level ..."""
    calm_memory: float = 0.97
    """... and memory, of which a process gives little back, below this."""


LONGEST_S = 0.5
"""What passed beyond that between two readings the event loop stood still: that was one reading, however long."""


def doubling(first: float) -> Steps:
    """Steps of which each takes twice the lag of the one before; none where `first` is 0."""
    return (first, 2 * first, 4 * first, 8 * first) if first else NEVER


def filling(share: float) -> Steps:
    """Memory's steps: up to no new sessions at `share`, handing over halfway from there to full; none where it is 0."""
    return (share, share, share, (1 + share) / 2) if share else NEVER


class Ladder:
    """Where one worker stands."""

    __slots__ = ("_askers", "_calm_since", "_pressed_s", "_read_at", "_rules", "cause", "has_risen", "level")

    def __init__(self, rules: LadderRules) -> None:
        """Begin at the foot."""
        self.level = Level.NORMAL
        self.cause = ""
        """The name of the reading that asked for the newest step up."""
        self.has_risen = False
        """Whether the newest step was one up."""
        self._rules = rules
        self._askers: set[str] = set()
        """The readings that have asked for a level since normal times."""
        self._pressed_s = 0.0
        self._read_at: float | None = None
        self._calm_since: float | None = None

    def observe(self, reading: Reading, now: float, top: Level = Level.HANDING_OVER) -> bool:
        """Take in a reading; True where the level changed. Above `top` it does not climb, and comes down to it."""
        wanted, cause = self._asked_for(reading)
        self._note_askers(reading)
        self._press(now, is_pressed=min(wanted, top) > self.level)
        self._calm_since = _since(self._calm_since, now, holds=self.level > top or self._is_calm(reading))
        rules = self._rules
        if self.level < top and self._pressed_s >= rules.rise_s[self.level]:
            self._step(1, now)
            self.cause = cause
            return True
        if self._calm_since is not None and now - self._calm_since >= rules.fall_s:
            self._step(-1, now)
            return True
        return False

    def _step(self, way: int, now: float) -> None:
        """Each further step has its own time to wait."""
        self.level = Level(self.level + way)
        self.has_risen = way > 0
        self._pressed_s = 0.0
        self._calm_since = now if way < 0 else None

    def _press(self, now: float, *, is_pressed: bool) -> None:
        """Count the time since the reading before. Of two causes in turn, or one that wavers, most of it counts."""
        passed_s = 0.0 if self._read_at is None else min(now - self._read_at, LONGEST_S)
        self._read_at = now
        self._pressed_s = max(0.0, self._pressed_s + (passed_s if is_pressed else -passed_s))

    def _asked_for(self, reading: Reading) -> tuple[int, str]:
        """The level that the worst reading asks for, and its name."""
        return max((_reached(steps, value, 1.0), name) for name, steps, value, _ in self._gauges(reading))

    def _note_askers(self, reading: Reading) -> None:
        if self.level is Level.NORMAL:
            self._askers.clear()
        self._askers |= {name for name, steps, value, _ in self._gauges(reading) if _reached(steps, value, 1.0)}

    def _is_calm(self, reading: Reading) -> bool:
        """Whether no reading asks for the level of now, and none that asked for one is near it."""
        if self.level is Level.NORMAL:
            return False
        return all(
            _reached(steps, value, calm if name in self._askers else 1.0) < self.level
            for name, steps, value, calm in self._gauges(reading)
        )

    def _gauges(self, reading: Reading) -> tuple[tuple[str, Steps, float, float], ...]:
        rules = self._rules
        return (
            ("audio_lag", rules.audio_lag_s, reading.audio_lag_s, rules.calm),
            ("loop_lag", rules.loop_lag_s, reading.loop_lag_s, rules.calm),
            ("memory", rules.memory_share, reading.memory_share, rules.calm_memory),
        )


class Openness:
    """Whether a balancer should send new sessions here: what the level says, but slower to change."""

    __slots__ = ("_changing_since", "_close_s", "_open_s", "is_open")

    def __init__(self, close_s: float = 5.0, open_s: float = 15.0) -> None:
        """Begin open; the level must shut newcomers out for `close_s`, and let them in for `open_s`."""
        self.is_open = True
        self._close_s = close_s
        self._open_s = open_s
        self._changing_since: float | None = None

    def observe(self, level: Level, now: float) -> None:
        """Take in the level of now."""
        is_other = (level < Level.NO_NEW_SESSIONS) is not self.is_open
        self._changing_since = _since(self._changing_since, now, holds=is_other)
        wait_s = self._close_s if self.is_open else self._open_s
        if self._changing_since is not None and now - self._changing_since >= wait_s:
            self.is_open = not self.is_open
            self._changing_since = None


def _reached(steps: Steps, value: float, share: float) -> int:
    """How many of the steps, each taken at this share of it, a value has reached."""
    return sum(value >= step * share for step in steps)


def _since(since: float | None, now: float, *, holds: bool) -> float | None:
    """Since when it has held without a break; None where it does not."""
    if not holds:
        return None
    return now if since is None else since
