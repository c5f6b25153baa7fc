"""What one worker holds, as it was measured: the file that `earful bench --capacity` writes. Pure; read by `estimate`.

Guarantees that what was read can be reckoned with. What lies between its points is `around`'s.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from earful.planning.around import Around, cores_per_worker
from earful.planning.line import about, along
from earful.planning.point import Amount, Point

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = 1


def flags_for(max_sessions: int) -> str:
    """What makes a worker that refuses nobody before it has so many sessions, however slow it is."""
    return f"--max-sessions {max_sessions} --overload-cpu-percent 0 --model-load-percent 0"


UNLIMITED = flags_for(10_000)
"""What makes one of which its machine's is measured: it is slow before, and its machine's open files are enough."""


class CapacityError(Exception):
    """A capacity file cannot be used; the text is one sentence."""


class Scaling(msgspec.Struct, frozen=True):
    """What each of so many workers holds, as a share of what one alone does."""

    workers: Annotated[int, Meta(ge=2, le=1_000_000)]
    share: Annotated[float, Meta(ge=0.01, le=1)]


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """Points, one at least, and where they were measured. `scaling` is by ascending workers; none means no loss."""

    points: list[Point]
    format: int = FORMAT
    scaling: list[Scaling] = []
    cpu: str | None = None
    cpu_count: int | None = None
    platform: str = ""
    versions: dict[str, str | None] = {}
    seconds: Amount = 0.0
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

    def around(self, chunk_ms: float, duty: float) -> Around:
        """What is known of this chunk size and duty; raises NothingHeldError where that comes of an empty point."""
        return Around(self.points, chunk_ms, duty)

    @property
    def cores_per_worker(self) -> float:
        """What a worker may keep busy: one, or as many as it was seen to, with a model on threads or processes."""
        return cores_per_worker(self.points)

    @property
    def base_mb(self) -> float | None:
        """What a worker takes with nobody connected, the least of all points: a server keeps what it once took."""
        return min((point.base_mb for point in self.points if point.base_mb is not None), default=None)

    @property
    def kb_per_session(self) -> float | None:
        """What a session takes besides, the most of all points."""
        return max((point.kb_per_session for point in self.points if point.kb_per_session is not None), default=None)

    @property
    def worst_mb(self) -> float | None:
        """The most that a worker was seen to have at all."""
        seen = (mb for point in self.points for mb in (point.base_mb, point.held_mb, point.worst_mb) if mb is not None)
        return max(seen, default=None)

    def beyond(self, chunk_ms: int, duty: float, workers: int) -> list[str]:
        """What of this was not measured, nor lies between: a few words each."""
        lines = [(at, [point.chunk_ms for point in self.points if point.duty == at]) for at in self._duties()]
        near = about(duty, lines)
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
        return along(min(float(workers), measured[-1][0]), measured)

    def _duties(self) -> list[float]:
        return sorted({point.duty for point in self.points})


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


def _range(measured: Sequence[float]) -> str:
    least, most = min(measured), max(measured)
    return f"{least:g} to {most:g}" if least < most else f"{least:g}"
