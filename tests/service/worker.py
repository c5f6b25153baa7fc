"""A registry of two places in virtual time, with its engine and its log, for the tests of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.clock import run_virtual, virtual_now
from tests.support.inside import Record
from tests.support.models import loaded, scripted
from tests.support.speech import OPENING, pieces
from tests.support.wire import RecordingWire

from earful.engine.engine import Engine
from earful.protocol.messages import AudioChunk
from earful.service.connection import ConnectionLimits
from earful.service.outbox import OutboxLimits
from earful.service.registry import Registry, RegistryLimits
from earful.session.rules import ListeningRules, SessionLimits
from earful.telemetry.events import Events
from earful.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LIMITS = RegistryLimits(
    max_sessions=2,
    max_uploads=2,
    rules=ListeningRules(),
    session=SessionLimits(),
    connection=ConnectionLimits(OutboxLimits()),
    resume_reserve=1,
)


def registered(
    scenario: Callable[[Registry], Awaitable[None]],
    model_class: type[Any] | None = None,
    *,
    load: bool = True,
    limits: RegistryLimits = LIMITS,
    **options: Any,
) -> Record:
    """Run a scenario in virtual time with a registry, by default for two sessions, with these options; its log."""
    log = Record()

    async def main() -> None:
        engine = Engine(loaded(model_class or scripted()), timeout_s=30, clock=virtual_now)
        if load:
            await engine.load()
        registry = Registry(limits, engine, Metrics(virtual_now()), Events(log), virtual_now, **options)
        await scenario(registry)
        for connection in list(registry.connections.values()):
            connection.lost("test over")
        await registry.close()
        await engine.close()

    run_virtual(main())
    return log


def speak(registry: Registry, session_id: str) -> RecordingWire:
    """A session in the middle of a sentence."""
    wire = RecordingWire()
    connection = registry.connect(session_id, wire)
    for piece in pieces(OPENING):
        connection.session.receive(AudioChunk(piece), virtual_now())
    connection.message('{"type":"audio_chunk","data":""}')
    return wire
