"""What is normal, and how soon it was so again after an overload, as far as intervals show it. Pure.

Used by `judgement` and `outcome`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import takewhile
from operator import itemgetter
from typing import TYPE_CHECKING

from earful.bench.scenario.shape import IN_A_ROW, NORMAL_WITHIN_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from earful.bench.scenario.shape import Shape
    from earful.bench.scenario.stretch import Stretch

MOST_SLOWER = 1.25
_SLACK_S = 0.001
"""Sums of seconds are not exact."""


@dataclass(frozen=True, slots=True)
class Regained:
    """The goodput since all was normal again, beside that at the same level before the overload."""

    share: float
    """Of what it was before."""
    chance: float
    """By how much that is less now and then though nothing is wrong: two deviations of as many arrivals as there were.

    Who comes stays for a while, so that what is shorter than a session shows as many of them as one does.
    """

    @classmethod
    def of(cls, before: Stretch, after: Sequence[Stretch], session_s: float) -> Regained:
        """That of one interval or more after it; some goodput there was before."""
        seconds = sum(interval.seconds for interval in after)
        good_s_per_s = sum(interval.good_s_per_s * interval.seconds for interval in after) / seconds
        arrivals = [before.level * max(long_s, session_s) for long_s in (before.seconds, seconds)]
        return cls(good_s_per_s / before.good_s_per_s, 2 * math.sqrt(sum(1 / number for number in arrivals)))


@dataclass(frozen=True, slots=True)
class Recovery:
    """That of one overload; seconds count from when there was room again."""

    seen_s: float
    """For how long that was seen, until the next overload or the end."""
    not_before_s: float
    """When the last interval began that was not normal; 0 where all were."""
    normal_s: float | None
    """When the first of some in a row began that were; None where that was not seen."""
    regained: Regained | None = None
    """None where it was not normal again, or never at a level that there was before the overload."""

    @classmethod
    def of(cls, began_s: float, intervals: Sequence[Stretch], bound_ms: float, *, asks_again: bool) -> Recovery:
        """That of intervals from `began_s` on; normal is whose p99 is within the bound, and where nobody is refused.

        Where the refused ask again, refusals do not count: those who waited have to be let in first; but no row is
        normal in which whoever came was refused. An interval in which nobody spoke says nothing, unless whoever came
        was refused and nobody is there.
        """
        verdicts = [
            (interval, is_normal)
            for interval in intervals
            if (is_normal := _is_normal(interval, bound_ms, asks_again=asks_again)) is not None
        ]
        normal_s = next((_since(began_s, interval) for interval in _rows(verdicts)), None)
        bad_s = [_since(began_s, interval) for interval, is_normal in verdicts if not is_normal]
        bad_s = [at_s for at_s in bad_s if normal_s is None or at_s < normal_s]
        return cls(sum(interval.seconds for interval in intervals), max(bad_s, default=0.0), normal_s)

    @property
    def is_in_time(self) -> bool | None:
        """Whether it was normal soon enough; None where the intervals were too few, or too long, to tell."""
        if self.normal_s is not None and self.normal_s <= NORMAL_WITHIN_S:
            return True
        return False if self.not_before_s >= NORMAL_WITHIN_S else None


def normal_ms(shape: Shape, phases: Sequence[Stretch]) -> float | None:
    """The greatest p99 that is as good as unloaded; None where nobody was answered before the first overload.

    Unloaded is the phase with the lowest level until then, which is not beyond what can be taken.
    """
    known = [(phase.level, phase.p99_ms) for phase in _before(shape, phases) if phase.p99_ms is not None]
    return MOST_SLOWER * min(known, key=itemgetter(0))[1] if known else None


def recoveries_of(shape: Shape, phases: Sequence[Stretch], intervals: Sequence[Stretch]) -> list[Recovery]:
    """One for each overload after which an interval with room was played; none where nobody knows what is normal."""
    bound_ms = normal_ms(shape, phases)
    if bound_ms is None:
        return []
    found = []
    for begin, end in shape.reliefs():
        inside = [it for it in intervals if begin - _SLACK_S <= it.at_s and it.at_s + it.seconds <= end + _SLACK_S]
        if inside:
            recovery = Recovery.of(begin, inside, bound_ms, asks_again=shape.asks_again)
            after = [] if recovery.normal_s is None else [it for it in inside if _since(begin, it) >= recovery.normal_s]
            found.append(replace(recovery, regained=_regained(shape, phases, after)))
    return found


def slowest_s(recoveries: Sequence[Recovery]) -> float | None:
    """After how long all was normal at the latest; None where that was not seen each time, or there was none."""
    known = [recovery.normal_s for recovery in recoveries if recovery.normal_s is not None]
    return max(known) if known and len(known) == len(recoveries) else None


def _before(shape: Shape, phases: Sequence[Stretch]) -> Iterator[Stretch]:
    """The phases until the first that is beyond what can be taken."""
    return takewhile(lambda phase: not shape.is_beyond(phase.level), phases)


def _regained(shape: Shape, phases: Sequence[Stretch], after: Sequence[Stretch]) -> Regained | None:
    """That of the first phase before the overload at whose level some of these are."""
    for phase in _before(shape, phases):
        alike = [interval for interval in after if interval.level == phase.level]
        if alike and phase.good_s_per_s:
            return Regained.of(phase, alike, shape.session_s or 0.0)
    return None


def _since(began_s: float, interval: Stretch) -> float:
    return max(0.0, round(interval.at_s - began_s, 3))


def _is_normal(interval: Stretch, bound_ms: float, *, asks_again: bool) -> bool | None:
    if interval.refused and not asks_again:
        return False
    if interval.worst_ms is None:
        return False if not interval.streams and _is_shut([interval]) else None
    return interval.worst_ms <= bound_ms


def _is_shut(intervals: Sequence[Stretch]) -> bool:
    """Whether somebody came and nobody was let in."""
    came = sum(interval.arrived for interval in intervals)
    return 0 < came <= sum(interval.refused for interval in intervals)


def _rows(verdicts: Sequence[tuple[Stretch, bool]]) -> Iterator[Stretch]:
    """The first of each row of normal ones."""
    for nth in range(len(verdicts) - IN_A_ROW + 1):
        row = verdicts[nth : nth + IN_A_ROW]
        if all(is_normal for _, is_normal in row) and not _is_shut([interval for interval, _ in row]):
            yield row[0][0]
