"""Assembly: builds every collaborator from the settings and hands each what it needs. Nothing is global.

`build` is for servers and tests; `create` for a foreign ASGI server (`uvicorn earful.app:create --factory`).
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline

from earful import __version__
from earful.access.loading import gate_of
from earful.completion import cancelled
from earful.decoding.decoders import Decoders
from earful.engine.engine import Engine
from earful.engine.processes import RaisedInProcessError
from earful.limits import ladder_rules, process_rules, registry_limits, upload_limits
from earful.models.loading import load_model
from earful.protocol.seal import Seal
from earful.service.admission import Entrance
from earful.service.claims import LocalClaims
from earful.service.identity import Identity
from earful.service.overload import Overload
from earful.service.presence import Presence
from earful.service.registry import Registry
from earful.service.roster import Roster, SharedRoster
from earful.service.shared_claims import SharedClaims
from earful.service.thread import in_thread
from earful.service.workers import Workers
from earful.settings import Settings
from earful.store.opening import directory_at, is_shared
from earful.telemetry.cleaning import places_of
from earful.telemetry.events import Events
from earful.telemetry.logs import open_log
from earful.telemetry.metrics import Metrics
from earful.telemetry.tracing import NO_TRACER, open_tracer
from earful.transport import ops, responses, rest
from earful.transport.asgi import websocket_routes
from earful.transport.document import tell_credentials
from earful.transport.faults import answer_faults
from earful.transport.request_id import RequestId
from earful.transport.visitors import Operators, Visitors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from fastapi import APIRouter

    from earful.engine.pool import Ended
    from earful.models.types import SessionInfo
    from earful.service.admission import Doorkeeper
    from earful.telemetry.logs import Logger
    from earful.telemetry.tracing import Tracer

    Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

SUMMARY = "Streaming speech-to-text: uploads here, live audio over WS /v1/transcribe/stream."
CLOSE_WITHIN_S = 2.0
"""How long model objects may take to close when the worker ends."""
NOTED_LONGER_S = 300.0
"""How long the store knows a session beyond `resume_window_s`: a worker reports each far more often."""
_NO_TELEMETRY: dict[str, bool] = dict.fromkeys(
    ("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False
)
"""FastAPI's own, which would tell an exception's words, and of every health check, wherever a provider is set."""


@dataclass(frozen=True, slots=True)
class Service:
    """One worker, assembled: the ASGI apps and what a server needs of what stands behind them."""

    app: FastAPI
    ops_app: FastAPI | None
    """For the operations listener, where the settings ask for one."""
    registry: Registry
    engine: Engine
    settings: Settings
    log: Logger


def build(
    settings: Settings,
    log: Logger,
    drain: Callable[[], None] | None = None,
    identity: Identity | None = None,
    seal: Seal | None = None,
    doorkeeper: Doorkeeper | None = None,
    tracer: Tracer | None = None,
) -> Service:
    """Assemble one worker, by default the only one. `drain` is what `POST /v1/drain` asks of the server.

    A server that passes it also loads the model (`service.engine.load()`), beside answering "starting"; without one
    the app loads it before its first request. `seal` wins over the settings' secret. `doorkeeper` is asked before
    anybody is let in, instead of the one that the settings ask for, if they do. `tracer` wins over the settings'
    tracing. Raises ModelLoadError where the settings' model cannot be imported, StoreUrlError where their store cannot
    be one, SettingsError where they want traces, or an `auth`, that cannot be.
    """
    identity = identity or Identity()
    tracer = tracer or open_tracer(settings, log, identity.id)
    if settings.log_text:
        log.warning("log_text is on: with the level debug, what is spoken is logged")
    metrics = _metrics(log, tracer)
    events = Events(log)
    engine = _engine(settings, metrics, events, tracer, log)
    claims = _shared_claims(settings, identity, metrics, tracer)
    registry = Registry(
        registry_limits(settings),
        engine,
        metrics,
        events,
        seal=seal or seal_of(settings),
        claims=claims,
        entrance=_entrance(settings, doorkeeper or gate_of(settings, log), metrics, log),
    )
    registry.tracer = tracer
    registry.sweepers += [tracer.sweep, registry.measure, Overload(registry, ladder_rules(settings)).sweep]
    presence = None if claims is None else Presence(registry, claims, card=identity.card)
    decoders = Decoders()
    lifespan = _lifespan(registry, presence, decoders, load=drain is None)
    has_ops = settings.ops_port is not None
    app = _public_app(registry, settings, decoders, lifespan, has_docs=not has_ops)
    ops_app = _app(has_docs=True) if has_ops else None
    roster = Roster(registry) if claims is None else SharedRoster(registry, claims)
    for one in filter(None, (app, ops_app)):
        one.include_router(rest.health_routes(registry, roster, identity))
    workers = Workers(registry, identity, None if claims is None else claims.directory)
    orders = _orders(identity, ops.from_no_page if has_ops else ops.from_this_machine, log, drain)
    tenants, operators = _guards(settings, registry)
    (ops_app or app).include_router(ops.session_routes(roster), **tenants)
    for router in (*_ops_routes(registry, roster, workers, identity), *orders):
        (ops_app or app).include_router(router, **operators)
    return Service(app, ops_app, registry, engine, settings, log)


def _metrics(log: Logger, tracer: Tracer) -> Metrics:
    """Of one worker, with what its log and its tracer could not tell."""
    metrics = Metrics(time.monotonic())
    metrics.log_lines_dropped = lambda: log.dropped
    metrics.spans_lost = lambda: tracer.lost
    return metrics


def _engine(settings: Settings, metrics: Metrics, events: Events, tracer: Tracer, log: Logger) -> Engine:
    """The model behind its engine, which tells what comes of calls."""
    engine = Engine(
        load_model(settings.model, settings.options_for_model()),
        timeout_s=settings.model_timeout_s,
        on_call=metrics.model_called,
        on_error=partial(_tell_raised, events),
        on_batch=metrics.batch_ended,
        on_answer=None if tracer is NO_TRACER else tracer.model_called,
        processes=process_rules(settings),
    )
    if engine.processes is not None:
        engine.processes.pool.on_ended = partial(_tell_ended, log)
    return engine


def _tell_raised(events: Events, info: SessionInfo, raised: BaseException) -> None:
    """Tell that the model raised, without the exception's words: they are its own, and may be what somebody said."""
    error, places = type(raised).__name__, places_of(raised)
    if isinstance(raised, RaisedInProcessError):
        error, places = raised.error, raised.places
    events.tell(info.session_id, "model failed", level="warning", error=error, traceback=places)


def _tell_ended(log: Logger, ended: Ended) -> None:
    """Log that a process of the model ended, and is followed."""
    log.warning("model process ended", **{name: value for name, value in asdict(ended).items() if value != ""})


def create() -> FastAPI:
    """The app by the environment's settings, which loads its model before it is ready."""
    settings = Settings.load({}, os.environ)
    return build(settings, open_log(settings.log_level, settings.log_format)).app


def _shared_claims(settings: Settings, identity: Identity, metrics: Metrics, tracer: Tracer) -> SharedClaims | None:
    """The way to the store that workers share; None where each has its own memory."""
    url = settings.store.get_secret_value()
    if not is_shared(url):
        return None
    directory = directory_at(
        url,
        worker=identity.id,
        max_connections=settings.redis_max_connections,
        on_turn=None if tracer is NO_TRACER else tracer.store_asked,
    )
    return SharedClaims(directory, LocalClaims(time.monotonic), metrics, settings.resume_window_s + NOTED_LONGER_S)


def _public_app(
    registry: Registry, settings: Settings, decoders: Decoders, lifespan: Lifespan, *, has_docs: bool
) -> FastAPI:
    """The app with its streams and uploads."""
    app = _app(has_docs=has_docs, lifespan=lifespan, routes=websocket_routes(registry))
    uploads = rest.upload_routes(registry, upload_limits(settings), decoders, int(settings.max_upload_mb * 1e6))
    app.include_router(uploads, **_asking(Visitors, registry))
    return app


def _entrance(settings: Settings, doorkeeper: Doorkeeper | None, metrics: Metrics, log: Logger) -> Entrance | None:
    """Where this one is asked; None where nobody is."""
    return None if doorkeeper is None else Entrance(doorkeeper, settings.handshake_timeout_s, metrics, log)


def _guards(settings: Settings, registry: Registry) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands before the routes of tenants and of operators: an operations listener is its network's to guard."""
    if settings.ops_port is not None:
        return (_by_own_name(settings),) * 2
    return _asking(Visitors, registry), _asking(Operators, registry)


def _asking(kind: type[Visitors], registry: Registry) -> dict[str, Any]:
    """What stands before routes that are not open to all, with what it may answer, told also where nobody is asked."""
    entrance = registry.entrance
    asked = [] if entrance is None else [Depends(kind(entrance, registry.events))]
    return {"dependencies": asked, "responses": kind.answers}


def _by_own_name(settings: Settings) -> dict[str, Any]:
    """What stands before the routes of an operations listener, where it is reached from its own machine only."""
    if not ops.is_loopback(settings.ops_host):
        return {}
    return {"dependencies": [Depends(ops.by_own_name)], "responses": responses.FORBIDDEN}


def _ops_routes(registry: Registry, roster: Roster, workers: Workers, identity: Identity) -> Iterator[APIRouter]:
    """What whoever runs the service may ask."""
    yield ops.metrics_routes(registry, roster)
    yield ops.worker_routes(workers, identity)
    yield ops.event_routes(registry.events.journal, workers, identity)


def _orders(identity: Identity, guard: ops.Guard, log: Logger, drain: Callable[[], None] | None) -> Iterator[APIRouter]:
    """What a worker may be told by those who pass the `guard`; to drain only where there is somebody to do it."""
    yield ops.log_level_route(log.level, identity, guard)
    if drain is not None:
        yield ops.drain_route(drain, guard)


def _app(*, has_docs: bool, **options: Any) -> FastAPI:
    """An app that answers errors as ours do, and tells what it can where it `has_docs`."""
    about = {"title": "earful", "version": __version__, "summary": SUMMARY, "telemetry": _NO_TELEMETRY, **options}
    about["redirect_slashes"] = False  # To wherever the request's `Host` says.
    app = FastAPIOffline(redoc_url=None, **about) if has_docs else FastAPI(openapi_url=None, **about)
    app.add_middleware(RequestId)
    answer_faults(app)
    tell_credentials(app)
    return app


def _lifespan(registry: Registry, presence: Presence | None, decoders: Decoders, *, load: bool) -> Lifespan:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        """Sweep from the first request to the last; a server that can drain has done so before the end."""
        if load:
            await registry.engine.load()
        tasks = {asyncio.create_task(registry.sweep_for_ever(), name="sweep")}
        if presence is not None:
            tasks.add(asyncio.create_task(presence.exchange_for_ever(), name="presence"))
        async with AsyncExitStack() as endings:  # The last first; where one fails the others still have theirs.
            endings.push_async_callback(registry.tracer.close)
            endings.push_async_callback(in_thread, decoders.close)
            endings.push_async_callback(registry.engine.close, CLOSE_WITHIN_S)
            if presence is not None:
                endings.push_async_callback(presence.close)
            endings.push_async_callback(registry.close)
            endings.push_async_callback(cancelled, tasks, CLOSE_WITHIN_S)
            yield

    return lifespan


def seal_of(settings: Settings) -> Seal:
    """What signs cursors by the settings' secret, or by one that is drawn now."""
    secrets = settings.secrets()
    return Seal(secrets) if secrets else Seal.drawn()
