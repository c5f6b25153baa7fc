"""What one worker holds, as it was measured: the file that `earful bench --capacity` writes, and what lies between.

Guarantees what was measured at a measured point, and between them a stream's share of a worker interpolated along
chunks a second and duty. Pure; read by `estimate`.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FORMAT = 1
_LEAST_SHARE = 0.25
"""Beyond what was measured no stream is taken to cost less than this part of the cheapest that was."""


class CapacityError(Exception):
    """A capacity file cannot be used; the text is one sentence."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """The most streams of this chunk size and duty that one worker held at `p99_ms`, and what it used for them."""

    chunk_ms: int
    duty: float
    streams: int
    p99_ms: float
    """What was held: the unloaded p99 and a margin."""
    unloaded_p99_ms: float
    answers_per_s: float
    """Partials and finals, of all streams together."""
    cpu_pct: float | None = None
    base_mb: float | None = None
    """Before anybody was connected."""
    kb_per_session: float | None = None
    is_generator_bound: bool = False
    """Whether the load's own process was late beyond it: the worker holds at least as many."""


class Scaling(msgspec.Struct, frozen=True):
    """What each of so many workers holds, as a share of what one alone does."""

    workers: int
    share: float


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """Points, one at least, and where they were measured. `scaling` is by ascending workers; none means no loss."""

    points: list[Point]
    format: int = FORMAT
    scaling: list[Scaling] = []
    cpu: str | None = None
    cpu_count: int | None = None
    platform: str = ""
    versions: dict[str, str | None] = {}
    seconds: float = 0.0
    """How long each step was measured."""
    note: str = ""

    @classmethod
    def parse(cls, text: bytes) -> Capacity:
        """Read a file; raises CapacityError where it is none, or has nothing in it."""
        try:
            capacity = msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise CapacityError(f"it is no capacity file: {error}") from None
        if capacity.format != FORMAT:
            raise CapacityError(f"it has format {capacity.format}, and {FORMAT} is understood")
        if not any(point.streams > 0 for point in capacity.points):
            raise CapacityError("no point in it held any streams")
        return capacity

    def text(self) -> str:
        """The file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode() + "\n"

    def streams(self, chunk_ms: float, duty: float) -> float:
        """How many streams one worker holds."""
        shares = [1 / point.streams for point in self._held()]
        share = self._between(chunk_ms, duty, lambda point: 1 / point.streams)
        return 1 / max(share, _LEAST_SHARE * min(shares))

    def cores_per_stream(self, chunk_ms: float, duty: float) -> float | None:
        """The part of a core that a stream costs; None where nobody looked."""
        if any(point.cpu_pct is None for point in self._held()):
            return None
        return max(0.0, self._between(chunk_ms, duty, lambda point: (point.cpu_pct or 0) / 100 / point.streams))

    def answers_per_stream(self, chunk_ms: float, duty: float) -> float:
        """Partials and finals a second that a stream gets."""
        return max(0.0, self._between(chunk_ms, duty, lambda point: point.answers_per_s / point.streams))

    @property
    def base_mb(self) -> float | None:
        """What a worker takes with nobody connected, the least of all points: a server keeps what it once took."""
        return min((point.base_mb for point in self.points if point.base_mb is not None), default=None)

    @property
    def kb_per_session(self) -> float | None:
        """What a session takes besides, the most of all points."""
        return max((point.kb_per_session for point in self.points if point.kb_per_session is not None), default=None)

    def share(self, workers: int) -> float:
        """What each of so many workers holds, of what one alone does; beyond what was measured as at the last."""
        measured = [(1.0, 1.0), *((float(one.workers), one.share) for one in self.scaling)]
        return _along(min(float(workers), measured[-1][0]), measured)

    def _held(self) -> list[Point]:
        return [point for point in self.points if point.streams > 0]

    def _between(self, chunk_ms: float, duty: float, value: Callable[[Point], float]) -> float:
        """A value of the points, along chunks a second first, then along duty."""
        by_duty = []
        for at, group in groupby(sorted(self._held(), key=_place), key=lambda point: point.duty):
            line = [(1000 / point.chunk_ms, value(point)) for point in group]
            by_duty.append((at, _along(1000 / chunk_ms, line)))
        return _along(duty, by_duty)


def _place(point: Point) -> tuple[float, float]:
    return point.duty, 1000 / point.chunk_ms


def _along(at: float, line: Sequence[tuple[float, float]]) -> float:
    """The value at a place of a line through points by ascending place, its ends going on as they were going."""
    if len(line) == 1:
        return line[0][1]
    after = next((nth for nth, (place, _) in enumerate(line) if place >= at), len(line) - 1)
    (left, low), (right, high) = line[max(after, 1) - 1], line[max(after, 1)]
    return low + (high - low) * (at - left) / (right - left)
