"""What one worker holds, as it was measured: the file that `earful bench --capacity` writes, and what lies between.

Guarantees what was measured at a measured point, between them a stream's share of a worker interpolated along chunks a
second and duty, beyond them never less than at the last, and nothing from a point that held none. Pure; read by
`estimate`.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

FORMAT = 1


def flags_for(max_sessions: int) -> str:
    """What makes a worker that refuses nobody before it has so many sessions, however slow it is."""
    return f"--max-sessions {max_sessions} --overload-cpu-percent 0 --model-load-percent 0"


UNLIMITED = flags_for(10_000)
"""What makes one of which its machine's is measured: it is slow before, and its machine's open files are enough."""
_MOST = 1e9
"""Of any figure, so that no sum of them is infinite."""

_Amount = Annotated[float, Meta(ge=0, le=_MOST)]


class CapacityError(Exception):
    """A capacity file cannot be used; the text is one sentence."""


class NothingHeldError(CapacityError):
    """What is asked would come of points, or workers, that hold no stream; the text is the rest of a sentence on it."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """The most streams of this chunk size and duty that one worker held at `p99_ms`, and what it used for them."""

    chunk_ms: Annotated[int, Meta(ge=1, le=60_000)]
    duty: Annotated[float, Meta(gt=0, le=1)]
    streams: Annotated[int, Meta(ge=0, le=1_000_000)]
    p99_ms: _Amount
    """What was held: the unloaded p99 and a margin."""
    unloaded_p99_ms: _Amount
    answers_per_s: _Amount
    """Partials and finals, of all streams together."""
    cpu_pct: _Amount | None = None
    base_mb: _Amount | None = None
    """Before anybody was connected: what earlier points made the worker take, it may have kept."""
    kb_per_session: _Amount | None = None
    """By which it grew for each of the first streams that were tried."""
    held_mb: _Amount | None = None
    """Resident with the streams that were held."""
    worst_mb: _Amount | None = None
    """The most that it had in any step, those with too many streams too."""
    is_generator_bound: bool = False
    """Whether the load's own process was late beyond it: the worker holds at least as many."""
    is_refusal_bound: bool = False
    """Whether the server refused more, and answered in time whom it let in: its machine holds at least as many."""


class Scaling(msgspec.Struct, frozen=True):
    """What each of so many workers holds, as a share of what one alone does."""

    workers: Annotated[int, Meta(ge=2, le=1_000_000)]
    share: Annotated[float, Meta(ge=0.01, le=1)]


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """Points, one at least, and where they were measured. `scaling` is by ascending workers; none means no loss.

    What is asked of a chunk size and duty raises NothingHeldError where it comes of a point without streams.
    """

    points: list[Point]
    format: int = FORMAT
    scaling: list[Scaling] = []
    cpu: str | None = None
    cpu_count: int | None = None
    platform: str = ""
    versions: dict[str, str | None] = {}
    seconds: _Amount = 0.0
    """How long each step was measured."""
    note: str = ""

    @classmethod
    def parse(cls, text: bytes) -> Capacity:
        """Read a file; raises CapacityError where it is none, has nothing in it, or what cannot be so."""
        try:
            form = msgspec.json.decode(text, type=_Form).format
            if form != FORMAT:
                raise CapacityError(f"it has format {form}, and {FORMAT} is understood")
            capacity = msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise CapacityError(f"it is no capacity file: {error}") from None
        if (reason := _contradiction(capacity)) is not None:
            raise CapacityError(reason)
        return capacity

    def text(self) -> str:
        """The file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode() + "\n"

    def streams(self, chunk_ms: float, duty: float) -> float:
        """How many streams one worker holds: by what was held, and by the cores it would keep busy."""
        held = 1 / self._between(chunk_ms, duty, lambda point: 1 / point.streams)
        cores = self.cores_per_stream(chunk_ms, duty)
        return min(held, self.cores_per_worker / cores) if cores else held

    def p99_ms(self, chunk_ms: float, duty: float) -> float:
        """The p99 that these streams were held to: between points the larger one, for that is all that was seen."""
        return max(point.p99_ms for point in self.used(chunk_ms, duty))

    def at_least(self, chunk_ms: float, duty: float) -> list[str]:
        """Which of the points that this comes of say less than the machine holds, and why: a few words each."""
        return [f"{_name(point)}: {reason}" for point in self.used(chunk_ms, duty) if (reason := _bound(point))]

    def used(self, chunk_ms: float, duty: float) -> list[Point]:
        """The points that everything about this chunk size and duty comes of."""
        return [point for _, line in self._around(chunk_ms, duty) for _, point in line]

    @property
    def cores_per_worker(self) -> float:
        """What a worker may keep busy: one, or as many as it was seen to, with a model on threads or processes."""
        return max(1.0, *((point.cpu_pct or 0) / 100 for point in self._held()))

    def cores_per_stream(self, chunk_ms: float, duty: float) -> float | None:
        """The part of a core that a stream costs; None where nobody looked."""
        if any(point.cpu_pct is None for point in self._held()):
            return None
        return self._between(chunk_ms, duty, lambda point: (point.cpu_pct or 0) / 100 / point.streams)

    def answers_per_stream(self, chunk_ms: float, duty: float) -> float:
        """Partials and finals a second that a stream gets."""
        return self._between(chunk_ms, duty, lambda point: point.answers_per_s / point.streams)

    @property
    def base_mb(self) -> float | None:
        """What a worker takes with nobody connected, the least of all points: a server keeps what it once took."""
        return min((point.base_mb for point in self.points if point.base_mb is not None), default=None)

    @property
    def kb_per_session(self) -> float | None:
        """What a session takes besides, the most of all points."""
        return max((point.kb_per_session for point in self.points if point.kb_per_session is not None), default=None)

    def held_mb(self, chunk_ms: float, duty: float) -> float | None:
        """What a worker has with the most streams that it holds; None where nobody looked."""
        if any(point.held_mb is None for point in self._held()):
            return None
        return self._between(chunk_ms, duty, lambda point: point.held_mb or 0)

    @property
    def worst_mb(self) -> float | None:
        """The most that a worker was seen to have at all."""
        seen = (mb for point in self.points for mb in (point.base_mb, point.held_mb, point.worst_mb) if mb is not None)
        return max(seen, default=None)

    def beyond(self, chunk_ms: int, duty: float, workers: int) -> list[str]:
        """What of this was not measured, nor lies between: a few words each."""
        lines = [(at, [point.chunk_ms for point in self.points if point.duty == at]) for at in self._duties()]
        near = _about(duty, lines)
        short = next(((at, chunks) for at, chunks in near if not min(chunks) <= chunk_ms <= max(chunks)), None)
        found = [] if short is None else [f"chunk {chunk_ms} ms (measured: {_range(short[1])} ms at duty {short[0]:g})"]
        for name, at, measured in (
            ("duty", duty, self._duties()),
            ("workers", workers, [1, *(one.workers for one in self.scaling)]),
        ):
            if not min(measured) <= at <= max(measured):
                found.append(f"{name} {at:,g} (measured: {_range(measured)})")
        return found

    def share(self, workers: int) -> float:
        """What each of so many workers holds, of what one alone does; beyond what was measured as at the last."""
        measured = [(1.0, 1.0), *((float(one.workers), one.share) for one in self.scaling)]
        return _along(min(float(workers), measured[-1][0]), measured)

    def _held(self) -> list[Point]:
        return [point for point in self.points if point.streams > 0]

    def _duties(self) -> list[float]:
        return sorted({point.duty for point in self.points})

    def _between(self, chunk_ms: float, duty: float, value: Callable[[Point], float]) -> float:
        """A value of the points, along chunks a second first, then along duty."""
        by_duty = []
        for at, points in self._around(chunk_ms, duty):
            by_duty.append((at, _along(1000 / chunk_ms, [(place, value(point)) for place, point in points])))
        return _along(duty, by_duty)

    def _around(self, chunk_ms: float, duty: float) -> list[tuple[float, list[tuple[float, Point]]]]:
        """The points about this place by chunks a second, for the duties about it; each with where it is."""
        lines = [
            (at, [(1000 / point.chunk_ms, point) for point in group])
            for at, group in groupby(sorted(self.points, key=_place), key=lambda point: point.duty)
        ]
        around = [(at, _about(1000 / chunk_ms, line)) for at, line in _about(duty, lines)]
        for _, line in around:
            for _, point in line:
                if not point.streams:
                    raise NothingHeldError(_nothing_held(chunk_ms, duty, point))
        return around


class _Form(msgspec.Struct, frozen=True):
    format: int = FORMAT


def _contradiction(capacity: Capacity) -> str | None:
    """Why these figures cannot all be used, if so."""
    if not any(point.streams for point in capacity.points):
        return "no point in it held any streams"
    (chunk_ms, duty), number = Counter((point.chunk_ms, point.duty) for point in capacity.points).most_common(1)[0]
    if number > 1:
        return f"{number} points in it have {chunk_ms} ms and duty {duty:g}"
    if any(later.workers <= one.workers for one, later in pairwise(capacity.scaling)):
        return "its scaling is not by ascending workers"
    return None


def _place(point: Point) -> tuple[float, float]:
    return point.duty, 1000 / point.chunk_ms


def _range(measured: Sequence[float]) -> str:
    least, most = min(measured), max(measured)
    return f"{least:g} to {most:g}" if least < most else f"{least:g}"


def _name(point: Point) -> str:
    return f"{point.chunk_ms} ms, duty {point.duty:g}"


def _bound(point: Point) -> str | None:
    """Why more than its streams may be held, if so."""
    if point.is_refusal_bound:
        return f"by its own limits the server refused more than {point.streams:,} streams before it was slow"
    if point.is_generator_bound:
        return f"the load's own process was late with more than {point.streams:,} streams"
    return None


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


def _about(at: float, line: Sequence[tuple[float, T]]) -> list[tuple[float, T]]:
    """What of a line by ascending place counts at a place: what is there, or its two neighbours.

    Before the first it is that one; beyond the last the last two.
    """
    at = max(at, line[0][0])
    after = next((nth for nth, (place, _) in enumerate(line) if place >= at), len(line) - 1)
    return [line[after]] if line[after][0] == at else list(line[max(after - 1, 0) : after + 1])


def _along(at: float, line: Sequence[tuple[float, float]]) -> float:
    """The value at a place of a line through points by ascending place.

    Before its first point it is as there; beyond its last it goes on where it was rising. So larger chunks and less
    speech than were measured are taken to cost as much as those that were, and what is more never to cost less.
    """
    near = _about(at, line)
    if len(near) == 1:
        return near[0][1]
    (left, low), (right, high) = near
    value = low + (high - low) * (at - left) / (right - left)
    return value if at <= right else max(value, high)
