"""What a scenario promises, and whether that held. Pure; told by `outcome`.

Guarantees that a promise of which nothing was seen is not judged, and says why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earful.bench.figures import LEAST_ANSWERED
from earful.bench.scenario.recovery import MOST_SLOWER, normal_ms, slowest_s
from earful.bench.scenario.shape import IN_A_ROW, NORMAL_WITHIN_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from earful.bench.scenario.recovery import Recovery
    from earful.bench.scenario.shape import Shape
    from earful.bench.scenario.stretch import Stretch

LEAST_OF_PEAK = 0.9
REFUSED_WITHIN_MS = 100.0
_NO_OVERLOAD = "nothing beyond the capacity was offered"
_NO_UNLOADED = "nobody was answered at or below the capacity before the overload"
_NO_RELIEF = "nothing below the capacity was offered after an overload"


@dataclass(frozen=True, slots=True)
class Check:
    """What was promised, the figure that came of it (None where there is none), and whether that is as promised."""

    promise: str
    figure: float | None
    holds: bool | None
    """None where it was not judged."""
    not_judged: str | None = None
    """Why, where it was not."""


def checks_of(
    shape: Shape, whole: Stretch, phases: Sequence[Stretch], recoveries: Sequence[Recovery], p99_ms: float
) -> list[Check]:
    """Those of this scenario; a ramp goes on until it fails, so that it promises nothing but to lose nobody.

    Who was lost, and what failed, counts in the `whole`, however little else was measured there.
    """
    if not phases:
        return [Check("something was measured", None, holds=False)]
    checks = [_none("sessions lost", whole.lost), _none("errors", whole.errors)]
    if shape.is_open:
        return [*checks, _answered(phases), *_overload_checks(shape, phases, recoveries)]
    if shape.name == "ramp":
        answered = sum(phase.answered for phase in phases)
        return [*checks, Check("spoken chunks answered", answered, holds=answered > 0)]
    refused = sum(phase.refused for phase in phases)
    checks += [_none("sessions refused", refused), _slowest(f"p99 at most {p99_ms:g} ms", phases, p99_ms)]
    return [*checks, _answered(phases), *([] if shape.least_s is None else [_churn(shape.least_s, phases)])]


def bends_at(intervals: Sequence[Stretch], p99_ms: float) -> float | None:
    """How many streams there were when a ramp's p99 rose above the bound or somebody was refused; None if it held.

    Where chunks were spoken and none was answered it has no p99, and did not hold.
    """

    def is_bad(interval: Stretch) -> bool:
        return interval.refused > 0 or (interval.worst_ms or 0.0) > p99_ms

    bad = _first_row(intervals, is_bad)
    return None if bad is None else bad.streams


def _overload_checks(shape: Shape, phases: Sequence[Stretch], recoveries: Sequence[Recovery]) -> list[Check]:
    bound_ms, beyond = normal_ms(shape, phases), [phase for phase in phases if shape.is_beyond(phase.level)]
    slower = f"p99 of the admitted at most {MOST_SLOWER} x the unloaded"
    normal = f"normal again within {NORMAL_WITHIN_S:g} s"
    goodput, refusals = _goodput(phases, beyond), _refusals(phases)
    if not beyond:
        return [_unjudged(slower, _NO_OVERLOAD), goodput, refusals, _unjudged(normal, _NO_OVERLOAD)]
    if bound_ms is None:
        return [_unjudged(slower, _NO_UNLOADED), goodput, refusals, _unjudged(normal, _NO_UNLOADED)]
    recovered = [_recovered(normal, recoveries, shape.interval_s), *_regained(recoveries)]
    return [_slowest(slower, phases, bound_ms), goodput, refusals, *recovered]


def _slowest(promise: str, phases: Sequence[Stretch], bound_ms: float) -> Check:
    """Of the p99 of each phase: one that is too slow decides, else one in which nobody spoke."""
    slowest_ms = max((phase.worst_ms for phase in phases if phase.worst_ms is not None), default=0.0)
    silent = [phase.name for phase in phases if phase.worst_ms is None]
    if silent and slowest_ms <= bound_ms:
        return _unjudged(promise, f"nobody spoke in {', '.join(silent)}")
    return _most(promise, slowest_ms, bound_ms)


def _goodput(phases: Sequence[Stretch], beyond: Sequence[Stretch]) -> Check:
    promise = f"goodput at least {LEAST_OF_PEAK:.0%} of its peak"
    if not beyond:
        return _unjudged(promise, _NO_OVERLOAD)
    if len(phases) == 1:
        return _unjudged(promise, f"there is nothing to compare {phases[0].name} with")
    peak = max(phase.good_s_per_s for phase in phases)
    share = min(phase.good_s_per_s for phase in beyond) / peak if peak else 0.0
    return Check(promise, share, share >= LEAST_OF_PEAK)


def _refusals(phases: Sequence[Stretch]) -> Check:
    promise = f"refusals answered within {REFUSED_WITHIN_MS:g} ms at p99"
    known = [phase.refused_p99_ms for phase in phases if phase.refused_p99_ms is not None]
    return _most(promise, max(known), REFUSED_WITHIN_MS) if known else _unjudged(promise, "nobody was refused")


def _recovered(promise: str, recoveries: Sequence[Recovery], interval_s: float) -> Check:
    """Of each overload's recovery: one that took too long decides, else one of which that is not known."""
    if not recoveries:
        return _unjudged(promise, _NO_RELIEF)
    verdicts = [recovery.is_in_time for recovery in recoveries]
    if False in verdicts:
        return Check(promise, slowest_s(recoveries), holds=False)
    if None in verdicts:
        seen_s = recoveries[verdicts.index(None)].seen_s
        return _unjudged(promise, f"{seen_s:g} s with room, in intervals of {interval_s:g} s, do not show it")
    return Check(promise, slowest_s(recoveries), holds=True)


def _regained(recoveries: Sequence[Recovery]) -> list[Check]:
    """Of the goodput after each overload: the worst of them decides; nothing is said where there is none to compare."""
    known = [recovery.regained for recovery in recoveries if recovery.regained is not None]
    if not known:
        return []
    worst = min(known, key=lambda regained: regained.share + regained.chance)
    promise = f"goodput after the overload at least {LEAST_OF_PEAK:.0%} of before, but for chance"
    return [Check(promise, worst.share, worst.share + worst.chance >= LEAST_OF_PEAK)]


def _none(what: str, number: int) -> Check:
    return Check(f"no {what}", number, not number)


def _most(promise: str, figure: float, bound: float) -> Check:
    return Check(promise, figure if math.isfinite(figure) else None, figure <= bound)


def _unjudged(promise: str, why: str) -> Check:
    return Check(promise, None, None, why)


def _answered(phases: Sequence[Stretch]) -> Check:
    owed = sum(phase.owed for phase in phases)
    share = sum(phase.answered for phase in phases) / owed if owed else 0.0
    return Check(f"at least {LEAST_ANSWERED:.0%} of the spoken chunks answered", share, share >= LEAST_ANSWERED)


def _churn(least_s: float, phases: Sequence[Stretch]) -> Check:
    """Whether sessions that last `least_s` or more were followed by others: else a soak shows what `sustained` does."""
    promise, seen_s = "sessions came and went", sum(phase.seconds for phase in phases)
    if least_s >= seen_s:
        return _unjudged(promise, f"they last {least_s:g} s at least, and {seen_s:g} s were measured")
    came = sum(phase.arrived for phase in phases)
    return Check(promise, came, came > 0)


def _first_row(intervals: Sequence[Stretch], is_so: Callable[[Stretch], bool]) -> Stretch | None:
    """The first of some intervals in a row that are so; at the very end one is enough."""
    for nth, interval in enumerate(intervals):
        if all(is_so(follower) for follower in intervals[nth : nth + IN_A_ROW]):
            return interval
    return None
