"""The public REST routes, uploads and health: docs/protocol.md, HTTP. Those for whoever runs it are in `ops.py`.

Every answer is JSON with `x-request-id`; every failure a row of the error table.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response

from earful import __version__
from earful.errors import EarfulError, ErrorCode
from earful.service.departure import while_there
from earful.service.upload import Upload, UploadLimits
from earful.service.upload_account import account_of
from earful.transport import responses, schemas
from earful.transport.spool import spooled
from earful.transport.transcript import ANSWERS, TranscriptFormat, answer, transcription
from earful.transport.visitors import admission_of

if TYPE_CHECKING:
    from starlette.types import Receive

    from earful.decoding.decoders import Decoders
    from earful.service.identity import Identity
    from earful.service.registry import Registry
    from earful.service.roster import Roster
    from earful.service.upload_account import UploadAccount


Wanted = Annotated[
    TranscriptFormat,
    Query(alias="format", description="JSON with times; the text, an utterance a line; or captions."),
]


def status_of(registry: Registry) -> schemas.Status:
    """`ok`, or why this worker should get no traffic: `starting`, `draining`."""
    if registry.draining:
        return "draining"
    return "ok" if registry.engine.ready else "starting"


def upload_routes(registry: Registry, caps: UploadLimits, decoders: Decoders, max_upload_bytes: int) -> APIRouter:
    """`POST /v1/transcribe`."""
    router = APIRouter(tags=["transcription"])

    async def carried(request: Request, account: UploadAccount, *, words: bool) -> Upload:
        """The upload, done."""
        with registry.upload(admission_of(request)):
            account.begins()
            async with spooled(request, max_upload_bytes) as file, while_there(_departure(request.receive)):
                # Not before the body is there: it takes a seat at the engine, which only `run` gives back.
                upload = Upload(account.upload_id, registry.limits, caps, decoders, registry.engine, words=words)
                account.listens(upload.session)
                await upload.run(file)
                registry.metrics.upload_audio_ms += upload.session.numbers.audio_ms
        if registry.limits.log_text:
            account.finishes(upload.segments)
        return upload

    @router.post(
        "/v1/transcribe",
        openapi_extra=schemas.UPLOAD_BODY,
        response_model=schemas.Transcription,
        responses=ANSWERS,
    )
    async def transcribe(request: Request, form: Wanted = "json") -> Response:
        """Transcribe a recording, sent as the raw body or as the multipart field `file`."""
        began = time.monotonic()
        with account_of(registry.events, request.state.origin, registry.tracer) as account:
            try:
                upload = await carried(request, account, words=form in {"srt", "vtt"})
            except asyncio.CancelledError:
                if not registry.draining:
                    raise
                # The server's last act in a drain that ran out of time: the client is told, nothing is a fault.
                raise EarfulError(ErrorCode.DRAINING) from None
        told = transcription(
            upload.segments,
            duration_ms=upload.session.numbers.audio_ms,
            processing_ms=round((time.monotonic() - began) * 1000),
            request_id=request.state.request_id,
        )
        return answer(form, told, upload.segments)

    return router


async def _departure(receive: Receive) -> None:
    """Wait until the client has gone; not before its body is there, or a piece of that would be taken."""
    while (await receive())["type"] != "http.disconnect":
        continue


def health_routes(registry: Registry, roster: Roster, identity: Identity) -> APIRouter:
    """`GET /v1/health`, `/livez`, `/readyz`."""
    router = APIRouter(tags=["operations"])

    @router.get("/v1/health", responses=responses.HEALTH_ERRORS, response_model_exclude_unset=True)
    async def health(response: Response) -> schemas.Health:
        """Tell whether this server should get traffic: 200, or 503 while it is starting or draining."""
        status = status_of(registry)
        response.status_code = 200 if status == "ok" else 503
        store = roster.store
        known = {} if store is None else {"store": store}
        loads = {
            "loop_load": registry.loop_load.load_of(registry.taken),
            "model_load": registry.headroom.load_of(registry.taken),
        }
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
                    "overload_level": registry.level,
                    "accepting": registry.is_accepting,
                    **{name: load for name, load in loads.items() if load is not None},
                },
                "version": __version__,
                **known,
            }
        )

    @router.get("/livez")
    async def livez() -> schemas.Alive:
        """Answer while the process lives."""
        return schemas.Alive(status="ok")

    @router.get("/readyz", responses=responses.READY_ERRORS)
    async def readyz(response: Response) -> schemas.Alive:
        """Tell whether this process wants traffic."""
        status = status_of(registry)
        response.status_code = 200 if status == "ok" else 503
        return schemas.Alive(status=status)

    return router
