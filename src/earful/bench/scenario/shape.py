"""How many sessions there are to be at each moment, or how many arrive: the named scenarios. Pure.

Guarantees that every scenario ends. Made by the command, played by `performance`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MULTIPLES = (0.5, 1.0, 2.0, 5.0, 10.0, 0.5)
"""Of a capacity: what `overload` offers, one after another."""

NORMAL_WITHIN_S = 10.0
"""So soon after an overload all is to be as it was before it."""
IN_A_ROW = 3
"""Intervals that make a change: one alone is chance."""

_LEAST_INTERVAL_S = 1.0
_LEAST_AT_TOP_S = IN_A_ROW * _LEAST_INTERVAL_S
_LEAST_AFTER_S = NORMAL_WITHIN_S + IN_A_ROW * _LEAST_INTERVAL_S
"""A shorter time after an overload cannot show that it took too long."""
_MOST_INTERVALS = 360
_SPIKE_BASE = 0.2
_SHORTEST = 0.5
"""Of the length of sessions that vary, which are longer than it by as much at most."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time in which the level goes evenly from `first` to `last`."""

    name: str
    seconds: float
    first: float
    last: float
    is_measured: bool = True
    """False for one that only prepares the next."""

    def level(self, into_s: float) -> float:
        """The level so many seconds after its beginning."""
        return self.first + (self.last - self.first) * into_s / self.seconds

    def area(self, into_s: float) -> float:
        """The level summed over its first so many seconds."""
        return (self.first + self.level(into_s)) / 2 * into_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Phases one after another, whose level is the number of live sessions, or of arrivals a second where `is_open`.

    A session lasts `session_s`, give or take half where it `varies`; without it, until the level sinks. Of the
    sessions, `drop_share` vanish without a word, and `slow_share` do not read for a while.
    """

    name: str
    phases: tuple[Phase, ...]
    is_open: bool = False
    full_level: float | None = None
    """What can just be taken, where that is known."""
    session_s: float | None = None
    varies: bool = False
    asks_again: bool = False
    """Whether who was refused asks until there is a place: then some are refused until all who wait have had theirs."""
    drop_share: float = 0.0
    slow_share: float = 0.0

    @property
    def seconds(self) -> float:
        """How long all of it lasts."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def interval_s(self) -> float:
        """How long an interval of its report is: whole seconds, at most 360 of them in all."""
        return max(_LEAST_INTERVAL_S, float(-(-self.seconds // _MOST_INTERVALS)))

    @property
    def least_s(self) -> float | None:
        """How long the shortest session stays; None where that is not set."""
        return None if self.session_s is None else self.session_s * (_SHORTEST if self.varies else 1.0)

    @property
    def most(self) -> int:
        """The most sessions that may be there at once."""
        level = max(max(phase.first, phase.last) for phase in self.phases)
        lasting_s = (self.session_s or 0.0) * (1 + _SHORTEST if self.varies else 1.0)
        return round(level * lasting_s) if self.is_open else round(level)

    def spans(self) -> list[tuple[float, float, Phase]]:
        """Each phase with its beginning and end, in seconds."""
        begins = [sum(phase.seconds for phase in self.phases[:nth]) for nth in range(len(self.phases))]
        return [(begin, begin + phase.seconds, phase) for begin, phase in zip(begins, self.phases, strict=True)]

    def is_beyond(self, level: float) -> bool:
        """Whether this is more than can be taken."""
        return self.full_level is not None and level > self.full_level

    def reliefs(self) -> list[tuple[float, float]]:
        """Where each stretch begins and ends in which there is room again after an overload.

        At its capacity a server still refuses some by chance: that is neither an overload nor a relief.
        """
        found: list[tuple[float, float]] = []
        is_due = False
        for begin, end, phase in self.spans():
            level = phase.level(phase.seconds / 2)
            if self.is_beyond(level):
                is_due = True
            elif self.full_level is not None and level < self.full_level:
                if is_due:
                    found.append((begin, end))
                elif found and found[-1][1] == begin:
                    found[-1] = (found[-1][0], end)
                is_due = False
        return found

    def level(self, at_s: float) -> float:
        """The level at a moment; the last one after the end."""
        for begin, end, phase in self.spans():
            if at_s < end:
                return phase.level(at_s - begin)
        return self.phases[-1].last

    def area(self, until_s: float) -> float:
        """The level summed up to a moment: how many arrivals are to be expected by then."""
        return sum(phase.area(min(until_s, end) - begin) for begin, end, phase in self.spans() if until_s > begin)

    def lasts_s(self, number: int) -> float | None:
        """How long session `number` stays, spread evenly where that varies; None for as long as it may."""
        if self.session_s is None or not self.varies:
            return self.session_s
        return self.session_s * (_SHORTEST + number * _EVENLY % 1)

    def drops(self, number: int) -> bool:
        """Whether session `number` vanishes at its end."""
        return (number * _EVENLY + _ASIDE) % 1 < self.drop_share

    def is_slow(self, number: int) -> bool:
        """Whether session `number` does not read for a while."""
        return (number * _EVENLY + 2 * _ASIDE) % 1 < self.slow_share


# Multiples of the golden ratio, less their whole part, spread evenly however many they are.
_EVENLY = 0.6180339887498949
_ASIDE = 0.3819


def ramp(streams: int, seconds: float) -> Shape:
    """Ever more sessions, up to `streams` at the end of it, which then stay for a tenth of the time, 3 s at least."""
    held_s = max(_LEAST_AT_TOP_S, seconds / 10)
    return Shape(name="ramp", phases=(Phase("up", seconds, 0, streams), Phase("held", held_s, streams, streams)))


def sustained(streams: int, seconds: float) -> Shape:
    """All of them for the whole time, once they have come."""
    return Shape(name="sustained", phases=(_coming(streams, seconds), Phase("held", seconds, streams, streams)))


def spike(streams: int, seconds: float) -> Shape:
    """A fifth of them, one at least, all of them at once, a fifth again; each for a third of the time."""
    base = max(1.0, streams * _SPIKE_BASE)
    before, at, after = (
        Phase(name, seconds / 3, level, level)
        for name, level in (("before", base), ("spike", streams), ("after", base))
    )
    return Shape(name="spike", phases=(_coming(base, seconds), before, at, after))


def soak(streams: int, seconds: float, session_s: float) -> Shape:
    """All of them for long, each replaced when its time is over; a tenth vanish, a twentieth read slowly."""
    return Shape(
        name="soak",
        phases=(_coming(streams, seconds), Phase("held", seconds, streams, streams)),
        session_s=session_s,
        varies=True,
        drop_share=0.1,
        slow_share=0.05,
    )


def overload(
    capacity: int,
    seconds: float,
    session_s: float,
    multiples: Sequence[float] = MULTIPLES,
    *,
    asks_again: bool = False,
) -> Shape:
    """Arrivals that ask nobody whether there is room, at multiples of what a capacity can take, `seconds` each.

    What comes below the capacity after more than it lasts 13 s at least, or nobody could say how soon all was normal.
    """
    full = capacity / session_s
    filling = Phase("filling", session_s, multiples[0] * full, multiples[0] * full, is_measured=False)
    phases = []
    for nth, multiple in enumerate(multiples):
        is_after = multiple < 1 < max(multiples[:nth], default=0.0)
        lasts_s = max(seconds, _LEAST_AFTER_S) if is_after else seconds
        phases.append(Phase(f"{multiple:g}x", lasts_s, multiple * full, multiple * full))
    return Shape(
        name="overload",
        phases=(filling, *phases),
        is_open=True,
        full_level=full,
        session_s=session_s,
        asks_again=asks_again,
    )


def _coming(streams: float, seconds: float) -> Phase:
    """The time in which sessions come, so that not all of them do at once."""
    return Phase("coming", min(10.0, max(1.0, seconds / 10)), 0, streams, is_measured=False)
