"""A connection between a recorded wire, the real session and engine, and a clock that jumps."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.clock import run_virtual, settle, virtual_now
from tests.support.models import loaded, scripted, sleeps
from tests.support.speech import OPENING, SENTENCE, expected, finals, of_type, pieces
from tests.support.wire import RecordingWire

from earful.engine.engine import Engine
from earful.errors import ErrorCode
from earful.models.mock import MockASRModel
from earful.protocol.messages import AudioChunk
from earful.protocol.states import Input
from earful.service.connection import Connection, ConnectionLimits
from earful.service.outbox import OutboxLimits
from earful.session.claim import Verdict
from earful.session.rules import ListeningRules, SessionLimits
from earful.session.session import Session
from earful.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PINGS = ConnectionLimits(OutboxLimits(max_unsent_s=10), 50.0, ping_interval_s=20, ping_timeout_s=5)
START = json.dumps({"type": "start"})
STOP = json.dumps({"type": "stop"})


def chunk(pcm: bytes = b"") -> str:
    """An `audio_chunk`."""
    return json.dumps({"type": "audio_chunk", "data": b64encode(pcm).decode()})


class Line:
    """One connection and both its ends."""

    def __init__(self, engine: Engine, session: SessionLimits, limits: ConnectionLimits) -> None:
        self.engine = engine
        self.wire = RecordingWire()
        self.metrics = Metrics(virtual_now())
        self.ended: list[str] = []
        self.faults: list[Exception] = []
        self.connection = Connection(
            Session("s", ListeningRules(), session, virtual_now()),
            self.wire,
            engine.seat,
            limits,
            self.metrics,
            self._end,
            lambda _, fault: self.faults.append(fault),
            virtual_now,
        )

    def _end(self, connection: Connection) -> None:
        closing = connection.session.closing
        self.ended.append("" if closing is None else closing.reason)

    async def say(self, *texts: str) -> None:
        """Messages of the client, each followed by what happens at once."""
        for text in texts:
            self.connection.message(text)
            await settle()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, swept every 250 ms."""
        for _ in range(int(seconds * 4)):
            await asyncio.sleep(0.25)
            self.engine.sweep(virtual_now())
            self.connection.tick(virtual_now())


def on_line(
    scenario: Callable[[Line], Awaitable[None]],
    model_class: type[Any] = MockASRModel,
    limits: ConnectionLimits = PINGS,
    **session: Any,
) -> Line:
    """Run a scenario in virtual time, and see that nothing is left of it."""

    async def main() -> Line:
        engine = Engine(loaded(model_class), timeout_s=30, clock=virtual_now)
        await engine.load()
        line = Line(engine, SessionLimits(**session), limits)
        await scenario(line)
        line.connection.lost("test over")
        await engine.close()
        assert (0, 0, 0) == (engine.in_flight, engine.waiting, engine.orphans)
        return line

    return run_virtual(main())


def test_audio_goes_to_the_model_and_answers_to_the_wire() -> None:
    """Partials and the final with their times, then the end, once."""

    async def scenario(line: Line) -> None:
        for piece in pieces(SENTENCE):
            await line.say(chunk(piece))
            await line.pass_time(0.5)
        await line.say(STOP)
        await line.pass_time(1)

    line = on_line(scenario)
    assert (expected(SENTENCE), (1000, "stop"), ["stop"]) == (finals(line.wire.sent), line.wire.closed, line.ended)
    assert "".join(partial["text"] for partial in of_type("partial", line.wire.sent)) == expected(SENTENCE)[0][1]
    assert all(message["timestamp"] > 1_600_000_000 for message in line.wire.sent)
    assert line.connection.lag_s > 0
    assert line.metrics.latency.snapshot().count == sum(message["type"] == "partial" for message in line.wire.sent) + 1


def test_nothing_is_heard_or_said_after_the_end() -> None:
    """Whatever the transport still brings."""

    async def scenario(line: Line) -> None:
        await line.say(STOP, STOP, START, "{")
        connection = line.connection
        connection.audio(b"\0\0")
        for _ in range(200):
            connection.pinged()
            connection.ponged()
        connection.writable()
        connection.end(Input.END)
        connection.leave()
        connection.claimed(Verdict.GRANTED)
        connection.crash(ZeroDivisionError())
        connection.lost("again")
        connection.tick(1e9)

    line = on_line(scenario)
    assert (["final"], [], ["stop"]) == (line.wire.types, line.wire.calls, line.ended)


def test_a_wire_that_cannot_be_closed_keeps_no_session() -> None:
    """The fault is told, and all that the session had is let go."""

    async def scenario(line: Line) -> None:
        def close(code: int, reason: str) -> None:
            raise ZeroDivisionError(code, reason)

        line.wire.close = close  # type: ignore[method-assign]  # this wire's alone
        line.connection.lost("peer_closed")

    line = on_line(scenario)
    assert (["peer_closed"], [ZeroDivisionError]) == (line.ended, [type(fault) for fault in line.faults])


def test_a_session_that_has_ended_asks_the_model_nothing_more() -> None:
    """What it had not asked yet, it never will."""

    async def scenario(line: Line) -> None:
        for piece in pieces(OPENING):
            line.connection.session.receive(AudioChunk(piece), virtual_now())
        line.connection.fail(ErrorCode.SUPERSEDED)
        await settle()

    model = scripted()
    assert (["superseded"], []) == (on_line(scenario, model).ended, model.log)


def test_a_lost_connection_cancels_the_models_call() -> None:
    """Its answer goes nowhere."""

    async def scenario(line: Line) -> None:
        for piece in pieces(OPENING):
            await line.say(chunk(piece))
        assert 1 == line.engine.in_flight
        line.connection.lost("peer_closed")
        assert 0 == line.engine.in_flight

    line = on_line(scenario, scripted(sleeps(1)))
    assert ([], ["peer_closed"]) == (line.wire.sent, line.ended)


def test_a_silent_peer_is_pinged_then_given_up() -> None:
    """After `ping_interval_s`, and `ping_timeout_s` more."""

    async def scenario(line: Line) -> None:
        await line.pass_time(19)
        assert [] == line.wire.calls
        await line.pass_time(5)
        assert ["ping"] == line.wire.calls
        await line.pass_time(2)

    line = on_line(scenario)
    assert (["ping", "abort"], ["ping_timeout"]) == (line.wire.calls, line.ended)


def test_any_sign_of_life_ends_the_wait_for_a_pong() -> None:
    """A pong or a message."""

    async def scenario(line: Line) -> None:
        for alive in (line.connection.ponged, lambda: line.connection.message(chunk()), line.connection.ponged):
            await line.pass_time(22)
            alive()

    line = on_line(scenario, idle_timeout_s=1000.0)
    assert (["ping"] * 3, ["test over"]) == (line.wire.calls, line.ended)


def test_a_ping_of_the_peer_counts_against_idleness_and_a_pong_does_not() -> None:
    """As the protocol page says: any message or ping."""

    async def pinging(line: Line) -> None:
        for _ in range(12):
            line.connection.pinged()
            await line.pass_time(10)

    async def ponging(line: Line) -> None:
        for _ in range(12):
            line.connection.ponged()
            await line.pass_time(10)

    assert ["test over"] == on_line(pinging).ended
    assert ["idle_timeout"] == on_line(ponging).ended


def test_reading_pauses_while_the_model_is_behind() -> None:
    """Once each way; meanwhile nobody is judged, and everything is heard."""

    async def scenario(line: Line) -> None:
        await line.say(START)
        for piece in pieces(SENTENCE):
            await line.say(chunk(piece))
        assert ["pause"] == line.wire.calls
        await line.pass_time(25)
        assert (["pause"], []) == (line.wire.calls, line.ended)
        await line.pass_time(10)
        assert ["pause", "resume"] == line.wire.calls[:2]

    line = on_line(scenario, scripted(sleeps(29)), max_buffered_ms=500, idle_timeout_s=20.0)
    assert 1 == len(of_type("final", line.wire.sent))


def test_a_hold_is_bounded() -> None:
    """`stall_timeout_s`: 1011."""

    async def scenario(line: Line) -> None:
        for piece in pieces(SENTENCE):
            await line.say(chunk(piece))
        await line.pass_time(12)

    line = on_line(scenario, scripted(sleeps(29)), max_buffered_ms=500, stall_timeout_s=10.0)
    assert ((1011, "stalled"), ["stalled"]) == (line.wire.closed, line.ended)


def test_a_flood_pauses_reading_until_it_is_paid_for() -> None:
    """No error; the next sweep that finds a message earned reads on."""

    async def scenario(line: Line) -> None:
        for _ in range(51):
            line.connection.message(chunk())
        assert ["pause"] == line.wire.calls
        await line.pass_time(0.5)
        assert ["pause", "resume"] == line.wire.calls

    assert [] == on_line(scenario).wire.sent


def test_a_peer_that_takes_nothing_is_closed() -> None:
    """`slow_reader` after `max_unsent_s`, whatever it sends."""

    async def scenario(line: Line) -> None:
        line.wire.is_blocked = True
        await line.say(START)
        for _ in range(12):
            await line.pass_time(1)
            await line.say(json.dumps({"type": "keepalive"}))

    line = on_line(scenario)
    assert ((4208, "slow_reader"), ["slow_reader"]) == (line.wire.closed, line.ended)
    assert ["started", "error"] == line.wire.types
    assert line.connection.unsent_bytes > 0


def test_a_waiting_partial_goes_out_when_the_wire_is_free() -> None:
    """The newest one."""

    async def scenario(line: Line) -> None:
        await line.say(json.dumps({"type": "start", "partials": "cumulative"}))
        line.wire.unsent_bytes = 1
        for piece in pieces(OPENING):
            await line.say(chunk(piece))
            await line.pass_time(0.25)
        assert ["started"] == line.wire.types
        line.wire.unsent_bytes = 0
        line.connection.writable()

    line = on_line(scenario)
    assert ["started", "partial"] == line.wire.types
    assert len(line.wire.sent[1]["text"].split()) > 10


def test_an_end_by_the_server_answers_what_is_owed() -> None:
    """A drain tells who sent `start`, and within what time."""

    async def scenario(line: Line) -> None:
        await line.say(START)
        for piece in pieces(OPENING):
            await line.say(chunk(piece))
        line.connection.end(Input.DRAIN, within_s=7.5)
        await line.pass_time(1)

    line = on_line(scenario)
    assert ["closing", "final", "error"] == [kind for kind in line.wire.types if kind not in {"started", "partial"}]
    assert 7500 == of_type("closing", line.wire.sent)[0]["deadline_ms"]
    assert ((1012, "draining"), {"draining": 1}) == (line.wire.closed, line.metrics.errors)


def test_a_fault_of_ours_ends_the_connection_wherever_it_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was asked of it: `internal`, 1011, told to the owner."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    def do(line: Line) -> list[Callable[[], object]]:
        connection = line.connection
        return [
            lambda: connection.message(chunk()),
            lambda: connection.audio(b""),
            lambda: connection.tick(1e9),
            lambda: connection.end(Input.END),
            lambda: connection.claimed(Verdict.GRANTED),
            connection.leave,
            connection.pinged,
            connection.ponged,
            connection.writable,
        ]

    broken = ["receive", "receive", "tick", "end", "claimed", "leave", "touch", "take_work", "take_work"]
    for nth, name in enumerate(broken):

        async def scenario(line: Line, nth: int = nth, name: str = name) -> None:
            with monkeypatch.context() as patch:
                patch.setattr(Session, name, fail)
                do(line)[nth]()

        line = on_line(scenario)
        assert ((1011, "internal"), ["error"]) == (line.wire.closed, line.wire.types)
        assert ([ZeroDivisionError], ["internal"]) == ([type(fault) for fault in line.faults], line.ended)


@pytest.mark.parametrize("name", ["fail", "lose"])
def test_a_fault_in_an_end_at_once_is_the_end_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever ended the session, the registry or the transport, goes on."""

    async def scenario(line: Line) -> None:
        with monkeypatch.context() as patch:

            def fail(*_: object) -> None:
                patch.undo()  # The next way to the end works.
                raise ZeroDivisionError

            patch.setattr(Session, name, fail)
            connection = line.connection
            connection.fail(ErrorCode.SUPERSEDED) if name == "fail" else connection.lost("peer_closed")

    line = on_line(scenario)
    assert ([ZeroDivisionError], ["internal"]) == ([type(fault) for fault in line.faults], line.ended)


@pytest.mark.parametrize(
    ("names", "reason", "calls"), [(["take_messages"], "internal", []), (["receive", "fail"], "", ["abort"])]
)
def test_a_fault_that_is_met_again_at_the_end_is_the_end_too(
    names: list[str], reason: str, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever called hears of the second; the session's place, its model and its socket are given back."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async def scenario(line: Line) -> None:
        with monkeypatch.context() as patch:
            for name in names:
                patch.setattr(Session, name, fail)
            with pytest.raises(ZeroDivisionError):
                line.connection.message(chunk())

    line = on_line(scenario)
    assert ([ZeroDivisionError], [reason]) == ([type(fault) for fault in line.faults], line.ended)
    assert (calls, bool(reason)) == (line.wire.calls, line.wire.closed is not None)


def test_a_fault_in_a_delivery_ends_the_connection_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine that brought the answer goes on."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async def scenario(line: Line) -> None:
        monkeypatch.setattr(Session, "deliver", fail)
        for piece in pieces(OPENING):
            await line.say(chunk(piece))
        await line.pass_time(1)

    line = on_line(scenario)
    assert ((1011, "internal"), ["internal"]) == (line.wire.closed, line.ended)
    assert [ZeroDivisionError] == [type(fault) for fault in line.faults]
