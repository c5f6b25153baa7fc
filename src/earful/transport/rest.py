"""The REST routes: uploads, health, metrics, sessions; protocol section 8.

Every answer is JSON with `x-request-id`; every failure a row of the error table.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response

from earful import __version__
from earful.errors import EarfulError, ErrorCode
from earful.service.upload import Upload, UploadLimits
from earful.telemetry.traceparent import traceparent_of
from earful.telemetry.tracing import traced
from earful.transport import schemas
from earful.transport.spool import spooled

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.service.identity import Identity
    from earful.service.registry import Registry
    from earful.service.roster import Roster

_FOREIGN = ("forwarded", "origin", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})


def status_of(registry: Registry) -> schemas.Status:
    """`ok`, or why this worker should get no traffic: `starting`, `draining`."""
    if registry.draining:
        return "draining"
    return "ok" if registry.engine.ready else "starting"


def upload_routes(registry: Registry, caps: UploadLimits, max_upload_bytes: int) -> APIRouter:
    """`POST /v1/transcribe`."""
    router = APIRouter(tags=["transcription"])

    @router.post("/v1/transcribe", openapi_extra=schemas.UPLOAD_BODY, responses=schemas.UPLOAD_ERRORS)
    async def transcribe(request: Request) -> schemas.Transcription:
        """Transcribe a recording, sent as the raw body or as the multipart field `file`."""
        began = time.monotonic()
        upload_id, parent = secrets.token_urlsafe(16), traceparent_of(request.headers.getlist("traceparent"))
        try:
            with registry.upload(), traced(registry.tracer.upload(upload_id, parent)) as trace:
                async with spooled(request, max_upload_bytes) as file:
                    # Not before the body is there: it takes a seat at the engine, which only `run` gives back.
                    upload = Upload(upload_id, registry.limits, caps, registry.engine)
                    await upload.run(file)
                trace.note(utterances=len(upload.segments), **upload.session.numbers.as_dict())
        except asyncio.CancelledError:
            if not registry.draining:
                raise
            # The server's last act in a drain that ran out of time: the client is told, nothing is a fault.
            raise EarfulError(ErrorCode.DRAINING) from None
        return schemas.Transcription(
            text=" ".join(segment.text for segment in upload.segments if segment.text),
            duration_ms=upload.session.numbers.audio_ms,
            processing_ms=round((time.monotonic() - began) * 1000),
            segments=[
                schemas.Segment(index=s.index, text=s.text, start_ms=s.start_ms, end_ms=s.end_ms)
                for s in upload.segments
            ],
            request_id=request.state.request_id,
        )

    return router


def health_routes(registry: Registry, roster: Roster, identity: Identity) -> APIRouter:
    """`GET /v1/health`, `/livez`, `/readyz`."""
    router = APIRouter(tags=["operations"])

    @router.get("/v1/health", responses=schemas.HEALTH_ERRORS, response_model_exclude_unset=True)
    async def health(response: Response) -> schemas.Health:
        """Tell whether this server should get traffic: 200, or 503 while it is starting or draining."""
        status = status_of(registry)
        response.status_code = 200 if status == "ok" else 503
        store = roster.store
        known = {} if store is None else {"store": store}
        return schemas.Health.model_validate(
            {
                "status": "degraded" if status == "ok" and store == "away" else status,
                "active_sessions": roster.active_sessions,
                "scope": "service" if store == "ok" or (store is None and identity.is_alone) else "worker",
                "worker": {
                    "id": identity.id,
                    "slot": identity.slot,
                    "active_sessions": len(registry.connections),
                    "max_sessions": registry.limits.max_sessions,
                },
                "version": __version__,
                **known,
            }
        )

    @router.get("/livez")
    async def livez() -> schemas.Alive:
        """Answer while the process lives."""
        return schemas.Alive(status="ok")

    @router.get("/readyz", responses=schemas.READY_ERRORS)
    async def readyz(response: Response) -> schemas.Alive:
        """Tell whether this process wants traffic."""
        status = status_of(registry)
        response.status_code = 200 if status == "ok" else 503
        return schemas.Alive(status=status)

    return router


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

        return Response(render(registry.metrics), media_type=CONTENT_TYPE)

    return router


def session_routes(roster: Roster) -> APIRouter:
    """`GET /v1/sessions`, `GET` and `DELETE /v1/sessions/{id}`; any worker answers for any session it can know of."""
    router = APIRouter(tags=["sessions"])

    @router.get("/v1/sessions", responses=schemas.BAD_PARAMETERS, response_model_exclude_unset=True)
    async def sessions(
        limit: Annotated[int, Query(ge=1, le=1000, description="Most sessions in one answer.")] = 100,
        cursor: Annotated[str, Query(max_length=64, description="`next_cursor` of the page before.")] = "",
    ) -> schemas.SessionPage:
        """List the live sessions, in the order of their ids."""
        page = await roster.page(cursor, limit)
        partial = {"partial": True} if page.is_partial else {}
        return schemas.SessionPage.model_validate(
            {"sessions": page.sessions, "next_cursor": page.next_cursor, **partial}
        )

    @router.get("/v1/sessions/{session_id}", responses=schemas.NO_SESSION)
    async def session(session_id: str) -> schemas.SessionView:
        """Inspect one live session; never any of its text."""
        return schemas.SessionView.model_validate(await roster.find(session_id))

    @router.delete("/v1/sessions/{session_id}", status_code=202, responses=schemas.NO_SESSION)
    async def end(session_id: str) -> schemas.Alive:
        """End one live session: its open utterance is finalised, then it is closed with 1000."""
        await roster.end(session_id)
        return schemas.Alive(status="ending")

    return router


def drain_route(drain: Callable[[], None]) -> APIRouter:
    """`POST /v1/drain`: as SIGTERM."""
    router = APIRouter(tags=["operations"])

    @router.post("/v1/drain", status_code=202, responses=schemas.FORBIDDEN)
    async def drain_worker(request: Request) -> schemas.Alive:
        """Drain this server, all its workers, and end it; only for a peer on this machine that no proxy stands for."""
        peer = request.client.host if request.client is not None else ""
        if peer not in _LOOPBACK or any(name in request.headers for name in _FOREIGN):
            raise EarfulError(ErrorCode.FORBIDDEN)
        drain()
        return schemas.Alive(status="draining")

    return router
