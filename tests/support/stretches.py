"""Timelines and stretches of a scenario as a test wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from earful.bench.figures import Trouble
from earful.bench.plan import Plan
from earful.bench.scenario.outcome import Outcome
from earful.bench.scenario.shape import overload
from earful.bench.scenario.stretch import Stretch
from earful.bench.scenario.timeline import Cell, Timeline
from earful.bench.tally import Tally

if TYPE_CHECKING:
    from earful.bench.scenario.shape import Shape

PLAN = Plan()
OVERLOAD = overload(10, 4.0, 2.0, (0.5, 1.0, 4.0, 0.5))
"""Filling for 2 s, three phases of 4 s, one of 13 s; 5 arrivals a second are what 10 sessions of 2 s take."""


def stretch(name: str = "held", **given: Any) -> Stretch:
    """A good one, but for what is given."""
    good: dict[str, Any] = {
        "at_s": 0.0,
        "seconds": 1.0,
        "level": 10.0,
        "streams": 10.0,
        "answered": 100,
        "owed": 100,
        "p50_ms": 50.0,
        "p95_ms": 51.0,
        "p99_ms": 52.0,
        "good_s_per_s": 6.0,
        "arrived": 1,
        "refused": 0,
        "refused_p99_ms": None,
        "lost": 0,
        "errors": 0,
        "cpu_pct": None,
        "resident_mb": None,
        "late_p99_ms": 1.0,
    }
    return Stretch(name=name, **{**good, **given})


def filled(
    cell: Cell, latency_ms: float = 50.0, *, refused: int = 0, good_s: float = 6.0, late_ms: float = 1.0
) -> None:
    """Let ten chunks be answered in this time, and so on."""
    for _ in range(10):
        cell.latencies.observe(latency_ms / 1000)
        cell.owed += 1
    for _ in range(refused):
        cell.refusals.observe(0.002)
    cell.late.observe(late_ms / 1000)
    cell.arrived, cell.refused, cell.good_s, cell.streams = 5 + refused, refused, good_s, 10
    cell.cpu_pct, cell.resident_mb = 40.0, 60.0


def timeline(shape: Shape, **given: Any) -> Timeline:
    """One whose cells are all filled alike."""
    line = Timeline(0.0, shape.interval_s, shape.seconds)
    for cell in line.cells:
        filled(cell, **given)
    return line


def outcome(
    shape: Shape = OVERLOAD, line: Timeline | None = None, played_s: float | None = None, tally: Tally | None = None
) -> Outcome:
    """Of a scenario in which nothing went wrong, but for what is given."""
    trouble = Trouble.of(tally or Tally())
    url = "ws://me:secret@here"
    return Outcome.of(url, shape, PLAN, timeline(shape) if line is None else line, trouble, played_s)
