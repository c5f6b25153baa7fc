"""Every error code of the protocol page's section 7, provoked over a real socket, and what comes after it."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.inside import inside
from tests.support.raw import BINARY, TEXT, Gone, RawSocket, connected
from tests.support.server import Address, await_true
from tests.support.speech import OPENING, SENTENCE, codes, expected, finals, of_type, pieces

from earful.errors import ERRORS, ErrorCode
from earful.protocol.codec import decode

if TYPE_CHECKING:
    from collections.abc import Callable

ACCESS = "test_access.py"
"""Where those are provoked that need keys."""
pytestmark = pytest.mark.e2e

CHUNK = {"type": "audio_chunk"}
TOO_LONG = b64encode(bytes(32 * 10_001)).decode()


def spoken(raw: RawSocket) -> None:
    """Say a sentence and `stop`."""
    for piece in pieces(SENTENCE):
        raw.say_audio(piece)
    raw.say("stop")


@dataclass(frozen=True, slots=True)
class Mistake:
    """Messages of a client, the error they bring, and fields of it."""

    code: str
    messages: list[str]
    fields: dict[str, Any] = field(default_factory=dict)
    begins: bool = False
    """Whether `start` comes first."""


def say(**message: object) -> str:
    """One message's text."""
    return json.dumps(message)


MISTAKES = [
    Mistake("bad_json", ["{"]),
    Mistake("bad_message", ["[]"]),
    Mistake("bad_message", [say(type="audio_chunk", data=1)]),
    Mistake("unknown_type", [say(type="audio_chink")]),
    Mistake("bad_audio", [say(**CHUNK, data="?", sequence=1)], {"sequence": 1}),
    Mistake("bad_audio", [say(**CHUNK, data=TOO_LONG, sequence=1)], {"sequence": 1}),
    Mistake("unsupported_format", [say(type="start", encoding="opus")]),
    Mistake("unsupported_format", [say(type="start", sample_rate=7999)]),
    Mistake("sequence_repeated", [say(**CHUNK, data="", sequence=n) for n in (5, 5)], {"sequence": 5, "expected": 6}),
    Mistake("sequence_gap", [say(**CHUNK, data="", sequence=n) for n in (5, 7)], {"sequence": 7, "expected": 6}),
    Mistake("bad_json", ["{"], begins=True),
    Mistake("sequence_repeated", [say(**CHUNK, data="", sequence=0)], {"sequence": 0, "expected": 1}, begins=True),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake.code}-{mistake.begins}")
def test_a_mistake_is_told_and_the_session_goes_on(mistake: Mistake, transport: str) -> None:
    """Not fatal, not retryable; the audio that follows is transcribed to the end."""
    with inside(transport=transport, max_speed=0, mock_latency_ms=1) as server, connected(server.address) as raw:
        if mistake.begins:
            raw.say("start")
            assert "started" == raw.hear()["type"]
        for message in mistake.messages:
            raw.send(TEXT, message.encode())
        error = raw.hear()
        assert mistake.code == error["code"]
        assert {"fatal": False, "retryable": False, **mistake.fields}.items() <= error.items()
        spoken(raw)
        heard, end = raw.hear_all()
    assert [text for _, text, *_ in expected(SENTENCE)] == [text for _, text, *_ in finals(heard)]
    assert ([], 1000) == (codes(heard), end.code)


@pytest.mark.parametrize("bad", ["{", "[]", say(**CHUNK, data="?")])
def test_the_eleventh_counted_mistake_is_the_last(bad: str, transport: str) -> None:
    """Ten are survived."""
    with inside(transport=transport) as server, connected(server.address) as raw:
        for _ in range(12):
            raw.send(TEXT, bad.encode())
        heard, end = raw.hear_all()
    assert [False] * 10 + [True] == [error["fatal"] for error in heard]
    assert 1008 == end.code


def test_mistakes_that_are_not_counted_may_be_made_without_end(transport: str) -> None:
    """Nobody knows what a newer client may say."""
    with inside(transport=transport) as server, connected(server.address) as raw:
        for _ in range(30):
            raw.say("novelty")
        raw.say("stop")
        heard, end = raw.hear_all()
    assert (["unknown_type"] * 30, 1000) == (codes(heard), end.code)


def test_a_model_that_fails_costs_its_audio_only(transport: str) -> None:
    """The error names the chunk, each final comes, empty."""
    settings: dict[str, Any] = {"mock_error_rate": 1.0, "max_speed": 0, "mock_latency_ms": 1}
    with inside(transport=transport, allowed=("model failed",), **settings) as server, connected(server.address) as raw:
        spoken(raw)
        heard, end = raw.hear_all()
    assert {"model_failed"} == set(codes(heard))
    assert all(error["retryable"] and not error["fatal"] for error in of_type("error", heard))
    assert all(1 <= error["sequence"] <= 41 for error in of_type("error", heard))
    assert [(0, "", 1000)] == [(index, text, end.code) for index, text, *_ in finals(heard)]


def test_a_model_that_takes_too_long_is_not_waited_for(transport: str) -> None:
    """`model_timeout`, then the session's end as ever."""
    settings: dict[str, Any] = {"mock_latency_ms": 60_000, "model_timeout_s": 0.1, "max_speed": 0}
    with inside(transport=transport, **settings) as server, connected(server.address) as raw:
        spoken(raw)
        heard, end = raw.hear_all()
    assert ({"model_timeout"}, 1000) == (set(codes(heard)), end.code)
    assert heard[-1]["last"]


def start(raw: RawSocket) -> None:
    """Opt in."""
    raw.say("start")
    raw.hear()


def skip_a_number(raw: RawSocket) -> None:
    """Begin with the second chunk."""
    start(raw)
    raw.say_audio(b"", 2)


def start_twice(raw: RawSocket) -> None:
    """Opt in again."""
    start(raw)
    raw.say("start")


def start_late(raw: RawSocket) -> None:
    """Opt in behind audio."""
    raw.say_audio(b"")
    raw.say("start")


def flood(raw: RawSocket) -> None:
    """Forty seconds at once."""
    for _ in range(4):
        raw.say_audio(bytes(320_000))


def resume_nonsense(raw: RawSocket) -> None:
    """Ask for a session with what is no cursor."""
    raw.say("start", resume={"cursor": "nonsense", "attempt": 1})


def be_overtaken(raw: RawSocket) -> None:
    """Have the session go on on another connection."""
    raw.say("start")
    cursor = raw.hear()["cursor"]
    other = RawSocket(Address(raw.socket.getpeername()[1])).upgrade()
    other.say("start", resume={"cursor": cursor, "attempt": 1})
    other.hear()
    other.close()


@pytest.mark.parametrize(
    ("code", "close_code", "do", "settings"),
    [
        ("resume_failed", 4004, resume_nonsense, {}),
        ("superseded", 4010, be_overtaken, {}),
        ("sequence_gap", 1008, skip_a_number, {}),
        ("unexpected_message", 1008, start_twice, {}),
        ("unexpected_message", 1008, start_late, {}),
        ("unexpected_message", 1008, lambda raw: raw.say("flush", id="x"), {}),
        ("unexpected_message", 1008, lambda raw: raw.say("keepalive"), {}),
        ("unexpected_message", 1003, lambda raw: raw.send(BINARY, b"\0\0"), {}),
        ("idle_timeout", 4008, start, {"idle_timeout_s": 0.2}),
        ("session_too_long", 4008, start, {"max_session_s": 0.2}),
        ("audio_too_fast", 4108, flood, {"max_speed": 1}),
    ],
)
def test_a_fatal_error_precedes_the_close(
    code: str, close_code: int, do: Callable[[RawSocket], None], settings: dict[str, Any], transport: str
) -> None:
    """One error, marked fatal, then the close that section 6 names; the log has the reason, once."""
    with inside(transport=transport, **settings) as server, connected(server.address) as raw:
        do(raw)
        heard, end = raw.hear_all()
        ended = server.log.wait_for("session ended")
    assert [code] == codes(heard)
    assert (True, ERRORS[ErrorCode(code)].retryable) == (heard[-1]["fatal"], heard[-1]["retryable"])
    assert (close_code, code, close_code, None) == (end.code, ended["reason"], ended["close_code"], ended["peer_code"])


def test_a_server_that_cannot_listen_for_too_long_says_so(transport: str) -> None:
    """`stalled`, 1011."""
    settings: dict[str, Any] = {"max_buffered_ms": 100, "stall_timeout_s": 0.2, "mock_latency_ms": 60_000}
    with inside(transport=transport, **settings) as server, connected(server.address) as raw:
        for piece in pieces(SENTENCE):
            raw.say_audio(piece)
        heard, end = raw.hear_all()
    assert (["stalled"], 1011) == (codes(heard), end.code)


def test_a_fault_of_ours_ends_its_session_alone(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`internal`, 1011; the public text tells nothing of it, and the others go on."""

    def faulty(text: str | bytes) -> object:
        if "fault" in str(text):
            raise RuntimeError("secret")
        return decode(text)

    monkeypatch.setattr("earful.service.connection.decode", faulty)
    with inside(transport=transport, allowed=("session failed",)) as server, connected(server.address) as other:
        with connected(server.address) as raw:
            raw.say("fault")
            heard, end = raw.hear_all()
        other.say("stop")
        assert 1000 == other.hear_all()[1].code
        assert "RuntimeError" == server.log.wait_for("session failed")["error"]
    assert (["internal"], 1011) == (codes(heard), end.code)
    assert "secret" not in json.dumps(heard)


def test_a_session_more_than_there_may_be_is_refused(transport: str) -> None:
    """503 with Retry-After before the upgrade; a place that is free again can be taken."""
    with inside(transport=transport, max_sessions=1) as server, connected(server.address) as first:
        refused = RawSocket(server.address).upgrade()
        told = json.loads(refused.response.body)["error"]
        refused.close()
        assert (503, "session_limit") == (refused.response.status, told["code"])
        assert 1 <= int(refused.response.headers["retry-after"]) <= 5
        assert told["request_id"] == refused.response.headers["x-request-id"]
        first.say("stop")
        first.hear_all()
        first.close()
        await_true(lambda: server.call(lambda: server.service.registry.taken) == 0)
        with connected(server.address) as second:
            second.say("stop")
            assert 1000 == second.hear_all()[1].code


def test_a_browser_can_ask_to_see_why(transport: str) -> None:
    """`?refuse=close`: accepted, told, closed with 1013."""
    with (
        inside(transport=transport, max_sessions=1) as server,
        connected(server.address),
        connected(server.address, "/v1/transcribe/stream?refuse=close") as raw,
    ):
        heard, end = raw.hear_all()
        assert 1 == len(server.service.registry.connections)
    assert (["session_limit"], 1013) == (codes(heard), end.code)
    assert 1000 <= heard[0]["retry_after_ms"] <= 5000
    assert "x-session-id" not in raw.response.headers


def test_a_model_that_is_still_loading_is_no_reason_to_wait(transport: str) -> None:
    """`overloaded`, before the upgrade."""
    with inside(transport=transport) as server:
        server.call(lambda: setattr(server.service.engine, "_loaded", False))
        raw = RawSocket(server.address).upgrade()
        raw.close()
    assert (503, "overloaded") == (raw.response.status, json.loads(raw.response.body)["error"]["code"])


def test_a_drain_is_told_with_what_is_owed(transport: str) -> None:
    """`closing` to who sent `start`, the open utterance's final, `draining`, 1012; newcomers are refused."""
    settings: dict[str, Any] = {"mock_latency_ms": 300, "max_speed": 0}
    with inside(transport=transport, **settings) as server, connected(server.address) as raw:
        raw.say("start", partials="off")
        for piece in pieces(OPENING):
            raw.say_audio(piece)
        raw.say("keepalive")
        await_true(lambda: server.call(lambda: server.service.engine.in_flight) == 1)
        server.call(server.server.stop)
        server.log.wait_for("draining")
        late = RawSocket(server.address).upgrade()
        late.close()
        heard, end = raw.hear_all()
    assert ["started", "closing", "final", "error"] == [message["type"] for message in heard]
    assert ("drain", False) == (heard[1]["reason"], heard[1]["resume"])
    assert ("drain", True) == (heard[2]["reason"], bool(heard[2]["text"]))
    assert (["draining"], 1012) == (codes(heard), end.code)
    assert (503, "draining") == (late.response.status, json.loads(late.response.body)["error"]["code"])


def test_only_this_machine_may_drain(transport: str) -> None:
    """`forbidden` for whom a proxy stands for."""
    with inside(transport=transport) as server:
        answer = server.address.request("POST", "/v1/drain", headers={"X-Forwarded-For": "203.0.113.9"})
    assert (403, "forbidden") == (answer.status, answer.tree["error"]["code"])


def test_a_reader_too_slow_is_closed(transport: str) -> None:
    """`slow_reader`: in the log, whatever the peer still sees of it; nothing is left."""
    settings: dict[str, Any] = {"max_unsent_s": 0.3, "mock_words_per_chunk": 100, "mock_latency_ms": 1, "max_speed": 0}
    with inside(transport=transport, send_buffer_bytes=4096, **settings) as server:
        tasks = server.tasks
        raw = RawSocket(server.address, receive_buffer_bytes=4096).upgrade()
        raw.say("start", partials="cumulative", words=True)
        audio = [piece for _ in range(40) for piece in pieces(SENTENCE, 32_000)]
        try:
            for piece in audio:
                raw.say_audio(piece)
        except OSError:
            assert server.log.all_of("session ended")
        ended = server.log.wait_for("session ended")
        server.await_empty(tasks)
        raw.close()
    assert "slow_reader" == ended["reason"]


def test_every_code_that_a_socket_can_see_is_provoked_here() -> None:
    """A new row of the table needs a test of its own above, or one of access."""
    rest_only = {"not_audio", "not_found", "too_large", "no_decoder", "bad_request"}
    text = "".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("test_codes.py", ACCESS))
    assert [] == [code.value for code in ErrorCode if code.value not in rest_only and f'"{code.value}"' not in text]
    assert Gone(1000).code == 1000
