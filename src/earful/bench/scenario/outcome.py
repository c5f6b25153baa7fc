"""What a scenario came to: its exit code, its verdict, and all of it as JSON. Pure; made when it is over."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from earful.bench.machine import rounded, where
from earful.bench.report import FAILED, HELD, INTERRUPTED, INVALID
from earful.bench.scenario.judgement import bends_at, checks_of
from earful.bench.scenario.recovery import recoveries_of, slowest_s
from earful.bench.scenario.stretch import intervals_of, phases_of, whole_of
from earful.client.address import shown

if TYPE_CHECKING:
    from earful.bench.figures import Trouble
    from earful.bench.plan import Plan
    from earful.bench.scenario.judgement import Check
    from earful.bench.scenario.shape import Shape
    from earful.bench.scenario.stretch import Stretch
    from earful.bench.scenario.timeline import Timeline

_FORMAT = 2
"""Of the JSON: one more where a field changes its meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Intervals, measured phases, and what is said of them; times count from the scenario's beginning."""

    url: str
    shape: Shape
    plan: Plan
    intervals: list[Stretch]
    phases: list[Stretch]
    checks: list[Check]
    trouble: Trouble
    recovery_s: float | None
    """How long after an overload all was normal again, the longest of them; None where that was not seen of each."""
    bends_at: float | None
    """The streams at which a ramp no longer held; None where it held."""
    is_complete: bool

    @classmethod
    def of(
        cls, url: str, shape: Shape, plan: Plan, timeline: Timeline, trouble: Trouble, played_s: float | None = None
    ) -> Outcome:
        """That of a timeline; `played_s` says how much of it was played, where that is not all."""
        until_s = shape.seconds if played_s is None else played_s
        intervals, phases = intervals_of(timeline, shape, until_s), phases_of(timeline, shape, until_s)
        recoveries = recoveries_of(shape, phases, intervals)
        return cls(
            url=url,
            shape=shape,
            plan=plan,
            intervals=intervals,
            phases=phases,
            checks=checks_of(shape, whole_of(timeline), phases, recoveries, plan.p99_ms),
            trouble=trouble,
            recovery_s=slowest_s(recoveries),
            bends_at=bends_at(intervals, plan.p99_ms) if shape.name == "ramp" else None,
            is_complete=played_s is None,
        )

    @property
    def is_valid(self) -> bool:
        """Whether the server was measured, and not the generator."""
        return all((phase.late_p99_ms or 0.0) <= self.plan.most_late_ms for phase in self.phases)

    @property
    def exit_code(self) -> int:
        """130 interrupted, 3 the generator was late, 1 a promise did not hold, else 0; what is not judged is none."""
        if not self.is_complete:
            return INTERRUPTED
        if not self.is_valid:
            return INVALID
        return FAILED if any(check.holds is False for check in self.checks) else HELD

    @property
    def verdict(self) -> str:
        """What came of it, for people."""
        unjudged = [f"{check.promise} ({check.not_judged})" for check in self.checks if check.holds is None]
        held = "Everything that was judged held." if unjudged else "Everything held."
        parts = [held] if self.exit_code == HELD else []
        parts += [] if self.is_complete else ["Interrupted."]
        if not self.is_valid:
            late_ms = max(phase.late_p99_ms or 0.0 for phase in self.phases)
            parts.append(f"Invalid: the generator itself was late (p99 {late_ms:.1f} ms); give it a core of its own.")
        broken = [check.promise for check in self.checks if check.holds is False]
        if broken:
            parts.append(f"Did not hold: {', '.join(broken)}.")
        if unjudged and self.is_complete:
            parts.append(f"Not judged: {'; '.join(unjudged)}.")
        if self.trouble.sentence:
            parts.append(f"There were {self.trouble.sentence}.")
        if self.shape.name == "ramp" and self.phases:
            parts.append(self._bend())
        if self.recovery_s is not None:
            parts.append(f"Normal again {self.recovery_s:g} s after the overload.")
        return " ".join(parts)

    def tree(self) -> dict[str, Any]:
        """The whole as JSON; what is not known is null."""
        whole = asdict(self)
        return {
            "format": _FORMAT,
            "scenario": self.shape.name,
            "url": shown(self.url),
            "arguments": whole["plan"],
            "shape": whole["shape"],
            **where(),
            **{name: rounded(whole[name]) for name in ("phases", "intervals", "checks", "recovery_s", "bends_at")},
            "trouble": whole["trouble"],
            "is_complete": self.is_complete,
            "exit_code": self.exit_code,
            "verdict": self.verdict,
        }

    def _bend(self) -> str:
        wanted = f"a p99 of {self.plan.p99_ms:g} ms"
        if self.bends_at is not None:
            return f"Up to about {self.bends_at:.0f} streams held {wanted}."
        held = max((interval.streams for interval in self.intervals if interval.answered), default=None)
        if held is None:
            return "Where it bends was not judged: nobody spoke."
        return f"{held:.0f} streams held {wanted}; more were not {'measured' if held < self.shape.most else 'tried'}."
