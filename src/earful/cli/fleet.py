"""A look at a running service: what the workers at some addresses answer about themselves, their sessions and numbers.

Guarantees a bounded look: a few requests to each address, side by side, each with a deadline; an address that does not
answer is a part of what was seen. Used by `earful top`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from earful.cli.asking import UnansweredError, ask
from earful.client.address import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_SESSIONS = 500
"""Looked at in one answer: making it costs the asked worker time that is its sessions'."""
MOST_ADDRESSES = 32


class WorkerSeat(msgspec.Struct, frozen=True):
    """The answering worker, as health tells it."""

    id: str
    slot: int
    active_sessions: int
    max_sessions: int


class Health(msgspec.Struct, frozen=True):
    """`/v1/health`."""

    status: str
    active_sessions: int
    scope: str
    worker: WorkerSeat
    version: str
    store: str | None = None


class Percentiles(msgspec.Struct, frozen=True):
    """In ms."""

    p50: float
    p95: float
    p99: float


class Numbers(msgspec.Struct, frozen=True):
    """`/v1/metrics`."""

    requests_per_second: float
    error_rate: float
    latency_ms: Percentiles
    overload_level: int = 0


class Colleague(msgspec.Struct, frozen=True):
    """One of `/v1/workers`."""

    id: str
    slot: int
    sessions: int
    version: str
    ops: str | None = None
    began_unix_s: float | None = None


class Crew(msgspec.Struct, frozen=True):
    """`/v1/workers`; `worker` is the answering one's id."""

    workers: list[Colleague]
    worker: str = ""


class Session(msgspec.Struct, frozen=True):
    """One of `/v1/sessions`; what other releases do not tell is None."""

    session_id: str
    state: str
    duration_s: float
    encoding: str
    sample_rate: int
    speech_ms: int
    lag_ms: int
    buffered_ms: int = 0
    unsent_bytes: int = 0
    attempt: int | None = None
    worker: str | None = None
    tenant: str | None = None


class Page(msgspec.Struct, frozen=True):
    """`/v1/sessions`."""

    sessions: list[Session]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What one address answered; without a health, why it did not."""

    url: str
    why_not: str = ""
    health: Health | None = None
    numbers: Numbers | None = None
    workers: Sequence[Colleague] = field(default=())
    sessions: Sequence[Session] = field(default=())
    has_more: bool = False
    """Whether it has more sessions than were looked at."""


def look(urls: Sequence[str]) -> list[Seen]:
    """All addresses side by side, in their order."""
    with ThreadPoolExecutor(MOST_ADDRESSES, thread_name_prefix="look") as threads:
        return list(threads.map(_look_at, urls[:MOST_ADDRESSES]))


def _look_at(url: str) -> Seen:
    health: Health | None = None
    try:
        health = ask(url, "/v1/health", Health, or_status=HTTPStatus.SERVICE_UNAVAILABLE)
        numbers = ask(url, "/v1/metrics", Numbers)
        page = ask(url, f"/v1/sessions?limit={MOST_SESSIONS}", Page)
    except UnansweredError as error:
        return Seen(url, _why_not(url, error, has_health=health is not None), health)
    return Seen(url, "", health, numbers, _workers(url), page.sessions, page.next_cursor is not None)


def _workers(url: str) -> Sequence[Colleague]:
    """Those that it knows; none where it is of a release that does not tell."""
    try:
        return ask(url, "/v1/workers", Crew).workers
    except UnansweredError:
        return ()


def _why_not(url: str, error: UnansweredError, *, has_health: bool) -> str:
    if has_health and error.status == HTTPStatus.NOT_FOUND:
        return f"{shown(url)} tells no more here; name its operations listener (ops_port) as --url."
    return str(error)
