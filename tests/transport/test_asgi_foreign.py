"""The portable route under foreign servers that fail or hang: whatever they do, no session and no slot is left."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.house import in_house
from tests.transport.test_asgi import START, STOP, WITHIN_S, Peer

if TYPE_CHECKING:
    from tests.support.house import House

HANG = None
CONNECT = {"type": "websocket.connect"}
QUICK = {"ping_interval_s": 0.1, "ping_timeout_s": 0.1, "max_unsent_s": 0.1, "handshake_timeout_s": 0.1}


@pytest.fixture(autouse=True)
def short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait long for a peer."""
    monkeypatch.setattr("earful.transport.asgi.LINGER_S", 0.05)
    monkeypatch.setattr("earful.transport.asgi.UNSENT_LINGER_S", 0.05)


class Foreign(Peer):
    """Brings the app these events, raises those that are faults, and then hangs; `refuses` what is sent, by type."""

    def __init__(self, house: House, *events: dict[str, Any] | Exception, refuses: dict[str, Exception | None]) -> None:
        self._events = list(events)
        self._refuses = refuses
        super().__init__(house)

    async def _receive(self) -> dict[str, Any]:
        if not self._events:
            await asyncio.get_running_loop().create_future()
        event = self._events.pop(0)
        if isinstance(event, Exception):
            raise event
        return event

    async def _send(self, message: Any) -> None:
        if message["type"] in self._refuses:
            fault = self._refuses[message["type"]]
            if fault is not None:
                raise fault
            await asyncio.get_running_loop().create_future()


def left(*events: dict[str, Any] | Exception, refuses: dict[str, Exception | None] | None = None) -> Exception | None:
    """Nothing is, when the route has ended in time; what it ended with."""
    outcome: list[Exception | None] = []

    async def run(house: House) -> None:
        foreign = Foreign(house, CONNECT, *events, refuses=refuses or {})
        await asyncio.wait({foreign.route}, timeout=WITHIN_S)
        assert foreign.route.done()
        assert ({}, 0) == (foreign.registry.connections, foreign.registry.taken)
        assert [] == [line for line in house.log.events if line["level"] == "error"]
        fault = foreign.route.exception()
        assert not isinstance(fault, BaseExceptionGroup)
        outcome.append(fault if isinstance(fault, Exception) else None)

    in_house(run, **QUICK)
    return outcome[0]


@pytest.mark.parametrize("said", [[], [START], [START, STOP]])
@pytest.mark.parametrize("fault", [OSError("gone"), RuntimeError("a bug"), {"type": "of another protocol"}, {}])
def test_a_server_whose_receiving_fails(said: list[dict[str, Any]], fault: dict[str, Any] | Exception) -> None:
    """Before the session, in it, or at its end; the server is told its own fault."""
    assert left(*said, fault) is not None


@pytest.mark.parametrize("said", [[], [START], [START, STOP]])
def test_a_server_that_brings_nothing_more(said: list[dict[str, Any]]) -> None:
    """Not even the end of the connection."""
    assert left(*said) is None


@pytest.mark.parametrize("kind", ["websocket.accept", "websocket.send", "websocket.close"])
@pytest.mark.parametrize("fault", [HANG, OSError("gone")])
def test_a_server_that_takes_no_message(kind: str, fault: Exception | None) -> None:
    """It hangs, or says that the client has gone, but never brings the end."""
    assert left(START, STOP, refuses={kind: fault}) is None


@pytest.mark.parametrize("kind", ["websocket.accept", "websocket.send", "websocket.close"])
def test_a_server_whose_sending_fails(kind: str) -> None:
    """The server is told its own fault."""
    assert isinstance(left(START, STOP, refuses={kind: RuntimeError("a bug")}), RuntimeError)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("refuses", [{}, {"websocket.accept": HANG}, {"websocket.send": HANG}])
def test_a_server_that_cancels_the_route(times: int, refuses: dict[str, Exception | None]) -> None:
    """As some do where a client has gone."""

    async def run(house: House) -> None:
        foreign = Foreign(house, CONNECT, START, refuses=refuses)
        await asyncio.wait({foreign.route}, timeout=0.05)
        assert 1 == foreign.registry.taken
        for _ in range(times):
            foreign.route.cancel()
            await asyncio.sleep(0)
        await asyncio.wait({foreign.route}, timeout=WITHIN_S)
        assert foreign.route.cancelled()
        assert ({}, 0) == (foreign.registry.connections, foreign.registry.taken)

    in_house(run)


def test_a_server_that_does_not_let_go_of_a_message() -> None:
    """It goes on in spite of a cancellation: it is left with it."""

    class Stubborn(Foreign):
        is_patient = True

        async def _send(self, message: Any) -> None:
            while self.is_patient and message["type"] == "websocket.send":
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.01)

    async def run(house: House) -> None:
        stubborn = Stubborn(house, CONNECT, START, STOP, refuses={})
        await asyncio.wait({stubborn.route}, timeout=WITHIN_S)
        assert stubborn.route.done()
        assert ({}, 0) == (stubborn.registry.connections, stubborn.registry.taken)
        stubborn.is_patient = False
        left = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait([task for task in left if task.get_name() == "websocket writer"])

    in_house(run, **QUICK)
