"""What is told of a session, from the upgrade to the end, and what of an upload."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from tests.service.company import cursor_of, resume
from tests.service.worker import LIMITS, registered, speak
from tests.support.clock import settle
from tests.support.inside import Record
from tests.support.models import fails, scripted, sleeps
from tests.support.speech import OPENING, SPEECH, pieces
from tests.support.wire import RecordingWire

from earful.errors import EarfulError, ErrorCode
from earful.protocol.states import Input
from earful.service.account import tell_refusal
from earful.service.admission import Admission
from earful.service.connection import ConnectionLimits
from earful.service.departure import ClientGoneError
from earful.service.origin import Origin
from earful.service.outbox import OutboxLimits
from earful.service.upload_account import account_of
from earful.telemetry.events import Events
from earful.telemetry.traceparent import TraceParent

if TYPE_CHECKING:
    from earful.service.registry import Registry

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HOME = Origin("192.0.2.7", "fast", "r-1", TraceParent(TRACE, "00f067aa0ba902b7", sampled=True))
START = json.dumps({"type": "start", "language": "en", "words": True})
STOP = json.dumps({"type": "stop"})


def chunk(pcm: bytes, sequence: int | None = None) -> str:
    """An `audio_chunk`."""
    return json.dumps({"type": "audio_chunk", "data": b64encode(pcm).decode(), "sequence": sequence})


def story(registry: Registry, session_id: str) -> list[str]:
    """What happened to a session, by the journal."""
    return [event.name for event in registry.events.journal.events_of(session_id)]


async def sweep(registry: Registry, seconds: float) -> None:
    """Let time pass, swept."""
    for _ in range(int(seconds * 4)):
        await asyncio.sleep(0.25)
        registry.sweep(registry._clock())


def test_a_session_with_start_is_told_from_its_beginning_to_its_end() -> None:
    """Each line names session, request and trace; the end says why, and how long things took."""

    async def scenario(registry: Registry) -> None:
        connection = registry.connect("a", RecordingWire(), HOME, Admission("acme"))
        connection.message(START)
        for piece in pieces(OPENING):
            await asyncio.sleep(0.1)
            connection.audio(piece)
        connection.message(STOP)
        await settle()
        assert ["session connected", "session started", "first speech", "session ended"] == story(registry, "a")

    log = registered(scenario, scripted())
    assert {("a", "r-1", TRACE)} == {(line["session"], line["request_id"], line["trace_id"]) for line in log.events[:4]}
    connected, started, spoke, ended = log.events[:4]
    assert ("192.0.2.7", "fast", False, "acme") == tuple(
        connected[name] for name in ("peer", "transport", "resuming", "tenant")
    )
    assert ("pcm_s16le", 16_000, 1, "en", True, 0) == tuple(
        started[name] for name in ("encoding", "sample_rate", "channels", "language", "words", "attempt")
    )
    assert 0 < spoke["audio_ms"] <= spoke["after_ms"]
    assert ("stop", 1000, 0, spoke["after_ms"]) == tuple(
        ended[name] for name in ("reason", "close_code", "start_after_ms", "speech_after_ms")
    )
    assert ended["why"] == "The client said stop and was given everything it was owed."
    assert ended["speech_after_ms"] <= ended["result_after_ms"] <= ended["connected_s"] * 1000
    assert (1500, 15) == (ended["audio_ms"], ended["chunks"])


def test_a_language_that_is_none_is_not_told() -> None:
    """It may be anything, a token too: neither in the log nor in the journal."""

    async def scenario(registry: Registry) -> None:
        registry.connect("a", RecordingWire(), HOME).message(
            json.dumps({"type": "start", "language": "sk-live-123456"})
        )
        assert "sk-live" not in str(registry.events.journal.events_of("a"))

    log = registered(scenario)
    assert ("other", False) == (log.all_of("session started")[0]["language"], "sk-live" in str(log.events))


def test_a_plain_session_is_told_too() -> None:
    """Its start with its first speech, since a chunk alone tells nothing."""

    async def scenario(registry: Registry) -> None:
        connection = registry.connect("a", RecordingWire(), HOME)
        await asyncio.sleep(2)
        for piece in pieces(OPENING):
            connection.message(chunk(piece))
        await settle()

    started = registered(scenario).all_of("session started")[0]
    assert (True, 2000, "pcm_s16le") == (started["plain"], started["after_ms"], started["encoding"])


def test_an_idle_session_says_that_nothing_came() -> None:
    """For how long, by what limit, and that there never was a start."""

    async def scenario(registry: Registry) -> None:
        connection = registry.connect("a", RecordingWire(), HOME)
        for _ in range(61):
            await sweep(registry, 1)
            connection.ponged()

    log = registered(scenario)
    assert ["session connected", "error told", "session ended"] == [line["event"] for line in log.events[:3]]
    ended = log.all_of("session ended")[0]
    assert ("idle_timeout", 4008, None, 0) == tuple(
        ended[name] for name in ("reason", "close_code", "start_after_ms", "chunks")
    )
    assert "idle_timeout_s" in ended["why"]


def test_a_slow_reader_is_told_with_what_it_left() -> None:
    """Before the end that follows from it."""

    async def scenario(registry: Registry) -> None:
        wire = RecordingWire()
        connection = registry.connect("a", wire, HOME)
        connection.message(START)
        wire.unsent_bytes = 1 << 21
        await sweep(registry, 0.5)
        assert ["slow reader", "error told", "session ended"] == story(registry, "a")[-3:]

    slow = registered(scenario).all_of("slow reader")[0]
    assert 1 << 21 == slow["unsent_bytes"]


def test_backpressure_is_told_and_added_up() -> None:
    """When the socket is not read, what for, and how long that was; what belongs to every start is not."""

    async def scenario(registry: Registry) -> None:
        connection = registry.connect("a", RecordingWire(), HOME)
        connection.message(START)
        for piece in pieces(SPEECH[: 8000 * 32]):
            connection.audio(piece)
        await sweep(registry, 5)
        connection.lost("connection_lost")

    log = registered(scenario, scripted(sleeps(2)))
    paused, resumed = log.all_of("reading paused")[0], log.all_of("reading resumed")[0]
    assert ("model", 2000) == (paused["waits_for"], resumed["paused_ms"])
    assert paused["buffered_ms"] > 5000
    ended = log.all_of("session ended")[0]
    assert (1, 2.0) == (ended["holds"], ended["held_s"])


@pytest.mark.parametrize(
    ("lost", "codes"),
    [
        (("connection_lost",), (1006, None)),
        (("peer_closed", 4999, 4999), (4999, 4999)),
        (("invalid_utf8", 1007), (1007, None)),
    ],
)
def test_a_close_is_told_as_it_was(lost: tuple[Any, ...], codes: tuple[int, int | None]) -> None:
    """What this side sent, and the peer; what comes after the end changes nothing."""

    async def scenario(registry: Registry) -> None:
        connection = registry.connect("a", RecordingWire(), HOME)
        connection.lost(*lost)
        connection.lost("connection_lost")

    (ended,) = registered(scenario).all_of("session ended")
    assert (lost[0], *codes) == tuple(ended[name] for name in ("reason", "close_code", "peer_code"))


def test_a_client_that_says_too_much_is_told_of_as_well() -> None:
    """Short pauses are told once a second at most, and counted; one that lasts to the end is added up."""

    async def scenario(registry: Registry) -> None:
        registry.limits = dataclasses.replace(LIMITS, connection=ConnectionLimits(OutboxLimits(), 10.0))
        connection = registry.connect("a", RecordingWire(), HOME)
        for _ in range(3):
            for _ in range(11):
                connection.message(chunk(b""))
            await sweep(registry, 0.5)
        connection.message(chunk(b""))
        for _ in range(20):
            connection.message(chunk(b""))
        await asyncio.sleep(0.25)
        connection.lost("connection_lost")

    log = registered(scenario)
    ended = log.all_of("session ended")[0]
    assert "rate limit" == log.all_of("reading paused")[0]["waits_for"]
    assert len(log.all_of("reading paused")) < ended["holds"]
    assert ended["held_s"] > 0


def test_a_lost_connection_and_its_resumption_are_one_story() -> None:
    """Under the session's own name, with the newer request's id."""

    async def scenario(registry: Registry) -> None:
        wire = RecordingWire()
        registry.connect("a", wire, HOME).message(START)
        registry.connections["a"].lost("connection_lost")
        with registry.slot(resuming=True) as drawn:
            again = registry.connect(drawn, RecordingWire(), dataclasses.replace(HOME, request_id="r-2"))
            again.message(resume(cursor_of(wire), 3))
            assert [
                "session connected",
                "session started",
                "session ended",
                "session connected",
                "session resumed",
            ] == story(registry, "a")

    log = registered(scenario)
    resumed = log.all_of("session resumed")[0]
    assert ("a", "r-2", 3, 0) == tuple(resumed[name] for name in ("session", "request_id", "attempt", "from_index"))
    drawn_id = log.all_of("session connected")[1]["session"]
    assert (drawn_id, False) == (resumed["drawn_id"], "drawn_id" in log.all_of("session started")[0])
    assert [False, True] == [line["resuming"] for line in log.all_of("session connected")]


def test_who_goes_on_elsewhere_is_told_on_both_sides() -> None:
    """The older connection says by which attempt it was replaced."""

    async def scenario(registry: Registry) -> None:
        wire = RecordingWire()
        registry.connect("a", wire, HOME).message(START)
        registry.connect("b", RecordingWire(), HOME).message(resume(cursor_of(wire), 4))

    log = registered(scenario)
    assert 4 == log.all_of("session superseded")[0]["by_attempt"]
    assert ("superseded", 4010) == tuple(log.all_of("session ended")[0][name] for name in ("reason", "close_code"))


def test_a_drain_is_told() -> None:
    """Sent on where it can go on elsewhere, else asked to end."""

    async def scenario(registry: Registry) -> None:
        for name, happening in (("a", Input.HAND_OVER), ("b", Input.DRAIN)):
            connection = registry.connect(name, RecordingWire(), HOME)
            connection.message(START)
            connection.end(happening)

    log = registered(scenario)
    assert [("a", "drain")] == [(line["session"], line["reason"]) for line in log.all_of("session sent on")]
    assert [("b", "drain")] == [(line["session"], line["reason"]) for line in log.all_of("session asked to end")]


def test_errors_are_told_once_a_second() -> None:
    """Those between are counted; a fatal one is always told, with what it was about."""

    async def scenario(registry: Registry) -> None:
        connection = registry.connect("a", RecordingWire(), HOME)
        for sequence in (1, 3, 5, 7):
            connection.message(chunk(b"", sequence))
        await asyncio.sleep(1)
        connection.message(chunk(b"", 9))
        connection.message('{"type":"flush","id":"x"}')

    told = registered(scenario).all_of("error told")
    assert [
        ("sequence_gap", False, 3, 2, None),
        ("sequence_gap", False, 9, 8, 2),
        ("unexpected_message", True, None, None, None),
    ] == [
        (line["code"], line["fatal"], line.get("sequence"), line.get("expected"), line.get("untold")) for line in told
    ]


def test_a_model_that_fails_is_told_with_the_session() -> None:
    """As an error told to the client."""

    async def scenario(registry: Registry) -> None:
        speak(registry, "a")
        await settle()

    log = registered(scenario, scripted(fails(ValueError("what was said"))))
    assert "model_failed" == log.all_of("error told")[0]["code"]
    assert "what was said" not in str(log.events)


@pytest.mark.parametrize("log_text", [False, True])
def test_text_is_logged_only_if_switched_on(log_text: bool) -> None:  # noqa: FBT001 - a parameter
    """On debug lines, and never in the journal."""

    async def scenario(registry: Registry) -> None:
        registry.limits = dataclasses.replace(LIMITS, log_text=log_text)
        speak(registry, "a")
        registry.connections["a"].message(STOP)
        await settle()
        assert "a." not in str(registry.events.journal.events_of("a"))

    log = registered(scenario)
    assert (["a."] if log_text else []) == [line["text"] for line in log.all_of("final")]


def test_who_is_refused_is_told_without_a_session() -> None:
    """With what is known of the request."""
    log = Record()
    tell_refusal(Events(log), HOME, EarfulError(ErrorCode.SESSION_LIMIT))
    (line,) = log.events
    assert ("session refused", "session_limit", "192.0.2.7", "r-1", TRACE) == tuple(
        line[name] for name in ("event", "code", "peer", "request_id", "trace_id")
    )
    assert "session" not in line


def upload_lines(*, is_let_in: bool, failure: Exception | None = None) -> list[dict[str, Any]]:
    """What an upload tells that ends like this."""
    log = Record()
    try:
        with account_of(Events(log), HOME) as account:
            if is_let_in:
                account.begins()
            if failure is not None:
                raise failure
    except (EarfulError, ZeroDivisionError):
        pass
    return log.events


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (None, None),
        (EarfulError(ErrorCode.NOT_AUDIO), "not_audio"),
        (ZeroDivisionError(), "internal"),
        (ClientGoneError(), None),
    ],
)
def test_an_upload_is_told(failure: Exception | None, code: str | None) -> None:
    """Its beginning and its end, tied together; whatever ends it has a code, unless nobody was there to be told."""
    started, ended = upload_lines(is_let_in=True, failure=failure)
    assert isinstance(failure, ClientGoneError) == ended["left"] == ended["why"].startswith("The client had gone")
    assert ("upload started", "upload ended", code) == (started["event"], ended["event"], ended["code"])
    assert started["session"] == ended["session"]
    assert {("r-1", TRACE, "192.0.2.7")} == {(e["request_id"], e["trace_id"], e["peer"]) for e in (started, ended)}


def test_an_upload_that_is_not_let_in_is_told_once() -> None:
    """As refused."""
    (line,) = upload_lines(is_let_in=False, failure=EarfulError(ErrorCode.OVERLOADED))
    assert ("upload refused", "overloaded", "r-1") == (line["event"], line["code"], line["request_id"])
