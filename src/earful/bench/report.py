"""A measurement's result: its exit code, its verdict, and all of it as JSON. Called by the command when it is over."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from earful.bench.machine import rounded, where
from earful.client.address import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.bench.figures import Figures
    from earful.bench.plan import Plan

HELD, FAILED, INVALID, INTERRUPTED = 0, 1, 3, 130

_FORMAT = 1
"""Of the JSON: one more where a field changes its meaning."""


@dataclass(frozen=True, slots=True)
class Report:
    """All steps of a run to `url`, and `found` as in `Run`.

    `trouble` is the sentence that ended it early, if one did; `is_complete` unless somebody interrupted it.
    """

    url: str
    plan: Plan
    steps: Sequence[Figures]
    found: int | None = None
    trouble: str = ""
    is_complete: bool = True

    @property
    def exit_code(self) -> int:
        """130 interrupted, 3 the generator was late, 1 something went wrong or nothing held, else 0."""
        if not self.is_complete:
            return INTERRUPTED
        if not self.steps or self.trouble:
            return FAILED
        if not self._decisive.is_valid:
            return INVALID
        is_good = not self.steps[-1].failure if self.found is None else bool(self.found)
        return HELD if is_good else FAILED

    @property
    def verdict(self) -> str:
        """What came of it, for people."""
        parts = [self.trouble] if self.trouble else []
        parts += [] if self.is_complete else ["Interrupted."]
        if not self.steps:
            return " ".join([*parts, "Nothing was measured."])
        last, decisive = self.steps[-1], self._decisive
        parts += [] if decisive.is_valid else [_invalid(decisive)]
        if self.found is not None:
            parts.append(self._most())
        elif last.failure:
            parts.append(f"Failed: {last.failure}.")
        elif last.is_valid:
            parts.append(f"p99 {last.latency.p99_ms:.1f} ms at {last.streams} streams, and nothing went wrong.")
        return " ".join(parts)

    def tree(self) -> dict[str, Any]:
        """The whole as JSON; what is not known is null."""
        return {
            "format": _FORMAT,
            "url": shown(self.url),
            "arguments": {**asdict(self.plan), "find": self.found is not None},
            **where(),
            "steps": [self._step(step) for step in self.steps],
            "found_streams": self.found,
            "trouble": self.trouble,
            "is_complete": self.is_complete,
            "exit_code": self.exit_code,
            "verdict": self.verdict,
        }

    @property
    def _decisive(self) -> Figures:
        """What says whether the result is the server's: the last step, or of a search the nearest that did not hold."""
        missed = None if self.found is None else nearest_miss(self.steps, self.found)
        return self.steps[-1] if missed is None else missed

    def _most(self) -> str:
        wanted = f"a p99 of {self.plan.p99_ms:g} ms"
        if not self.found:
            return f"No step held {wanted}."
        best = f"{self.found} streams held {wanted}"
        nearest = nearest_miss(self.steps, self.found)
        if nearest is None:
            return f"{best}; more were not tried."
        return f"{best}; {nearest.streams} did not: {why_not(nearest, self.plan.p99_ms)}."

    def _step(self, step: Figures) -> dict[str, Any]:
        return {
            **rounded(asdict(step)),
            "answered": step.latency.count,
            "answered_share": round(step.answered_share, 4),
            "valid": step.is_valid,
            "held": step.is_valid and step.holds(self.plan.p99_ms),
        }


def nearest_miss(steps: Sequence[Figures], found: int) -> Figures | None:
    """Of a search that found so many, the last step of the fewest that did not hold; None where all did."""
    return min((step for step in reversed(steps) if step.streams > found), key=lambda step: step.streams, default=None)


def why_not(step: Figures, p99_ms: float) -> str:
    """In a few words, why a step does not hold; empty where it does."""
    if not step.is_valid:
        return "the generator was late"
    if step.failure or step.holds(p99_ms):
        return step.failure
    return f"p99 {step.latency.p99_ms:.1f} ms"


def _invalid(step: Figures) -> str:
    late = f"p99 {step.generator_late.p99_ms:.1f} ms, {step.most_late_ms:g} allowed"
    return f"Invalid: at {step.streams} streams the generator itself was late ({late}); give it a core of its own."
