"""The REST routes for whoever runs the service: metrics, sessions, drain; docs/protocol.md, HTTP.

On the operations listener where there is one, else on the public one. There the orders to a worker are taken only
from its own machine; here from whoever reaches the listener, but for a web page's. A listener that only its own
machine reaches answers nothing under a name of somebody else's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from earful.errors import EarfulError, ErrorCode
from earful.service.readings import gauges_of
from earful.store.directory import StoreUnavailableError
from earful.transport import responses, schemas
from earful.transport.order import described, ordered
from earful.transport.visitors import tenant_seen_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.service.identity import Identity
    from earful.service.registry import Registry
    from earful.service.roster import Roster
    from earful.service.workers import Workers
    from earful.telemetry.journal import Journal
    from earful.telemetry.log_level import LogLevel

    Guard = Callable[[Request], None]

_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
_OWN_NAME = re.compile(r"(localhost|[0-9.]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
"""A `Host` that no DNS server can have lent to a page."""


def from_this_machine(request: Request) -> None:
    """Refuse whoever is not on this machine, or may stand for somebody who is not."""
    from_no_page(request)
    peer = request.client.host if request.client is not None else ""
    if peer not in _LOOPBACK or any(name in request.headers for name in _FORWARDED):
        raise EarfulError(ErrorCode.FORBIDDEN)


def from_no_page(request: Request) -> None:
    """Refuse a web page: any that its reader opens can send a POST to where only the reader gets."""
    if "origin" in request.headers:
        raise EarfulError(ErrorCode.FORBIDDEN)


def is_loopback(host: str) -> bool:
    """Whether a listener on this address is reached from its own machine only."""
    return host in _LOOPBACK or host == "localhost"


def by_own_name(request: Request) -> None:
    """Refuse a web page that reached this machine's own listener by a name that was bent to it (DNS rebinding)."""
    if not _OWN_NAME.fullmatch(request.headers.get("host", "localhost")):
        raise EarfulError(ErrorCode.FORBIDDEN)


def metrics_routes(registry: Registry, roster: Roster) -> APIRouter:
    """`GET /v1/metrics` and `GET /metrics`."""
    router = APIRouter(tags=["operations"])

    @router.get("/v1/metrics")
    async def summary() -> schemas.Metrics:
        """Tell what all workers together served, and how fast over the last 60 s."""
        return schemas.Metrics.model_validate(await roster.summary())

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def prometheus() -> Response:
        """Give all counters as Prometheus text."""
        # Loaded at the first scrape: it is not needed to start.
        from earful.telemetry.exposition import CONTENT_TYPE, render

        return Response(render(registry.metrics, gauges_of(registry)), media_type=CONTENT_TYPE)

    return router


def session_routes(roster: Roster) -> APIRouter:
    """`GET /v1/sessions`, `GET` and `DELETE /v1/sessions/{id}`; any worker answers for any session it can know of."""
    router = APIRouter(tags=["sessions"])

    @router.get("/v1/sessions", responses=responses.BAD_PARAMETERS, response_model_exclude_unset=True)
    async def sessions(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=1000, description="Most sessions in one answer.")] = 100,
        cursor: Annotated[str, Query(max_length=64, description="`next_cursor` of the page before.")] = "",
    ) -> schemas.SessionPage:
        """List the live sessions, in the order of their ids."""
        page = await roster.page(cursor, limit, tenant_seen_by(request))
        partial = {"partial": True} if page.is_partial else {}
        return schemas.SessionPage.model_validate(
            {"sessions": page.sessions, "next_cursor": page.next_cursor, **partial}
        )

    @router.get("/v1/sessions/{session_id}", responses=responses.NO_SESSION)
    async def session(request: Request, session_id: str) -> schemas.SessionView:
        """Inspect one live session; never any of its text."""
        return schemas.SessionView.model_validate(await roster.find(session_id, tenant_seen_by(request)))

    @router.delete(
        "/v1/sessions/{session_id}",
        status_code=202,
        responses=responses.NO_SESSION | responses.FORBIDDEN,
        dependencies=[Depends(from_no_page)],
    )
    async def end(request: Request, session_id: str) -> schemas.Alive:
        """End one live session: its open utterance is finalised, then it is closed with 1000."""
        await roster.end(session_id, tenant_seen_by(request))
        return schemas.Alive(status="ending")

    return router


def event_routes(journal: Journal, workers: Workers, identity: Identity) -> APIRouter:
    """`GET /v1/sessions/{id}/events`."""
    router = APIRouter(tags=["sessions"])

    @router.get("/v1/sessions/{session_id}/events", responses=responses.NO_EVENTS)
    async def events(session_id: str) -> schemas.SessionEvents:
        """Tell what happened to a session here, live or ended a while ago, and which other worker knows more.

        The id that a resuming connection was given at its upgrade leads to its session.
        """
        session_id = journal.name_of(session_id)
        told = journal.events_of(session_id)
        try:
            elsewhere = await workers.elsewhere(session_id)
        except StoreUnavailableError:
            if not told:
                raise EarfulError(ErrorCode.OVERLOADED, "Nothing is known here, and the store is away.") from None
            elsewhere = None
        if not told and elsewhere is None:
            raise EarfulError(ErrorCode.NOT_FOUND, "Nothing is known of a session of this id.")
        return schemas.SessionEvents(
            session_id=session_id,
            worker=identity.id,
            events=[schemas.SessionEvent(unix_ms=one.unix_ms, name=one.name, fields=dict(one.fields)) for one in told],
            elsewhere=None if elsewhere is None else schemas.Elsewhere.model_validate(elsewhere),
        )

    return router


def worker_routes(workers: Workers, identity: Identity) -> APIRouter:
    """`GET /v1/workers`."""
    router = APIRouter(tags=["operations"])

    @router.get("/v1/workers", response_model_exclude_unset=True)
    async def crew() -> schemas.Workers:
        """List the answering worker, and those that share its store."""
        found = await workers.crew()
        partial = {"partial": True} if found.is_partial else {}
        return schemas.Workers.model_validate({"worker": identity.id, "workers": found.workers, **partial})

    return router


def drain_route(drain: Callable[[], None], guard: Guard) -> APIRouter:
    """`POST /v1/drain`: as SIGTERM, for whoever passes the `guard`."""
    router = APIRouter(tags=["operations"], dependencies=[Depends(guard)])

    @router.post("/v1/drain", status_code=202, responses=responses.FORBIDDEN)
    async def drain_worker() -> schemas.Alive:
        """Drain this server, all its workers, and end it."""
        drain()
        return schemas.Alive(status="draining")

    return router


def log_level_route(level: LogLevel, identity: Identity, guard: Guard) -> APIRouter:
    """`PUT /v1/log-level`, for whoever passes the `guard`."""
    router = APIRouter(tags=["operations"], dependencies=[Depends(guard)])

    @router.put("/v1/log-level", openapi_extra=described(schemas.LogLevel), responses=responses.NO_LEVEL)
    async def change_log_level(request: Request) -> schemas.LogLevelChange:
        """Change the least level that the answering worker logs, until it ends; the other workers' stay."""
        wanted = await ordered(request, schemas.LogLevel)
        return schemas.LogLevelChange(old=level.set(wanted.level), level=wanted.level, worker=identity.id)

    return router
