"""The server's own parts: its limits, its signals. What it does as a whole is in tests/e2e."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest
from tests.support.clock import run_virtual, virtual_now
from tests.support.inside import Record, inside
from tests.support.wicked import LOADS_FOR_S, STUBBORN

from earful.app import Service, build
from earful.listening import bind
from earful.models.loading import ModelLoadError
from earful.server import FORCE_WITHIN_S, LOAD_ENDS_WITHIN_S, Server
from earful.settings import Settings

if TYPE_CHECKING:
    from types import FrameType


def service_of(**settings: object) -> Service:
    """A worker that is not served."""
    return build(Settings.load(settings, {}), Record(), lambda: None)


def test_the_first_signal_drains_and_the_second_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second by a timer of the kernel's, for a loop that is stuck: within a second, with code 1."""
    timers: list[tuple[int, float]] = []
    ended: list[int] = []
    monkeypatch.setattr(signal, "setitimer", lambda which, seconds: timers.append((which, seconds)))
    monkeypatch.setattr(os, "_exit", ended.append)
    before = signal.getsignal(signal.SIGALRM)
    server = Server(service_of())
    try:
        server.handle_exit(signal.SIGTERM, None)
        assert (True, False, []) == (server.should_exit, server.force_exit, timers)
        server.handle_exit(signal.SIGTERM, None)
        assert server.force_exit
        assert [(signal.ITIMER_REAL, FORCE_WITHIN_S)] == timers
        signal.raise_signal(signal.SIGALRM)
        assert [1] == ended
    finally:
        signal.signal(signal.SIGALRM, before)


def test_signals_are_the_servers_only_while_it_serves() -> None:
    """They are given back, and not raised again: a drain exits 0."""
    heard: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        heard.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server = Server(service_of())
        with server.capture_signals():
            signal.raise_signal(signal.SIGTERM)
        assert (True, []) == (server.should_exit, heard)
        signal.raise_signal(signal.SIGINT)
        assert [signal.SIGINT] == heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_signal_that_comes_when_all_is_done_changes_nothing() -> None:
    """Where the process is about to end with 0. One that goes on would have what it starts ignore signals too."""
    handled = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in handled}
    try:
        server = Server(service_of())
        for ends_process, then in ((False, signal.SIG_DFL), (True, signal.SIG_IGN)):
            server.ends_process = ends_process
            with server.capture_signals():
                server.stop()
            assert [then, then] == [signal.getsignal(number) for number in handled]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Ticking(Server):
    """Notes when it looks, and for which tenth of a second."""

    looks: list[tuple[float, int]]

    async def on_tick(self, counter: int) -> bool:
        """Note it."""
        self.looks.append((virtual_now(), counter))
        return await super().on_tick(counter)


def test_it_looks_once_a_second_and_stops_at_once() -> None:
    """As uvicorn counts: it renews its headers at each tenth tenth."""

    async def main() -> float:
        server = Ticking(service_of())
        server.looks, began_s = [], virtual_now()
        serving = asyncio.create_task(server.main_loop())
        await asyncio.sleep(2.25)
        server.stop()
        await serving
        assert [(0, 0), (1, 10), (2, 20), (2.25, 30)] == [(at_s - began_s, tenth) for at_s, tenth in server.looks]
        return virtual_now() - began_s

    assert 2.25 == run_virtual(main())


def test_a_server_that_never_ran_has_nothing_to_tell() -> None:
    """Code 0."""
    assert 0 == Server(service_of()).exit_code()


def test_a_model_that_does_not_load_stops_the_server() -> None:
    """It was asked to answer `starting` meanwhile; its end says why."""

    async def main() -> Server:
        service = service_of(model="mock", model_options={"latency_ms": -1})
        server = Server(service)
        with bind(service.settings.model_copy(update={"port": 0})) as listener:
            await server.serve([listener])
        return server

    server = asyncio.run(main())
    with pytest.raises(ModelLoadError, match="latency_ms and words_per_chunk must be 0 or more"):
        server.exit_code()


def test_a_model_that_does_not_stop_loading_does_not_keep_the_server() -> None:
    """It is asked again and again, and left behind."""

    async def main() -> float:
        service = service_of(model=STUBBORN)
        server = Server(service)
        with bind(service.settings.model_copy(update={"port": 0})) as listener:
            serving = asyncio.create_task(server.serve([listener]))
            await asyncio.sleep(10)
            server.stop()
            await serving
        took_s = virtual_now()
        await asyncio.sleep(LOADS_FOR_S)
        return took_s

    assert 10 + LOAD_ENDS_WITHIN_S <= run_virtual(main()) < LOADS_FOR_S


def test_a_served_app_is_ready_drains_and_stops() -> None:
    """The log tells each step, with what matters."""
    with inside() as here:
        ready = here.log.wait_for("ready")
        assert {"level", "event", "model", "load_ms"} == ready.keys()
        assert 200 == here.address.request("GET", "/v1/health").status
        here.call(here.server.stop)
        here.log.wait_for("stopped")
    assert ["draining", "stopped"] == [line["event"] for line in here.log.events[-2:]]
