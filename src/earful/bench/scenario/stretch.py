"""An interval or a phase of a scenario as plain numbers. Pure; made of a timeline's cells when it is over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earful.bench.ledger import Latencies

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from earful.bench.scenario.shape import Phase, Shape
    from earful.bench.scenario.timeline import Cell, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """An interval or a phase. Latencies count from when a chunk was due; None where there is nothing to tell."""

    name: str
    at_s: float
    seconds: float
    level: float
    streams: float
    answered: int
    owed: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    good_s_per_s: float
    """Seconds of audio, each second, whose final came within 2 s of their end."""
    arrived: int
    refused: int
    refused_p99_ms: float | None
    lost: int
    errors: int
    cpu_pct: float | None
    resident_mb: float | None
    late_p99_ms: float | None

    @property
    def worst_ms(self) -> float | None:
        """The p99, infinite where chunks were spoken and none was answered; None where nobody spoke."""
        return math.inf if self.p99_ms is None and self.owed else self.p99_ms

    @classmethod
    def of(cls, cells: Sequence[Cell], name: str, at_s: float, level: float, interval_s: float) -> Stretch:
        """That of these cells, one at least."""
        latencies, refusals, late = (
            _together([getattr(cell, kind) for cell in cells]) for kind in ("latencies", "refusals", "late")
        )
        seconds = len(cells) * interval_s
        return cls(
            name=name,
            at_s=at_s,
            seconds=seconds,
            level=level,
            streams=sum(cell.streams for cell in cells) / len(cells),
            answered=latencies.count(),
            owed=sum(cell.owed for cell in cells),
            p50_ms=latencies.quantile_ms(0.5),
            p95_ms=latencies.quantile_ms(0.95),
            p99_ms=latencies.quantile_ms(0.99),
            good_s_per_s=sum(cell.good_s for cell in cells) / seconds,
            arrived=sum(cell.arrived for cell in cells),
            refused=sum(cell.refused for cell in cells),
            refused_p99_ms=refusals.quantile_ms(0.99),
            lost=sum(cell.lost for cell in cells),
            errors=sum(cell.errors for cell in cells),
            cpu_pct=_mean([cell.cpu_pct for cell in cells]),
            resident_mb=max((cell.resident_mb for cell in cells if cell.resident_mb is not None), default=None),
            late_p99_ms=late.quantile_ms(0.99),
        )


def whole_of(timeline: Timeline) -> Stretch:
    """All that was played: what prepares, and what the last answers were awaited for, too."""
    return Stretch.of(timeline.cells, "whole", 0.0, 0.0, timeline.interval_s)


def intervals_of(timeline: Timeline, shape: Shape, played_s: float) -> list[Stretch]:
    """One for each interval that was played to its end."""
    every_s = timeline.interval_s
    return [
        Stretch.of([cell], "", nth * every_s, shape.level((nth + 0.5) * every_s), every_s)
        for nth, cell in enumerate(_played(timeline, played_s))
    ]


def phases_of(timeline: Timeline, shape: Shape, played_s: float) -> list[Stretch]:
    """One for each measured phase of which an interval was played; an interval belongs where its middle lies."""
    return [
        Stretch.of(
            [timeline.cells[nth] for nth in inside],
            phase.name,
            begin_s,
            phase.level(phase.seconds / 2),
            timeline.interval_s,
        )
        for begin_s, phase, inside in _measured(shape, played_s)
        if inside
    ]


def unmeasured(shape: Shape) -> list[Phase]:
    """The phases that are to be measured, and are too short to have an interval, though all of it is played."""
    return [phase for _, phase, inside in _measured(shape, shape.seconds) if not inside]


def _measured(shape: Shape, played_s: float) -> list[tuple[float, Phase, list[int]]]:
    """Each measured phase with its beginning and the numbers of its intervals."""
    every_s = shape.interval_s
    return [
        (begin, phase, [nth for nth in range(_whole(played_s, every_s)) if begin <= (nth + 0.5) * every_s < end])
        for begin, end, phase in shape.spans()
        if phase.is_measured
    ]


def _played(timeline: Timeline, played_s: float) -> list[Cell]:
    return timeline.cells[: _whole(played_s, timeline.interval_s)]


def _whole(played_s: float, interval_s: float) -> int:
    """How many intervals were played to their end."""
    return int(played_s / interval_s + 0.01)


def _together(parts: Iterable[Latencies]) -> Latencies:
    whole = Latencies()
    for part in parts:
        whole.add(part)
    return whole


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
