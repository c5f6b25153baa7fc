"""What happened to each session lately, in memory: of the live ones, and for a while of those that have ended.

Guarantees bounds: the newest `MOST_EVENTS` of a session, the last `MOST_ENDED` ended sessions, none for longer than
`KEPT_S` after its end, and the last `MOST_DRAWN` ids that resuming connections had first. What has ended is packed,
into half a kilobyte where it were five. `Events` writes; the operations' routes and `earful why` read.
"""

from __future__ import annotations

import time
import zlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_EVENTS = 64
MOST_ENDED = 2000
MOST_DRAWN = 4000
KEPT_S = 900.0
_FASTEST = 1


class Event(msgspec.Struct, frozen=True, array_like=True):
    """One thing that happened to a session, at `unix_ms`; `fields` are JSON values by name."""

    unix_ms: int
    name: str
    fields: Mapping[str, Any]


@dataclass(slots=True)
class _Entry:
    """What is known of one session; `context` is what each of its log lines carries."""

    context: Mapping[str, str]
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))


class _Packed(NamedTuple):
    """What is known of a session that has ended, and when it did."""

    data: bytes
    ended_s: float

    @classmethod
    def of(cls, entry: _Entry, ended_s: float) -> _Packed:
        plain = msgspec.msgpack.encode((entry.context, list(entry.events)))
        return cls(zlib.compress(plain, _FASTEST), ended_s)

    def entry(self) -> _Entry:
        context, events = _UNPACK.decode(zlib.decompress(self.data))
        return _Entry(context, deque(events, MOST_EVENTS))


_UNPACK = msgspec.msgpack.Decoder(tuple[dict[str, str], list[Event]])


class Journal:
    """The events of one worker's sessions; how many are live is for its caller to bound."""

    def __init__(self, unix_s: Callable[[], float] = time.time) -> None:
        """Empty; `unix_s` is the time of day."""
        self._unix_s = unix_s
        self._live: dict[str, _Entry] = {}
        self._ended: dict[str, _Packed] = {}
        self._goes_on_with: dict[str, str] = {}
        """Sessions by the ids that were drawn for connections which went on with them, in the order of these."""

    def open(self, session_id: str, context: Mapping[str, str]) -> None:
        """Begin to keep a session's events, behind those of an earlier connection that are still there."""
        entry = _Entry(context)
        earlier = self._find(session_id)
        self._ended.pop(session_id, None)
        if earlier is not None:
            entry.events.extend(earlier.events)
        self._live[session_id] = entry

    def note(self, session_id: str, event: Event) -> None:
        """Keep an event, also one that comes after the end; of a session never opened, or forgotten, nothing is."""
        entry = self._find(session_id)
        if entry is not None:
            entry.events.append(event)
            if session_id not in self._live:
                self._ended[session_id] = _Packed.of(entry, self._ended[session_id].ended_s)

    def rename(self, drawn_id: str, session_id: str, context: Mapping[str, str]) -> None:
        """The connection opened under `drawn_id` goes on with an older session: its events follow on that one's."""
        entry = self._live.pop(drawn_id, None)
        if entry is not None:
            self.open(session_id, context)
            self._live[session_id].events.extend(entry.events)
            self._goes_on_with[drawn_id] = session_id
            if len(self._goes_on_with) > MOST_DRAWN:
                del self._goes_on_with[next(iter(self._goes_on_with))]

    def close(self, session_id: str) -> None:
        """The session has ended here: its events are kept for a while."""
        entry = self._live.pop(session_id, None)
        if entry is not None:
            self._ended[session_id] = _Packed.of(entry, self._unix_s())
        self._forget()

    def name_of(self, session_id: str) -> str:
        """The session's own id, where this one was drawn for a connection that went on with it; else this one."""
        return self._goes_on_with.get(session_id, session_id)

    def events_of(self, session_id: str) -> tuple[Event, ...]:
        """A session's newest events in order; empty where it is not known, or not any more."""
        self._forget()
        entry = self._find(session_id)
        return () if entry is None else tuple(entry.events)

    def context_of(self, session_id: str) -> Mapping[str, str]:
        """What it was opened with; empty where it is not known."""
        entry = self._find(session_id)
        return {} if entry is None else entry.context

    def _find(self, session_id: str) -> _Entry | None:
        """What is known of a session; of one that has ended, a copy."""
        packed = self._ended.get(session_id)
        return self._live.get(session_id) or (packed.entry() if packed is not None else None)

    def _forget(self) -> None:
        """Drop those that ended first, as far as they are too many or too old."""
        too_old_s = self._unix_s() - KEPT_S
        while self._ended:
            eldest = next(iter(self._ended))
            if len(self._ended) <= MOST_ENDED and self._ended[eldest].ended_s > too_old_s:
                return
            del self._ended[eldest]
