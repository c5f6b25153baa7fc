"""The registry: slots that are given back, one sweep, one line at each end, and a drain with a deadline."""

from __future__ import annotations

import asyncio

import pytest
from tests.service.worker import registered, speak
from tests.support.clock import settle, virtual_now
from tests.support.models import scripted, sleeps
from tests.support.wire import RecordingWire

from earful.errors import EarfulError, ErrorCode
from earful.service.departure import ClientGoneError
from earful.service.registry import SWEEP_EVERY_S, Registry
from earful.session.session import Session


def test_slots_are_counted_and_given_back() -> None:
    """Also where the handshake breaks; ids are unguessable and never alike."""

    async def scenario(registry: Registry) -> None:
        with registry.slot() as first, registry.slot() as second:
            assert first != second
            assert min(len(first), len(second)) >= 22
            assert 2 == registry.taken
            with pytest.raises(EarfulError) as refused, registry.slot():
                raise AssertionError
            assert ErrorCode.SESSION_LIMIT is refused.value.code
        with pytest.raises(ConnectionResetError), registry.slot():
            raise ConnectionResetError
        assert 0 == registry.taken

    registered(scenario)


def test_nobody_is_let_in_before_the_model_is_ready() -> None:
    """`overloaded`: sessions and uploads alike."""

    async def scenario(registry: Registry) -> None:
        for enter in (registry.slot, registry.upload):
            with pytest.raises(EarfulError) as refused, enter():
                raise AssertionError
            assert ErrorCode.OVERLOADED is refused.value.code
        assert (0, 0) == (registry.taken, registry.uploads)

    registered(scenario, load=False)


def test_each_end_is_told_once_and_counted() -> None:
    """With its reason and what the session amounted to; errors of client or server count as failed."""

    async def scenario(registry: Registry) -> None:
        registry.connect("a", RecordingWire()).message('{"type":"stop"}')
        registry.connect("b", RecordingWire()).message('{"type":"flush","id":"x"}')
        assert {} == registry.connections
        assert {"stop": 1, "unexpected_message": 1} == registry.metrics.sessions_ended
        assert (1, 0, 1) == (
            registry.metrics.failed,
            registry.metrics.active_sessions,
            registry.metrics.of_ended.finals,
        )

    ended = registered(scenario).all_of("session ended")
    assert [("a", "stop", 1), ("b", "unexpected_message", 0)] == [
        (e["session"], e["reason"], e["finals"]) for e in ended
    ]


def test_one_sweep_minds_all_sessions_and_what_else_asks_for_it() -> None:
    """Every 250 ms; idle sessions end in it."""
    swept: list[float] = []

    async def scenario(registry: Registry) -> None:
        registry.sweepers.append(swept.append)
        sweep = asyncio.create_task(registry.sweep_for_ever())
        registry.connect("a", RecordingWire())
        await asyncio.sleep(61)
        assert {} == registry.connections
        sweep.cancel()
        await asyncio.wait({sweep})

    ended = registered(scenario).all_of("session ended")
    assert ["ping_timeout"] == [line["reason"] for line in ended]
    assert [SWEEP_EVERY_S, 2 * SWEEP_EVERY_S] == swept[:2]


def test_a_fault_in_the_sweep_costs_one_sweep() -> None:
    """It is logged, and the next one minds all deadlines again."""
    swept: list[float] = []

    def sweep_badly(now: float) -> None:
        swept.append(now)
        raise LookupError("words")

    async def scenario(registry: Registry) -> None:
        registry.sweepers.append(sweep_badly)
        sweep = asyncio.create_task(registry.sweep_for_ever())
        await asyncio.sleep(3 * SWEEP_EVERY_S)
        sweep.cancel()
        await asyncio.wait({sweep})

    failed = registered(scenario).all_of("sweep failed")
    assert len(swept) >= 2
    assert ["LookupError"] * len(swept) == [line["error"] for line in failed]


def test_a_fault_is_logged_without_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The place, the type, never the words."""
    words = "body's words"  # Apart: a traceback shows the line that raised.

    def fail(*_: object) -> None:
        raise ValueError(f"some{words}")

    async def scenario(registry: Registry) -> None:
        monkeypatch.setattr(Session, "receive", fail)
        registry.connect("a", RecordingWire()).audio(b"")

    log = registered(scenario)
    assert "ValueError" == log.all_of("session failed")[0]["error"]
    assert "internal" == log.all_of("session ended")[0]["reason"]
    assert "somebody" not in str(log.events)


def test_a_drain_lets_nobody_in_and_waits_for_what_is_owed() -> None:
    """It ends when the last session and the last upload have."""

    async def scenario(registry: Registry) -> None:
        wire = speak(registry, "a")
        with registry.upload():
            drain = asyncio.create_task(registry.drain(8.0))
            await settle()
            for enter in (registry.slot, registry.upload):
                with pytest.raises(EarfulError) as refused, enter():
                    raise AssertionError
                assert ErrorCode.DRAINING is refused.value.code
            await asyncio.sleep(2)
            assert {} == registry.connections
            assert not drain.done()
        await settle()
        assert drain.done()
        assert (1012, "draining") == wire.closed
        assert ["final", "error"] == wire.types[-2:]
        assert 2.0 == virtual_now()

    assert [] == registered(scenario, scripted(sleeps(1))).all_of("drain ran out of time")


def test_a_drain_ends_in_time_whatever_the_model_does() -> None:
    """And says that it left somebody, to the one left too."""

    async def scenario(registry: Registry) -> None:
        wire = speak(registry, "a")
        await registry.drain(8.0)
        assert 8.0 == virtual_now()
        assert (1012, "draining") == wire.closed
        assert "error" == wire.types[-1]
        assert {} == registry.connections

    assert [1] == [
        line["sessions"] for line in registered(scenario, scripted(sleeps(20))).all_of("drain ran out of time")
    ]


def test_a_drain_of_an_empty_worker_is_over_at_once() -> None:
    """Nobody to wait for."""

    async def scenario(registry: Registry) -> None:
        await registry.drain(8.0)
        assert 0.0 == virtual_now()

    registered(scenario)


def test_who_was_upgraded_while_the_drain_began_is_told_too() -> None:
    """It had its slot before, and comes after the others were told."""

    async def scenario(registry: Registry) -> None:
        with registry.slot() as session_id:
            await registry.drain(8.0)
            wire = RecordingWire()
            registry.connect(session_id, wire)
            assert (1012, "draining") == wire.closed

    registered(scenario)


def test_failed_uploads_are_counted_by_code() -> None:
    """A fault of ours as `internal`; one whose client went away is no error that anybody was told."""

    async def scenario(registry: Registry) -> None:
        for fault in (EarfulError(ErrorCode.NOT_AUDIO), ValueError(), asyncio.CancelledError()):
            with pytest.raises(type(fault)), registry.upload():
                raise fault
        assert {"not_audio": 1, "internal": 1} == registry.metrics.upload_errors
        assert (3, 3) == (registry.metrics.uploads_ended, registry.metrics.failed)

    registered(scenario)


def test_an_upload_whose_client_has_gone_is_no_failure() -> None:
    """It has ended, and was not answered: it took no time to be, and no error was told."""

    async def scenario(registry: Registry) -> None:
        with pytest.raises(ClientGoneError), registry.upload():
            raise ClientGoneError
        metrics = registry.metrics
        assert (1, 1, 0, 0) == (metrics.uploads_ended, metrics.uploads_left, metrics.failed, registry.uploads)
        assert ({}, 0) == (metrics.upload_errors, sum(metrics.upload.counts))

    registered(scenario)


def test_the_sweep_tells_how_late_it_was() -> None:
    """A loop that is busy wakes it late; an idle one in time."""

    async def scenario(registry: Registry) -> None:
        sweeping = asyncio.create_task(registry.sweep_for_ever())
        await asyncio.sleep(10 * SWEEP_EVERY_S + 0.01)
        sweeping.cancel()
        await asyncio.wait({sweeping})
        assert (10, 0.0) == (registry.metrics.loop_lag.counts[0], registry.metrics.worst_loop_lag_s)

    registered(scenario)
