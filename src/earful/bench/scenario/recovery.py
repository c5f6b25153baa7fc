"""What is normal, and how soon it was so again after an overload, as far as intervals show it. Pure.

Used by `judgement` and `outcome`.
"""

from __future__ import annotations

from dataclasses import dataclass
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
class Recovery:
    """That of one overload; seconds count from when there was room again."""

    seen_s: float
    """For how long that was seen, until the next overload or the end."""
    not_before_s: float
    """When the last interval began that was not normal; 0 where all were."""
    normal_s: float | None
    """When the first of some in a row began that were; None where that was not seen."""

    @classmethod
    def of(cls, began_s: float, intervals: Sequence[Stretch], bound_ms: float, *, asks_again: bool) -> Recovery:
        """That of intervals from `began_s` on; normal is whose p99 is within the bound, and where nobody is refused.

        Where the refused ask again, refusals do not count: those who waited have to be let in first. An interval in
        which nobody spoke says nothing.
        """
        verdicts = [
            (max(0.0, round(interval.at_s - began_s, 3)), is_normal)
            for interval in intervals
            if (is_normal := _is_normal(interval, bound_ms, asks_again=asks_again)) is not None
        ]
        normal_s = next(_rows(verdicts), None)
        bad_s = [at_s for at_s, is_normal in verdicts if not is_normal and (normal_s is None or at_s < normal_s)]
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
    before = takewhile(lambda phase: not shape.is_beyond(phase.level), phases)
    known = [(phase.level, phase.p99_ms) for phase in before if phase.p99_ms is not None]
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
            found.append(Recovery.of(begin, inside, bound_ms, asks_again=shape.asks_again))
    return found


def slowest_s(recoveries: Sequence[Recovery]) -> float | None:
    """After how long all was normal at the latest; None where that was not seen each time, or there was none."""
    known = [recovery.normal_s for recovery in recoveries if recovery.normal_s is not None]
    return max(known) if known and len(known) == len(recoveries) else None


def _is_normal(interval: Stretch, bound_ms: float, *, asks_again: bool) -> bool | None:
    if interval.refused and not asks_again:
        return False
    return None if interval.worst_ms is None else interval.worst_ms <= bound_ms


def _rows(verdicts: Sequence[tuple[float, bool]]) -> Iterator[float]:
    """When each row of normal ones began."""
    for nth in range(len(verdicts) - IN_A_ROW + 1):
        if all(is_normal for _, is_normal in verdicts[nth : nth + IN_A_ROW]):
            yield verdicts[nth][0]
