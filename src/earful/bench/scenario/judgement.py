"""What a scenario promises, and whether that held. Pure; told by `outcome`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earful.bench.figures import LEAST_ANSWERED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from earful.bench.scenario.shape import Shape
    from earful.bench.scenario.stretch import Stretch

MOST_SLOWER = 1.25
LEAST_OF_PEAK = 0.9
REFUSED_WITHIN_MS = 100.0
NORMAL_WITHIN_S = 10.0
_IN_A_ROW = 3
"""Intervals that make a change: one alone is chance."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was promised, the figure that came of it (None where there is none), and whether that is as promised."""

    promise: str
    figure: float | None
    holds: bool


def checks_of(shape: Shape, phases: Sequence[Stretch], p99_ms: float) -> list[Check]:
    """Those of this scenario; a ramp goes on until it fails, so that it promises nothing but to lose nobody."""
    if not phases:
        return [Check("something was measured", None, holds=False)]
    checks = [_none("sessions lost", phases, "lost"), _none("errors", phases, "errors")]
    if shape.is_open:
        return checks + _overload_checks(shape, phases)
    if shape.name == "ramp":
        answered = sum(phase.answered for phase in phases)
        return [*checks, Check("spoken chunks answered", answered, holds=answered > 0)]
    slowest = max((phase.p99_ms for phase in phases if phase.p99_ms is not None), default=None)
    checks += [_none("sessions refused", phases, "refused"), _most(f"p99 at most {p99_ms:g} ms", slowest, p99_ms)]
    return [*checks, _answered(phases)]


def recovery_s(shape: Shape, phases: Sequence[Stretch], intervals: Sequence[Stretch]) -> float | None:
    """How long after the last phase began the p99 was as in the first and nobody was refused; None if never.

    Where the refused ask again, refusals do not count: those who waited have to be let in first.
    """
    if not shape.is_open or len(phases) < 2 or phases[0].p99_ms is None:  # noqa: PLR2004 - the first and the last
        return None
    began_s, bound_ms = _last_began_s(shape), phases[0].p99_ms * MOST_SLOWER
    after = [interval for interval in intervals if interval.at_s >= began_s]
    first = _first_row(
        after,
        lambda it: (not it.refused or shape.asks_again) and it.p99_ms is not None and it.p99_ms <= bound_ms,
        least=_IN_A_ROW,
    )
    return None if first is None else first.at_s - began_s


def recovery_checks(shape: Shape, recovered_s: float | None, played_s: float) -> list[Check]:
    """That of an overload; none where it was broken off before it could recover."""
    enough_s = min(shape.phases[-1].seconds, NORMAL_WITHIN_S + _IN_A_ROW * shape.interval_s)
    is_undecided = recovered_s is None and played_s - _last_began_s(shape) < enough_s
    if is_undecided or not shape.is_open:
        return []
    return [_most(f"normal again within {NORMAL_WITHIN_S:g} s", recovered_s, NORMAL_WITHIN_S)]


def bends_at(intervals: Sequence[Stretch], p99_ms: float) -> float | None:
    """How many streams there were when a ramp's p99 rose above the bound or somebody was refused; None if it held.

    Where chunks were spoken and none was answered it has no p99, and did not hold.
    """

    def is_bad(interval: Stretch) -> bool:
        unanswered_ms = math.inf if interval.owed else 0.0
        return interval.refused > 0 or (unanswered_ms if interval.p99_ms is None else interval.p99_ms) > p99_ms

    bad = _first_row(intervals, is_bad, least=1)
    return None if bad is None else bad.streams


def _overload_checks(shape: Shape, phases: Sequence[Stretch]) -> list[Check]:
    unloaded_ms = phases[0].p99_ms or 0.0
    slowest = max((phase.p99_ms for phase in phases if phase.p99_ms is not None), default=None)
    goodput = [phase.good_s_per_s for phase in phases]
    beyond = [phase.good_s_per_s for phase in phases if phase.level > shape.full_level]
    refusals = max((phase.refused_p99_ms for phase in phases if phase.refused_p99_ms is not None), default=None)
    checks = [_most(f"p99 of the admitted at most {MOST_SLOWER} x the unloaded", slowest, MOST_SLOWER * unloaded_ms)]
    if beyond:
        share = min(beyond) / max(goodput) if max(goodput) else 0.0
        checks.append(Check(f"goodput at least {LEAST_OF_PEAK:.0%} of its peak", share, share >= LEAST_OF_PEAK))
    if refusals is not None:
        checks.append(_most(f"refusals answered within {REFUSED_WITHIN_MS:g} ms at p99", refusals, REFUSED_WITHIN_MS))
    return checks


def _none(what: str, phases: Sequence[Stretch], name: str) -> Check:
    number = sum(getattr(phase, name) for phase in phases)
    return Check(f"no {what}", number, not number)


def _most(promise: str, figure: float | None, bound: float) -> Check:
    return Check(promise, figure, figure is not None and figure <= bound)


def _answered(phases: Sequence[Stretch]) -> Check:
    owed = sum(phase.owed for phase in phases)
    share = sum(phase.answered for phase in phases) / owed if owed else 0.0
    return Check(f"at least {LEAST_ANSWERED:.0%} of the spoken chunks answered", share, share >= LEAST_ANSWERED)


def _last_began_s(shape: Shape) -> float:
    return shape.seconds - shape.phases[-1].seconds


def _first_row(intervals: Sequence[Stretch], is_so: Callable[[Stretch], bool], *, least: int) -> Stretch | None:
    """The first of some intervals in a row that are so; at the very end `least` are enough."""
    for nth in range(len(intervals) - least + 1):
        row = intervals[nth : nth + _IN_A_ROW]
        if all(is_so(interval) for interval in row):
            return row[0]
    return None
