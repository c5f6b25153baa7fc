"""A drain with hand-over: who goes on elsewhere, when each is told, and what is left to those who cannot."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from tests.service.test_registry_resuming import SlowClaims, begin, cursor_of, resume
from tests.service.worker import registered, speak
from tests.support.clock import settle, virtual_now
from tests.support.models import scripted, sleeps
from tests.support.speech import OPENING, codes, of_type, pieces
from tests.support.wire import RecordingWire

from earful.protocol.messages import BinaryAudio
from earful.protocol.seal import Seal
from earful.service.drain import SPREAD
from earful.service.registry import CLAIM_WITHIN_S
from earful.session.claim import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from earful.service.registry import Registry

SHARED = Seal((b"shared",))
FLUSH = json.dumps({"type": "flush", "id": "x"})


def dictate(registry: Registry, session_id: str) -> RecordingWire:
    """A session with `start`, in the middle of a sentence."""
    wire = begin(registry, session_id, '{"type":"start","partials":"off"}')
    connection = registry.connections[session_id]
    for piece in pieces(OPENING):
        connection.session.receive(BinaryAudio(piece), virtual_now())
    connection.message('{"type":"keepalive"}')
    return wire


def test_a_session_that_can_be_resumed_is_handed_over() -> None:
    """`closing` with what time there is, no final of the open utterance, no error, 4201; a plain one is finalised."""

    async def scenario(registry: Registry) -> None:
        plain, other = speak(registry, "plain"), dictate(registry, "other")
        await registry.drain(8.0)
        assert ((1012, "draining"), ["final", "error"]) == (plain.closed, plain.types[-2:])
        assert ((4201, "handed_over"), ["started", "closing"]) == (other.closed, other.types)
        assert {"reason": "drain", "resume": True, "deadline_ms": 8000}.items() <= other.sent[-1].items()
        assert (1.0, 0) == (virtual_now(), registry.metrics.failed)

    log = registered(scenario, scripted(sleeps(1)), seal=SHARED)
    assert [] == log.all_of("drain ran out of time")
    assert {"draining", "handed_over"} == {line["reason"] for line in log.all_of("session ended")}


def test_a_secret_of_its_own_outlives_no_drain_unless_others_share_it() -> None:
    """`here` sessions are finalised, or handed over where a supervisor goes on."""

    def scenario(*, here_goes_on: bool) -> Callable[[Registry], Coroutine[Any, Any, None]]:
        async def drained(registry: Registry) -> None:
            registry.here_goes_on = here_goes_on
            wire = dictate(registry, "a")
            await registry.drain(8.0)
            told.append((wire.types[1:], wire.closed))

        return drained

    told: list[object] = []
    registered(scenario(here_goes_on=False))
    registered(scenario(here_goes_on=True))
    finalised, handed_over = told
    assert (["closing", "final", "error"], (1012, "draining")) == finalised
    assert (["closing"], (4201, "handed_over")) == handed_over


def test_who_waits_for_a_hand_over_stays_where_nobody_goes_on_any_more() -> None:
    """The others end too: all who have not gone yet get their finals here, those already told to go as well."""

    async def scenario(registry: Registry) -> None:
        registry.here_goes_on = True
        wires = [dictate(registry, name) for name in "abcd"]
        for name in "abcd":
            registry.connections[name].message(FLUSH)
            for piece in pieces(OPENING):
                registry.connections[name].audio(piece)
        drain = asyncio.create_task(registry.drain(8.0))
        await asyncio.sleep(8.0 * SPREAD / 4 * 1.5)  # Two have had their turn.
        assert 2 == sum("closing" in wire.types for wire in wires)
        registry.end_here()
        registry.end_here()
        await drain
        for wire in wires:
            assert (["closing", "final", "flushed", "final", "error"], (1012, "draining")) == (
                wire.types[1:],
                wire.closed,
            )
            assert ["flush", "drain"] == [final["reason"] for final in of_type("final", wire.sent)]

    assert [] == registered(scenario, scripted(*[sleeps(3)] * 4)).all_of("drain ran out of time")


def test_each_session_is_handed_over_only_if_that_is_still_possible() -> None:
    """It is looked at when its turn comes, and once more when time is up."""

    async def scenario(registry: Registry) -> None:
        registry.here_goes_on = True
        wires = [dictate(registry, name) for name in "ab"]
        drain = asyncio.create_task(registry.drain(8.0))
        await settle()
        registry.here_goes_on = False
        await drain
        assert [(1012, "draining"), (4201, "handed_over")] == sorted(wire.closed or (0, "") for wire in wires)
        (kept,) = (wire for wire in wires if wire.closed == (1012, "draining"))
        assert ["started", "closing", "error"] == kept.types

    registered(scenario, scripted(*[sleeps(20)] * 2))


def test_what_has_ended_is_delivered_before_the_hand_over() -> None:
    """With its cursor: all that is left to the replay is what is open."""

    async def scenario(registry: Registry) -> None:
        wire = dictate(registry, "a")
        registry.connections["a"].message(FLUSH)
        for piece in pieces(OPENING):
            registry.connections["a"].audio(piece)
        await registry.drain(8.0)
        assert (["started", "closing", "final", "flushed"], (4201, "handed_over")) == (wire.types, wire.closed)
        mark = SHARED.read(of_type("final", wire.sent)[0]["cursor"]).position
        assert (1, len(OPENING) // 2) == (mark.index, mark.samples)

    registered(scenario, scripted(sleeps(1)), seal=SHARED)


def test_hand_overs_are_spread_in_random_order() -> None:
    """Over the first part of the time, so that the others are not stormed."""
    count = 50

    async def scenario(registry: Registry) -> None:
        wires = [begin(registry, str(nth)) for nth in range(count)]
        closed_at: dict[int, float] = {}
        drain = asyncio.create_task(registry.drain(8.0))
        while not drain.done():
            await asyncio.sleep(0.04)
            for nth, wire in enumerate(wires):
                if wire.closed:
                    closed_at.setdefault(nth, virtual_now())
        orders.append(sorted(closed_at, key=lambda nth: closed_at[nth]))
        times = sorted(closed_at.values())
        assert count == len(times)
        assert all(abs(8 * SPREAD * nth / count - at) <= 0.1 for nth, at in enumerate(times))
        deadlines = [of_type("closing", wire.sent)[0]["deadline_ms"] for wire in wires]
        assert 8000 == max(deadlines)
        assert 8000 * (1 - SPREAD) < min(deadlines)

    orders: list[list[int]] = []
    for _ in range(2):
        registered(scenario, seal=SHARED)
    assert orders[0] != orders[1]


def test_a_drain_lasts_no_longer_than_anybody_is_left() -> None:
    """Who leaves by themselves is not waited for."""

    async def scenario(registry: Registry) -> None:
        for nth in range(50):
            begin(registry, str(nth))
        drain = asyncio.create_task(registry.drain(8.0))
        await asyncio.sleep(1.0)
        for connection in list(registry.connections.values()):
            connection.lost("peer_closed")
        await drain
        assert 1.0 == virtual_now()

    registered(scenario, seal=SHARED)


def test_a_model_that_holds_up_a_hand_over_costs_nothing() -> None:
    """When time is up the client is sent on, and hears the rest elsewhere; nobody was cut off, so nobody is warned."""

    async def scenario(registry: Registry) -> None:
        owed, stopped = dictate(registry, "a"), dictate(registry, "b")
        registry.connections["a"].message(FLUSH)
        registry.connections["b"].message('{"type":"stop"}')
        await registry.drain(8.0)
        assert [(4201, "handed_over")] * 2 == [owed.closed, stopped.closed]
        assert [["started", "closing"]] * 2 == [owed.types, stopped.types]
        assert 8.0 == virtual_now()

    assert [] == registered(scenario, scripted(sleeps(20), sleeps(20)), seal=SHARED).all_of("drain ran out of time")


def test_who_comes_back_during_a_drain_is_sent_on() -> None:
    """Before its `start`, or while its claim is decided: 4201, so that it does not begin anew."""

    async def scenario(registry: Registry) -> None:
        cursor = cursor_of(begin(registry, "a"))
        claims = SlowClaims()
        registry._claims = claims
        with registry.slot(resuming=True) as early, registry.slot(resuming=True) as late:
            silent = RecordingWire()
            registry.connect(early, silent)
            asking = begin(registry, "b", resume(cursor))
            newcomer = begin(registry, "c")
            drain = asyncio.create_task(registry.drain(CLAIM_WITHIN_S / 2))
            await settle()
            assert (1012, "draining") == newcomer.closed
            await drain
            latest = RecordingWire()
            registry.connect(late, latest)
        for wire in (silent, asking, latest):
            assert (["draining"], (4201, "draining")) == (codes(wire.sent), wire.closed)
        claims.answers[0].set_result(Verdict.GRANTED)
        await settle()
        assert {} == registry.connections

    registered(scenario, seal=SHARED)
