"""What the points about one chunk size and duty say of it. Pure; made by `Capacity.around`.

Guarantees what was measured at a measured point, between them a stream's share of a worker interpolated along chunks a
second and duty, beyond them never less than at the last, and nothing from a point that held none.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from earful.planning.line import about, along

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from earful.planning.point import Point


class NothingHeldError(Exception):
    """What is asked would come of points, or workers, that hold no stream; the text is the rest of a sentence on it."""


class Around:
    """One chunk size and duty, and what a worker holds of it."""

    def __init__(self, points: Sequence[Point], chunk_ms: float, duty: float) -> None:
        """Find those of the points that count here, none of which are two; raises NothingHeldError of an empty one."""
        self._at = 1000 / chunk_ms
        self._duty = duty
        self._held = [point for point in points if point.streams > 0]
        lines = [
            (of_duty, [(point.chunks_per_s, point) for point in group])
            for of_duty, group in groupby(sorted(points, key=_place), key=lambda point: point.duty)
        ]
        self._lines = [(of_duty, about(self._at, line)) for of_duty, line in about(duty, lines)]
        self.points = [point for _, line in self._lines for _, point in line]
        """Those that everything here comes of."""
        for point in self.points:
            if not point.streams:
                raise NothingHeldError(_nothing_held(chunk_ms, duty, point))

    @property
    def streams(self) -> float:
        """How many streams one worker holds: by what was held, and by the cores it would keep busy."""
        held = 1 / self._between(lambda point: 1 / point.streams)
        cores = self.cores_per_stream
        return min(held, cores_per_worker(self._held) / cores) if cores else held

    @property
    def p99_ms(self) -> float:
        """The p99 that these streams were held to: between points the larger one, for that is all that was seen."""
        return max(point.p99_ms for point in self.points)

    @property
    def at_least(self) -> list[str]:
        """Which of the points say less than the machine holds, and why: a few words each."""
        return [bound for point in self.points if (bound := point.bound)]

    @property
    def is_refusal_bound(self) -> bool:
        """Whether one of the points is what a server let in by its own limits."""
        return any(point.is_refusal_bound for point in self.points)

    @property
    def cores_per_stream(self) -> float | None:
        """The part of a core that a stream costs; None where nobody looked."""
        if any(point.cpu_pct is None for point in self._held):
            return None
        return self._between(lambda point: (point.cpu_pct or 0) / 100 / point.streams)

    @property
    def answers_per_stream(self) -> float:
        """Partials and finals a second that a stream gets."""
        return self._between(lambda point: point.answers_per_s / point.streams)

    @property
    def held_mb(self) -> float | None:
        """What a worker has with the most streams that it holds; None where nobody looked."""
        if any(point.held_mb is None for point in self._held):
            return None
        return self._between(lambda point: point.held_mb or 0)

    def _between(self, value: Callable[[Point], float]) -> float:
        """A value of the points, along chunks a second first, then along duty."""
        by_duty = [
            (of_duty, along(self._at, [(at, value(point)) for at, point in line])) for of_duty, line in self._lines
        ]
        return along(self._duty, by_duty)


def cores_per_worker(points: Sequence[Point]) -> float:
    """What a worker may keep busy: one, or as many as it was seen to, with a model on threads or processes."""
    return max(1.0, *((point.cpu_pct or 0) / 100 for point in points if point.streams))


def _place(point: Point) -> tuple[float, float]:
    return point.duty, point.chunks_per_s


def _nothing_held(chunk_ms: float, duty: float, point: Point) -> str:
    """That there is nothing to reckon by."""
    why = f"a worker held no streams at a p99 of {point.p99_ms:g} ms"
    if point.is_refusal_bound:
        why = "a worker refused all streams"
    elif point.is_generator_bound:
        why = "the load's own process was late with any number of streams, and what a worker holds is not known"
    measured = f"with {point.chunk_ms} ms chunks at duty {point.duty:g} {why}"
    if (point.chunk_ms, point.duty) == (chunk_ms, duty):
        return measured
    return f"{measured}, and {chunk_ms:g} ms at duty {duty:g} would be reckoned by that"
