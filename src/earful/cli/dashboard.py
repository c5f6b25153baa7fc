"""One frame of `earful top`: what was seen, as tables for a terminal.

Guarantees a bounded frame, the busiest sessions first, and that nothing a service answers can disturb the terminal.
Called by `top.py`.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

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


def frame(seen: Sequence[Seen], most_sessions: int, now_unix_s: float) -> RenderableType:
    """Of all addresses together: each its line, then the workers, then the busiest sessions."""
    sessions = _by_id(session for one in seen for session in one.sessions)
    parts: list[RenderableType] = [_services(seen), *_complaints(seen)]
    workers = {worker.id: worker for one in seen for worker in _workers_of(one)}
    if workers:
        parts += ["", _workers(list(workers.values()), now_unix_s)]
    if sessions:
        is_all = not any(one.has_more for one in seen)
        parts += ["", _sessions(sessions, most_sessions), _shown(len(sessions), most_sessions, is_all=is_all)]
    return Group(*parts)


def busyness(session: Session) -> tuple[int, int, int, float]:
    """What makes a session one to look at: audio that waits, results unread, a late answer, much speech."""
    return session.buffered_ms, session.unsent_bytes, session.lag_ms, session.speech_ms


def _services(seen: Iterable[Seen]) -> Table:
    numbers = (">sessions", ">req/s", ">p50", ">p95", ">p99", ">errors", "load")
    table = _table("service", "status", "version", "store", *numbers)
    for one in seen:
        table.add_row(_text(shown(one.url)), *_health(one), *_numbers(one))
    return table


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
    yield _text(f"level {numbers.overload_level}", "bold red" if numbers.overload_level else "")


def _complaints(seen: Iterable[Seen]) -> Iterator[Text]:
    for one in seen:
        if one.why_not:
            yield _text(one.why_not, "red")


def _workers_of(one: Seen) -> Iterator[Colleague]:
    from earful.cli.fleet import Colleague

    yield from one.workers
    if not one.workers and one.health is not None:
        own = one.health.worker
        yield Colleague(own.id, own.slot, own.active_sessions, one.health.version)


def _workers(workers: Sequence[Colleague], now_unix_s: float) -> Table:
    table = _table("worker", ">slot", ">sessions", ">up", "version", "operations")
    for worker in sorted(workers, key=lambda one: (one.ops or "", one.slot, one.id))[:MOST_WORKERS]:
        up = _NONE if worker.began_unix_s is None else _span(now_unix_s - worker.began_unix_s)
        row = (worker.id[:_ID_LENGTH], worker.slot, worker.sessions, up, worker.version, worker.ops or _NONE)
        table.add_row(*(_text(str(cell)) for cell in row))
    return table


def _sessions(sessions: Sequence[Session], most: int) -> Table:
    columns = ("session", "state", ">age", "format", ">speech", ">waiting", ">lag", ">try", "worker", "tenant")
    table = _table(*columns)
    for session in heapq.nlargest(most, sessions, key=busyness):
        table.add_row(
            _text(session.session_id),
            _text(session.state),
            _text(_span(session.duration_s)),
            _text(f"{session.encoding} {session.sample_rate / _MS:g}k"),
            _text(f"{session.speech_ms / _MS:.1f} s"),
            _text(f"{session.buffered_ms} ms", "yellow" if session.buffered_ms else ""),
            _text(f"{session.lag_ms} ms", "bold red" if session.lag_ms > _SLOW_MS else ""),
            _text(_NONE if session.attempt is None else str(session.attempt)),
            _text((session.worker or _NONE)[:_ID_LENGTH]),
            _text(session.tenant or _NONE),
        )
    return table


def _shown(number: int, most: int, *, is_all: bool) -> Text:
    if is_all and number <= most:
        return Text("")
    looked_at = f"{number}" if is_all else f"the first {number}"
    return _text(f"the {min(most, number)} busiest of {looked_at}", "dim")


def _by_id(sessions: Iterable[Session]) -> list[Session]:
    """Each once, though several workers may list it."""
    return list({session.session_id: session for session in sessions}.values())


def _table(*columns: str) -> Table:
    """Columns by their headings; those with a > to the right."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column[0] == ">" else "left", no_wrap=True)
    return table


def _text(text: str, style: str = "") -> Text:
    return Text(printable(text), style)


def _span(seconds: float) -> str:
    """`42 s`, `3:07`, `2:03:07`."""
    whole = max(0, int(seconds))
    minutes, hours = whole // 60, whole // 3600
    if not minutes:
        return f"{whole} s"
    return f"{hours}:{minutes % 60:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
