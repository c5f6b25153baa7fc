"""One frame of `earful top`: what was seen, as tables for a terminal.

Guarantees that it fits into the room there is, the busiest sessions first and their ids whole; that it says what found
no room; and that nothing a service answers can disturb the terminal. Called by `top.py`.
"""

from __future__ import annotations

import heapq
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Group
from rich.text import Text

from earful.cli.grid import Column, Grid
from earful.cli.phrases import printable
from earful.client.address import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import RenderableType

    from earful.cli.fleet import Colleague, Seen, Session

MOST_WORKERS = 32
_ID_LENGTH = 12
_SLOW_MS = 200
_MS = 1000
_STATUS_STYLES = {"ok": "green", "degraded": "yellow"}
_NONE = "-"
_SHARE = 4
"""Of the lines, at most a quarter is for services, as many for workers."""
_COMPLAINTS_SHARE = 6
"""And a sixth for what they complain of; a row says of each that it is away."""
_URL_SHARE = 3
_LEAST_URL_WIDTH = 24

_SERVICES = (
    Column("service"),
    Column("status", 1),
    Column("version", 9),
    Column("store", 8),
    Column("sessions", 2, is_right=True),
    Column("req/s", 7, is_right=True),
    Column("p50", 6, is_right=True),
    Column("p95", 5, is_right=True),
    Column("p99", 3, is_right=True),
    Column("errors", 4, is_right=True),
    Column("load", 3, is_right=True),
)
_WORKERS = (
    Column("worker"),
    Column("slot", 3, is_right=True),
    Column("sessions", 1, is_right=True),
    Column("up", 2, is_right=True),
    Column("version", 5),
    Column("operations", 4),
)
_SESSIONS = (
    Column("session"),
    Column("state", 1),
    Column("age", 2, is_right=True),
    Column("format", 8),
    Column("speech", 5, is_right=True),
    Column("waiting", 3, is_right=True),
    Column("lag", 4, is_right=True),
    Column("try", 6, is_right=True),
    Column("worker", 7),
    Column("tenant", 9),
)


class Room(NamedTuple):
    """What a frame may take, in characters and lines; without a `height`, as many as it needs."""

    width: int
    height: int | None = None


def frame(seen: Sequence[Seen], most_sessions: int, now_unix_s: float, room: Room) -> RenderableType:
    """Of all addresses together: each its line, then the workers, then the busiest sessions, then what is left out."""
    sessions = _by_id(session for one in seen for session in one.sessions)
    workers = {worker.id: worker for one in seen for worker in _workers_of(one)}
    busiest = heapq.nlargest(most_sessions, sessions, key=busyness)
    whole = [
        _services(seen, room.width).fit(room.width),
        _workers(list(workers.values()), now_unix_s).fit(room.width),
        _sessions(busiest).fit(room.width),
    ]
    complaints = _complaints(seen, room)
    narrow = _left_out(whole)
    taken = len(narrow) + sum(_height(text, room.width) for text in complaints)
    grids = _cut(whole, None if room.height is None else room.height - taken)
    is_all = not any(one.has_more for one in seen)
    footer = _shown(grids, len(seen), len(workers), len(sessions), is_all=is_all)
    drawn = [part for grid in grids[1:] if grid.rows for part in ("", grid.table())]
    return Group(grids[0].table(), *complaints, *drawn, *footer, *narrow)


def busyness(session: Session) -> tuple[int, int, int, float]:
    """What makes a session one to look at: audio that waits, results unread, a late answer, much speech."""
    return session.buffered_ms, session.unsent_bytes, session.lag_ms, session.speech_ms


def _cut(grids: Sequence[Grid], height: int | None) -> list[Grid]:
    """Services, workers and sessions with as many rows as there are lines for, and one left for what is cut."""
    services, workers, sessions = grids
    workers = workers.first(MOST_WORKERS)
    if height is None:
        return [services, workers, sessions]
    services, workers = services.first(height // _SHARE), workers.first(height // _SHARE)
    headings = 1 + sum(2 for grid in (workers, sessions) if grid.rows)
    left = height - headings - len(services.rows) - len(workers.rows) - 1
    return [services, workers, sessions.first(left)]


def _shown(grids: Sequence[Grid], services: int, workers: int, sessions: int, *, is_all: bool) -> list[Text]:
    """A line that says what is not all there; none where everything is."""
    parts = []
    for grid, number, name in zip(grids, (services, workers), ("services", "workers"), strict=False):
        if len(grid.rows) < number:
            parts.append(f"{len(grid.rows)} of {number} {name}")
    number = len(grids[2].rows)
    if number < sessions or not is_all:
        parts.append(f"the {number} busiest of {'' if is_all else 'the first '}{sessions}")
    return [_line(", ".join(parts))] if parts else []


def _left_out(grids: Iterable[Grid]) -> list[Text]:
    """A line that names the columns for which there is no room; none where all have some."""
    names = dict.fromkeys(name for grid in grids if grid.rows for name in grid.left_out)
    return [_line(f"no room for {', '.join(names)}")] if names else []


def _services(seen: Iterable[Seen], width: int) -> Grid:
    most = max(_LEAST_URL_WIDTH, width // _URL_SHARE)
    return Grid(_SERVICES, [[_text(_tail(shown(one.url), most)), *_health(one), *_numbers(one)] for one in seen])


def _health(one: Seen) -> Iterator[Text]:
    health = one.health
    if health is None:
        yield Text("away", "bold red")
        yield from map(Text, [_NONE] * 3)
        return
    yield _text(health.status, _STATUS_STYLES.get(health.status, "bold red"))
    yield _text(health.version)
    yield _text(health.store or _NONE, "bold red" if health.store == "away" else "")
    limit = "" if health.scope == "service" else f"/{health.worker.max_sessions}"
    yield _text(f"{health.active_sessions}{limit}")


def _numbers(one: Seen) -> Iterator[Text]:
    numbers = one.numbers
    if numbers is None:
        yield from map(Text, [_NONE] * 6)
        return
    latency = numbers.latency_ms
    yield _text(f"{numbers.requests_per_second:.1f}")
    for value_ms in (latency.p50, latency.p95, latency.p99):
        yield _text(f"{value_ms:.0f} ms", "bold red" if value_ms > _SLOW_MS else "")
    yield _text(f"{numbers.error_rate:.1%}", "yellow" if numbers.error_rate else "")
    yield _text(f"{numbers.overload_level}", "bold red" if numbers.overload_level else "")


def _complaints(seen: Iterable[Seen], room: Room) -> list[Text]:
    """Those for which there is room, the first ones."""
    complaints = [_text(one.why_not, "red") for one in seen if one.why_not]
    if room.height is not None:
        ends = accumulate(_height(text, room.width) for text in complaints)
        complaints = complaints[: sum(end <= room.height // _COMPLAINTS_SHARE for end in ends)]
    return complaints


def _workers_of(one: Seen) -> Iterator[Colleague]:
    from earful.cli.fleet import Colleague

    yield from one.workers
    if not one.workers and one.health is not None:
        own = one.health.worker
        yield Colleague(own.id, own.slot, own.active_sessions, one.health.version)


def _workers(workers: Sequence[Colleague], now_unix_s: float) -> Grid:
    ordered = sorted(workers, key=lambda one: (one.ops or "", one.slot, one.id))
    return Grid(_WORKERS, [[_text(cell) for cell in _worker(one, now_unix_s)] for one in ordered])


def _worker(one: Colleague, now_unix_s: float) -> Iterator[str]:
    up = _NONE if one.began_unix_s is None else _span(now_unix_s - one.began_unix_s)
    yield from (one.id[:_ID_LENGTH], str(one.slot), str(one.sessions), up, one.version, one.ops or _NONE)


def _sessions(sessions: Iterable[Session]) -> Grid:
    return Grid(_SESSIONS, [list(_session(one)) for one in sessions])


def _session(session: Session) -> Iterator[Text]:
    yield _text(session.session_id)
    yield _text(session.state)
    yield _text(_span(session.duration_s))
    yield _text(f"{session.encoding} {session.sample_rate / _MS:g}k")
    yield _text(f"{session.speech_ms / _MS:.1f} s")
    yield _text(f"{session.buffered_ms} ms", "yellow" if session.buffered_ms else "")
    yield _text(f"{session.lag_ms} ms", "bold red" if session.lag_ms > _SLOW_MS else "")
    yield _text(_NONE if session.attempt is None else str(session.attempt))
    yield _text((session.worker or _NONE)[:_ID_LENGTH])
    yield _text(session.tenant or _NONE)


def _by_id(sessions: Iterable[Session]) -> list[Session]:
    """Each once, though several workers may list it."""
    return list({session.session_id: session for session in sessions}.values())


def _text(text: str, style: str = "") -> Text:
    return Text(printable(text), style)


def _line(text: str) -> Text:
    """One that is no part of a table."""
    return Text(text, "dim", no_wrap=True, overflow="ellipsis")


def _tail(text: str, most: int) -> str:
    """The end of an address, where its port is."""
    return text if len(text) <= most else f"\N{HORIZONTAL ELLIPSIS}{text[1 - most :]}"


def _height(text: Text, width: int) -> int:
    """Lines that a text takes, words kept whole."""
    from rich.console import Console

    return len(text.wrap(Console(width=width), width))


def _span(seconds: float) -> str:
    """`42 s`, `3:07`, `2:03:07`."""
    whole = max(0, int(seconds))
    minutes, hours = whole // 60, whole // 3600
    if not minutes:
        return f"{whole} s"
    return f"{hours}:{minutes % 60:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
