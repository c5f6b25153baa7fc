"""Readings: what a worker holds at the moment of a scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.service.worker import LIMITS, registered, speak
from tests.support.clock import virtual_now
from tests.support.wire import RecordingWire

from earful.service.readings import gauges_of
from earful.telemetry.gauges import Gauges
from earful.telemetry.totals import Totals

if TYPE_CHECKING:
    from earful.service.registry import Registry


def test_nobody_is_there() -> None:
    """Zeros, with every state named."""

    async def scenario(registry: Registry) -> None:
        nobody = {"create": 0, "active": 0, "closing": 0}
        assert Gauges(is_ready=True, sessions=nobody, places=LIMITS.max_sessions) == gauges_of(registry)

    registered(scenario)


def test_live_sessions_are_looked_at() -> None:
    """Their states, what they were sent and have not taken, and what they amount to so far."""

    async def scenario(registry: Registry) -> None:
        wire = speak(registry, "a")
        registry.connect("b", RecordingWire())
        registry.connections["a"].session.hold(virtual_now())
        registry.connections["a"].lag_s = 0.3
        wire.unsent_bytes = 10
        gauges = gauges_of(registry)
        assert {"create": 1, "active": 1, "closing": 0} == gauges.sessions
        assert (1, 1, 10, 0.3) == (
            gauges.sessions_held,
            gauges.sessions_unread,
            gauges.unsent_bytes,
            gauges.longest_lag_s,
        )
        assert registry.connections["a"].session.numbers.chunks == gauges.of_live.chunks > 0
        assert 0 < gauges.of_live.audio_ms

    registered(scenario)


def test_a_session_that_ends_is_counted_as_before() -> None:
    """What was of a live one is of an ended one: no sum ever falls."""

    async def scenario(registry: Registry) -> None:
        speak(registry, "a")
        live = gauges_of(registry).of_live
        registry.connections["a"].lost("peer_closed")
        assert (live, Totals()) == (registry.metrics.of_ended, gauges_of(registry).of_live)

    registered(scenario)


def test_a_worker_that_drains_wants_no_traffic() -> None:
    """Nor does one whose model is not there."""

    async def scenario(registry: Registry) -> None:
        assert not gauges_of(registry).is_ready
        registry.draining = True
        assert (False, True) == (gauges_of(registry).is_ready, gauges_of(registry).is_draining)

    registered(scenario, load=False)
