"""The fast transport without a socket: what it does to asyncio's transport, and what a session hears of it."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.support.clock import run_virtual, settle
from tests.support.inside import Record
from tests.support.pipe import RecordingTransport
from tests.support.raw import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, request
from tests.support.raw import frame as masked
from uvicorn import Config
from uvicorn.server import ServerState

from earful.errors import EarfulError, ErrorCode
from earful.service.admission import Admission, Caller, Entrance
from earful.telemetry.events import Events
from earful.telemetry.metrics import Metrics
from earful.transport.farewell import LINGER_S
from earful.transport.fast import FastTransport
from earful.transport.fast_connection import DISCARD_EVERY_S, SHUTDOWN_S, FastConnection
from earful.transport.frames import FRAMES_AT_ONCE, close_payload, frame
from earful.transport.upgrade import PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from earful.service.origin import Origin
    from earful.service.registry import Registry

MAX_MESSAGE_BYTES = 100_000


class Session:
    """Stands where a `Connection` would: notes what it is told, and does what a test put into `on_message`."""

    def __init__(self, wire: FastConnection, origin: Origin) -> None:
        self.wire = wire
        self.origin = origin
        self.heard: list[Any] = []
        self.on_message: Callable[[], None] = lambda: None
        self.codes: tuple[int, int | None] | None = None

    def message(self, text: bytes) -> None:
        """A text."""
        self.heard.append(text)
        self.on_message()

    def audio(self, data: bytes) -> None:
        """A binary message."""
        self.heard.append(bytearray(data))

    def pinged(self) -> None:
        """A ping."""
        self.heard.append("ping")

    def ponged(self) -> None:
        """A pong."""
        self.heard.append("pong")

    def writable(self) -> None:
        """Room."""
        self.heard.append("writable")

    def lost(self, reason: str, close_code: int = 1006, peer_code: int | None = None) -> None:
        """The end; as the real one, it then asks for a close, which must not speak over the transport's own."""
        if not any(isinstance(one, str) and one.startswith("lost") for one in self.heard):
            self.heard.append(f"lost {reason}")
            self.codes = (close_code, peer_code)
            self.wire.close(1001, reason)


class Hall:
    """Stands where the registry would: lets in, or refuses with `refusal`."""

    def __init__(self) -> None:
        self.refusal: EarfulError | None = None
        self.is_full = False
        self.entrance: Entrance | None = None
        self.admissions: list[Admission] = []
        self.taken = 0
        self.log = Record()
        self.events = Events(self.log)
        self.resuming: list[bool] = []
        self.sessions: list[Session] = []

    @property
    def is_closed(self) -> bool:
        """Whether nobody new is let in."""
        return self.is_full

    def check(self, *, resuming: bool) -> None:
        """Only who resumes has a place in a full one."""
        if self.is_full and not resuming:
            raise EarfulError(ErrorCode.OVERLOADED)

    def decide(self, session_id: str, admission: Admission) -> None:
        """Whoever is known may stay."""

    @contextmanager
    def slot(self, *, resuming: bool, admission: Admission) -> Iterator[str]:
        """A place."""
        del admission
        self.resuming.append(resuming)
        if self.refusal is not None:
            raise self.refusal
        self.taken += 1
        try:
            yield "an-id"
        finally:
            self.taken -= 1

    def connect(self, session_id: str, wire: FastConnection, origin: Origin, admission: Admission) -> Session:
        """Begin a session."""
        assert "an-id" == session_id
        self.admissions.append(admission)
        self.sessions.append(Session(wire, origin))
        return self.sessions[-1]


class Here:
    """One connection with everything around it."""

    def __init__(self, *, is_tls: bool = False, **options: Any) -> None:
        self.hall = Hall()
        self.shared = FastTransport(cast("Registry", self.hall), MAX_MESSAGE_BYTES)
        self.state = ServerState()
        self.pipe = RecordingTransport(is_tls=is_tls)
        self.connection = self.shared.protocol(Config(lambda: None, log_config=None, **options), self.state, {})
        self.pipe.protocol = self.connection
        self.connection.connection_made(self.pipe)

    @property
    def session(self) -> Session:
        """The one that began."""
        return self.hall.sessions[0]

    @property
    def heard(self) -> list[Any]:
        """What it was told."""
        return self.session.heard

    def ask(self, head: bytes) -> tuple[int, dict[str, str], bytes]:
        """Hand a request over; the answer."""
        self.connection.data_received(head)
        answer, _, body = self.pipe.drain().partition(b"\r\n\r\n")
        status, *lines = answer.decode().split("\r\n")
        return int(status.split()[1]), dict(line.split(": ", 1) for line in lines), body

    def receive(self, *frames: bytes) -> None:
        """Frames arrive together."""
        self.connection.data_received(b"".join(frames))


def met(scenario: Callable[[Here], Coroutine[Any, Any, None]], *, is_tls: bool = False, asks: bool = True) -> None:
    """Run a scenario behind an upgrade that was granted, unless told not to ask."""

    async def main() -> None:
        here = Here(is_tls=is_tls)
        try:
            if asks:
                assert 101 == here.ask(request())[0]
            await scenario(here)
            here.connection.connection_lost(None)
            assert (0, set()) == (here.hall.taken, here.state.connections)
        finally:
            here.pipe.close_files()

    run_virtual(main())


def test_an_upgrade_is_granted_and_counted() -> None:
    """With the proof, the session's id, uvicorn's own headers, and no extension."""

    async def scenario(here: Here) -> None:
        here.state.default_headers = [(b"date", b"today")]
        status, headers, body = here.ask(request(Sec_WebSocket_Extensions="permessage-deflate"))
        assert (101, b"", 1, True) == (
            status,
            body,
            here.hall.taken,
            here.connection in list[object](here.state.connections),
        )
        assert {
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-accept": "ICX+Yqv66kxgM0FcWaLWlFLwTAI=",
            "date": "today",
            "x-session-id": "an-id",
            "x-request-id": here.session.origin.request_id,
        } == headers
        assert ("192.0.2.7", ["high=0"]) == (here.session.origin.peer, here.pipe.calls)

    met(scenario, asks=False)


@pytest.mark.parametrize(
    ("offered", "chosen"), [("earful.v1", "earful.v1"), ("a, earful.v1", "earful.v1"), ("a", None)]
)
def test_the_subprotocol_is_chosen_where_offered(offered: str, chosen: str | None) -> None:
    """Ours alone."""

    async def scenario(here: Here) -> None:
        headers = here.ask(request(Sec_WebSocket_Protocol=offered))[1]
        assert chosen == headers.get("sec-websocket-protocol")

    met(scenario, asks=False)


@pytest.mark.parametrize(
    ("head", "status", "header"),
    [
        (request("/v1/elsewhere"), 404, ("content-type", "application/json")),
        (request().replace(b"Version: 13", b"Version: 8"), 426, ("sec-websocket-version", "13")),
        (request().replace(b"GET", b"PUT"), 405, ("allow", "GET")),
        (request().replace(b"Sec-WebSocket-Key", b"X-Key"), 400, ("connection", "close")),
    ],
)
def test_what_is_no_upgrade_is_refused_as_http(head: bytes, status: int, header: tuple[str, str]) -> None:
    """With the body and the id that every refusal has; no place is taken, and what comes behind it is not heard."""

    async def scenario(here: Here) -> None:
        told = here.ask(head)
        tree = json.loads(told[2])["error"]
        assert (status, header[1]) == (told[0], told[1][header[0]])
        assert (told[1]["x-request-id"], len(told[2])) == (tree["request_id"], int(told[1]["content-length"]))
        assert (0, [], True) == (here.hall.taken, here.hall.sessions, here.pipe.is_closing())
        here.receive(masked(TEXT, b"{}"))

    met(scenario, asks=False)


def test_a_root_path_may_stand_before_ours_or_be_taken_off_by_the_proxy() -> None:
    """Nothing else may."""

    async def main() -> None:
        answers = []
        for path in (PATH, f"/base{PATH}", f"/bas{PATH}", "/base/v1"):
            here = Here(root_path="/base")
            answers.append(here.ask(request(path))[0])
            here.connection.connection_lost(None)
            here.pipe.close_files()
        assert [101, 101, 404, 404] == answers

    run_virtual(main())


def test_who_is_refused_learns_when_to_come_back() -> None:
    """503 with Retry-After and the request's own id."""

    async def scenario(here: Here) -> None:
        here.hall.refusal = EarfulError(ErrorCode.SESSION_LIMIT)
        status, headers, body = here.ask(request(X_Request_Id="mine"))
        assert (503, "mine", "session_limit") == (status, headers["x-request-id"], json.loads(body)["error"]["code"])
        assert 1 <= int(headers["retry-after"]) <= 5

    met(scenario, asks=False)


def test_a_browser_is_refused_after_the_upgrade_where_it_asks_for_it() -> None:
    """An error and 1013, then the same close as any."""

    async def scenario(here: Here) -> None:
        here.hall.refusal = EarfulError(ErrorCode.DRAINING)
        status, headers, frames = here.ask(request(f"{PATH}?refuse=close"))
        size = frames[1] if frames[1] < 126 else int.from_bytes(frames[2:4], "big")
        begin = 2 if frames[1] < 126 else 4
        told = json.loads(frames[begin : begin + size])
        assert (101, "draining", True) == (status, told["code"], told["fatal"])
        assert frame(CLOSE, close_payload(1013, "draining")) == frames[begin + size :]
        assert "x-session-id" not in headers
        here.shared.sweep(0.0)
        here.shared.sweep(LINGER_S)
        assert "abort" == here.pipe.calls[-1]

    met(scenario, asks=False)


def test_bytes_in_the_segment_of_the_request_are_no_part_of_it() -> None:
    """A client has to wait for the answer; uvicorn drops them, and so would we."""

    async def scenario(here: Here) -> None:
        assert 101 == here.ask(request() + masked(TEXT, b"early"))[0]
        here.receive(masked(TEXT, b"late"))
        assert [b"late"] == here.heard

    met(scenario, asks=False)


@pytest.mark.parametrize("is_tls", [False, True])
def test_messages_go_to_the_session_and_its_own_to_the_peer(*, is_tls: bool) -> None:
    """In order, over the transport where there is TLS."""

    async def scenario(here: Here) -> None:
        here.receive(masked(TEXT, b"a"), masked(BINARY, b"b"), masked(PONG, b""))
        here.connection.send(b"one")
        here.connection.ping()
        here.connection.send(b"x" * 9000)
        assert ([b"a", b"b", "pong"], [f"high={int(is_tls)}"]) == (here.heard, here.pipe.calls)
        assert frame(TEXT, b"one") + frame(PING, b"") + frame(TEXT, b"x" * 9000) == here.pipe.drain()
        assert 0 == here.connection.unsent_bytes

    met(scenario, is_tls=is_tls)


def test_large_messages_to_a_slow_reader_stay_whole_and_in_order() -> None:
    """The kernel takes a part of one; what is left, and all that follows, waits its turn."""

    async def scenario(here: Here) -> None:
        here.pipe.fill()
        messages = [bytes([number]) * size for number, size in enumerate([9000, 4, 70_000, 4])]
        for message in messages:
            here.connection.send(message)
        assert sum(len(frame(TEXT, message)) for message in messages) == here.connection.unsent_bytes
        here.connection.pause_writing()
        first = here.pipe.take(5000)
        assert [] == here.heard
        assert b"".join(frame(TEXT, message) for message in messages) == first + here.pipe.take()
        assert ["writable"] == here.heard

    met(scenario)


def test_a_message_that_the_kernel_takes_in_part_goes_on_with_the_rest() -> None:
    """Not from its beginning."""

    async def scenario(here: Here) -> None:
        here.pipe.is_stuck = True
        here.connection.send(b"x" * 90_000)  # More than a pipe holds.
        left = here.connection.unsent_bytes
        taken = here.pipe.drain()
        assert 0 < left < 90_000
        assert frame(TEXT, b"x" * 90_000) == taken + here.pipe.unsent

    met(scenario)


def test_a_write_that_fails_is_left_to_the_transport() -> None:
    """It finds out why, and says that the connection is lost."""

    async def scenario(here: Here) -> None:
        here.pipe.break_off()
        here.connection.send(b"x")
        assert frame(TEXT, b"x") == here.pipe.unsent
        here.connection.connection_lost(ConnectionResetError())
        assert ["lost connection_lost"] == here.heard

    met(scenario)


def test_a_ping_is_answered_with_what_is_in_it() -> None:
    """And the session knows of it."""

    async def scenario(here: Here) -> None:
        here.receive(masked(PING, b"x"), masked(PING, b""))
        assert frame(PONG, b"x") + frame(PONG, b"") == here.pipe.drain()
        assert ["ping", "ping"] == here.heard

    met(scenario)


def test_a_flood_of_pings_that_reads_no_answer_piles_up_nothing() -> None:
    """The newest is answered, when there is room."""

    async def scenario(here: Here) -> None:
        here.pipe.fill()
        here.connection.send(b"waits")
        waiting = here.connection.unsent_bytes
        for number in range(1000):
            here.receive(masked(PING, b"%d" % number))
        assert waiting == here.connection.unsent_bytes
        here.pipe.take()
        assert frame(PONG, b"999") == here.pipe.drain()

    met(scenario)


def test_a_pong_that_is_too_much_again_leaves_no_room_to_tell_of() -> None:
    """The session hears of it when that is taken too."""

    async def scenario(here: Here) -> None:
        here.pipe.fill()
        here.connection.send(b"waits")
        here.receive(masked(PING, b"x"))
        here.pipe.unsent, here.pipe.is_stuck = b"", True
        here.connection.resume_writing()
        assert ["ping"] == here.heard
        here.pipe.take()
        assert ["ping", "writable"] == here.heard

    met(scenario)


def test_no_pong_follows_a_close_frame() -> None:
    """One that waited is forgotten; a ping that comes now is not answered."""

    async def scenario(here: Here) -> None:
        here.pipe.fill()
        here.connection.send(b"waits")
        here.receive(masked(PING, b"x"))
        here.connection.close(1000, "")
        here.pipe.take()
        here.receive(masked(PING, b"y"))
        here.connection.ping()
        here.connection.send(b"late")
        assert b"" == here.pipe.drain()

    met(scenario)


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe9going", b"\x0f\xa0app"])
def test_a_peer_that_closes_is_answered_with_its_code(payload: bytes) -> None:
    """Then the connection ends, when everything is sent; the session knows why, and says nothing over it."""

    async def scenario(here: Here) -> None:
        here.receive(masked(CLOSE, payload), masked(TEXT, b"late"))
        assert frame(CLOSE, payload[:2]) == here.pipe.drain()
        assert ("lost peer_closed", ["high=0", "close"]) == (here.heard[0], here.pipe.calls)
        code = int.from_bytes(payload[:2], "big") or 1005
        assert (code, code) == here.session.codes

    met(scenario)


def test_who_closes_waits_for_the_peers_close() -> None:
    """What still comes is heard by nobody that minds; the second close frame ends it, and is not answered."""

    async def scenario(here: Here) -> None:
        here.connection.pause_reading()
        here.connection.close(1000, "done")
        here.connection.close(1011, "again")
        assert (frame(CLOSE, close_payload(1000, "done")), True) == (here.pipe.drain(), here.pipe.is_reading_now)
        here.receive(masked(CLOSE, b"\x03\xe8"))
        assert (b"", ["high=0", "close"], []) == (here.pipe.drain(), here.pipe.calls, here.heard)

    met(scenario)


def test_a_peer_that_answers_no_close_is_dropped() -> None:
    """By the sweep, in time; one that is gone is forgotten."""

    async def scenario(here: Here) -> None:
        here.connection.close(1000, "")
        here.shared.sweep(10.0)
        here.shared.sweep(10.0 + LINGER_S / 2)
        assert "abort" not in here.pipe.calls
        here.shared.sweep(10.0 + LINGER_S)
        assert "abort" == here.pipe.calls[-1]
        here.connection.connection_lost(None)
        here.shared.sweep(20.0)
        assert 1 == here.pipe.calls.count("abort")

    met(scenario)


def test_an_aborted_connection_says_nothing_more() -> None:
    """No close frame either."""

    async def scenario(here: Here) -> None:
        here.connection.abort()
        here.connection.send(b"late")
        here.connection.close(1000, "")
        assert (b"", ["high=0", "abort"]) == (here.pipe.drain(), here.pipe.calls)

    met(scenario)


FAULTS = [
    (masked(TEXT, b"", first=FIN | 0x40), 1002, "protocol_error"),
    (masked(TEXT, b"\xff"), 1007, "invalid_utf8"),
    (masked(BINARY, bytes(MAX_MESSAGE_BYTES + 1)), 1009, "message_too_big"),
]


@pytest.mark.parametrize(("is_tls", "ends"), [(False, ["eof"]), (True, [])])
@pytest.mark.parametrize(("data", "code", "reason"), FAULTS)
def test_a_broken_frame_is_answered_with_its_code_alone(
    data: bytes, code: int, reason: str, ends: list[str], *, is_tls: bool
) -> None:
    """What came before it is heard; what comes after it is read and not heard, and the peer sees the end."""

    async def scenario(here: Here) -> None:
        here.receive(masked(TEXT, b"before"), data, masked(TEXT, b"behind"))
        assert frame(CLOSE, close_payload(code, "")) == here.pipe.drain()
        here.receive(masked(TEXT, b"after"))
        await asyncio.sleep(DISCARD_EVERY_S)
        assert ([b"before", f"lost {reason}"], True) == (here.heard, here.pipe.is_reading_now)
        assert ends == [call for call in here.pipe.calls if call in {"eof", "close"}]

    met(scenario, is_tls=is_tls)


def test_a_flood_behind_our_close_is_read_in_a_trickle() -> None:
    """One read, then a pause in which others have the loop, until the peer's own close is found."""

    async def scenario(here: Here) -> None:
        here.connection.close(1000, "done")
        for _ in range(3):
            here.receive(masked(TEXT, b"x" * 5000))
            assert not here.pipe.is_reading_now
            await asyncio.sleep(DISCARD_EVERY_S)
            assert here.pipe.is_reading_now
        here.receive(masked(CLOSE, b"\x03\xe8"))
        await asyncio.sleep(DISCARD_EVERY_S)
        assert (False, "close") == (here.pipe.is_reading_now, here.pipe.calls[-1])

    met(scenario)


def test_a_flood_behind_a_refusal_is_read_in_a_trickle_too() -> None:
    """A refused peer has no session, and no better right to the loop."""

    async def scenario(here: Here) -> None:
        here.hall.refusal = EarfulError(ErrorCode.SESSION_LIMIT)
        assert 101 == here.ask(request(f"{PATH}?refuse=close"))[0]
        here.receive(masked(TEXT, b"x" * 5000))
        assert not here.pipe.is_reading_now
        await asyncio.sleep(DISCARD_EVERY_S)
        assert here.pipe.is_reading_now

    met(scenario, asks=False)


def test_a_flood_of_small_frames_behind_our_close_is_heard_in_a_trickle() -> None:
    """So many at once, then a pause, however many one read has brought."""

    async def scenario(here: Here) -> None:
        here.connection.close(1000, "done")
        here.receive(masked(PONG, b"") * (3 * FRAMES_AT_ONCE))
        for taken in (1, 2, 3):
            assert (taken * FRAMES_AT_ONCE, False) == (here.heard.count("pong"), here.pipe.is_reading_now)
            await asyncio.sleep(DISCARD_EVERY_S)
        await asyncio.sleep(DISCARD_EVERY_S)
        assert here.pipe.is_reading_now

    met(scenario)


@pytest.mark.parametrize(
    ("said", "end"), [(masked(CLOSE, b"\x03\xf5"), "close"), (masked(PONG, b"") * (FRAMES_AT_ONCE + 1), "abort")]
)
def test_a_refused_peer_is_let_go_at_its_close(said: bytes, end: str) -> None:
    """Or cut off where it says a lot of other things first."""

    async def scenario(here: Here) -> None:
        here.hall.refusal = EarfulError(ErrorCode.SESSION_LIMIT)
        assert 101 == here.ask(request(f"{PATH}?refuse=close"))[0]
        here.receive(said)
        assert end == here.pipe.calls[-1]

    met(scenario, asks=False)


def test_parts_of_a_message_are_counted() -> None:
    """Each is a sign of life; without end they are held as messages are."""

    async def scenario(here: Here) -> None:
        here.receive(masked(TEXT, b"", first=0), masked(CONTINUATION, b"", first=0), masked(CONTINUATION, b"x"))
        assert ["pong", "pong", b"x"] == here.heard

    met(scenario)


def test_what_an_earlier_answer_left_unsent_goes_first() -> None:
    """The transport told the protocol before us that it is full; nothing of ours overtakes what waits there."""

    async def scenario(here: Here) -> None:
        here.pipe.protocol = None
        here.pipe.is_stuck = True
        here.pipe.write(b"earlier")
        here.connection.data_received(request())
        here.pipe.protocol = here.connection
        here.connection.send(b"x")
        assert 0 < here.connection.unsent_bytes
        assert here.pipe.unsent.startswith(b"earlierHTTP/1.1 101 ")
        assert here.pipe.unsent.endswith(frame(TEXT, b"x"))
        assert b"" == here.pipe.drain()
        here.pipe.take()
        here.connection.send(b"y")
        assert (0, frame(TEXT, b"y")) == (here.connection.unsent_bytes, here.pipe.drain())

    met(scenario, asks=False)


def test_a_broken_frame_behind_a_close_changes_nothing() -> None:
    """The connection is going anyway."""

    async def scenario(here: Here) -> None:
        here.receive(masked(CLOSE, b"\x03\xe8"), FAULTS[0][0])
        assert (frame(CLOSE, b"\x03\xe8"), ["high=0", "close"]) == (here.pipe.drain(), here.pipe.calls)

    met(scenario)


def test_a_message_in_fragments_may_come_in_any_segments() -> None:
    """One byte each."""

    async def scenario(here: Here) -> None:
        for byte in masked(TEXT, b"he", first=0) + masked(CONTINUATION, b"llo"):
            here.receive(bytes([byte]))
        assert ["pong", b"hello"] == here.heard

    met(scenario)


def test_others_get_their_turn_between_many_frames() -> None:
    """No more is read meanwhile, and all are heard in the end, with what comes then."""

    async def scenario(here: Here) -> None:
        here.receive(masked(PONG, b"") * (2 * FRAMES_AT_ONCE + 1))
        assert (FRAMES_AT_ONCE, False) == (len(here.heard), here.pipe.is_reading_now)
        await settle()
        assert (2 * FRAMES_AT_ONCE + 1, True) == (len(here.heard), here.pipe.is_reading_now)
        here.receive(masked(TEXT, b"more"))
        assert b"more" == here.heard[-1]

    met(scenario)


@pytest.mark.parametrize(("query", "resuming"), [("", False), ("?resume=1", True), ("?resume=0", False)])
def test_who_will_resume_says_so_in_its_request(query: str, resuming: bool) -> None:  # noqa: FBT001 - parameter
    """It may be let in where others are not."""

    async def scenario(here: Here) -> None:
        here.ask(request(f"{PATH}{query}"))
        assert [resuming] == here.hall.resuming

    met(scenario, asks=False)


def test_who_is_held_hears_nothing_more_of_what_was_read() -> None:
    """Not even what stood in the same segment; when released, first that, then the socket again."""

    async def scenario(here: Here) -> None:
        here.session.on_message = here.connection.pause_reading
        here.receive(masked(TEXT, b"1"), masked(TEXT, b"2"), masked(TEXT, b"3"))
        here.receive(masked(TEXT, b"4"))  # Some loops deliver one read more.
        await settle()
        assert ([b"1"], False) == (here.heard, here.pipe.is_reading_now)
        here.session.on_message = lambda: None
        here.connection.resume_reading()
        assert not here.pipe.is_reading_now
        await settle()
        assert ([b"1", b"2", b"3", b"4"], True) == (here.heard, here.pipe.is_reading_now)

    met(scenario)


def test_who_is_held_again_before_its_turn_waits_on() -> None:
    """And a connection that is lost meanwhile hears nothing."""

    async def scenario(here: Here) -> None:
        here.session.on_message = here.connection.pause_reading
        here.receive(masked(TEXT, b"1"), masked(TEXT, b"2"))
        here.connection.resume_reading()
        here.connection.pause_reading()
        await settle()
        assert ([b"1"], False) == (here.heard, here.pipe.is_reading_now)
        here.connection.resume_reading()
        here.connection.connection_lost(None)
        await settle()
        assert [b"1", "lost connection_lost"] == here.heard

    met(scenario)


def test_who_is_held_at_the_last_message_stays_so() -> None:
    """Nothing waits, and nothing is read until it is released."""

    async def scenario(here: Here) -> None:
        here.session.on_message = here.connection.pause_reading
        here.receive(masked(TEXT, b"1"))
        await settle()
        assert not here.pipe.is_reading_now
        here.connection.resume_reading()
        assert here.pipe.is_reading_now

    met(scenario)


def test_room_that_is_found_before_there_is_a_session_concerns_nobody() -> None:
    """The answer to the upgrade itself had to wait."""

    async def scenario(here: Here) -> None:
        here.connection.resume_writing()
        assert 101 == here.ask(request())[0]
        assert [] == here.heard

    met(scenario, asks=False)


def test_a_lost_connection_whose_session_fails_gives_its_place_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the worker would have one less for as long as it lives."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async def scenario(here: Here) -> None:
        monkeypatch.setattr(here.session, "lost", fail)
        with pytest.raises(ZeroDivisionError):
            here.connection.connection_lost(None)
        assert 0 == here.hall.taken

    met(scenario)


def test_a_lost_connection_is_told_once_and_gives_its_place_back() -> None:
    """Nobody holds on to the session."""

    async def scenario(here: Here) -> None:
        here.connection.connection_lost(None)
        assert (["lost connection_lost"], 0) == (here.heard, here.hall.taken)
        assert here.connection._connection is None
        here.connection.connection_lost(None)
        assert 1 == len(here.heard)

    met(scenario)


def test_a_server_that_ends_closes_what_is_left() -> None:
    """1012; who does not answer is dropped before the server gives up waiting."""

    async def scenario(here: Here) -> None:
        here.connection.shutdown()
        assert (frame(CLOSE, close_payload(1012, "")), ["high=0"]) == (here.pipe.drain(), here.pipe.calls)
        await asyncio.sleep(SHUTDOWN_S)
        assert ["high=0", "abort"] == here.pipe.calls

    met(scenario)


class Gate:
    """A doorkeeper that waits for a test to decide, and knows whether it was asked in vain."""

    def __init__(self) -> None:
        self.callers: list[Caller] = []
        self.decision: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()
        self.was_cancelled = False

    async def __call__(self, caller: Caller) -> Admission:
        """Wait for the decision."""
        self.callers.append(caller)
        try:
            return await self.decision
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


def asking(scenario: Callable[[Here, Gate], Coroutine[Any, Any, None]], path: str = PATH) -> None:
    """Run a scenario in which the gate was asked, and nothing was answered yet."""

    async def run(here: Here) -> None:
        gate = Gate()
        here.hall.entrance = Entrance(gate, 10.0, Metrics(0.0), Record())
        here.connection.data_received(request(path, X_Key="mine"))
        await settle()
        assert (b"", 0, True) == (here.pipe.drain(), here.hall.taken, here.pipe.is_reading_now)
        await scenario(here, gate)
        await settle()
        assert {asyncio.current_task()} == asyncio.all_tasks()

    met(run, asks=False)


def test_a_doorkeeper_sees_the_request_and_says_as_whom_one_comes_in() -> None:
    """The place is taken only then, and what is said from then on is heard at once."""

    async def scenario(here: Here, gate: Gate) -> None:
        (caller,) = gate.callers
        assert (PATH, {"resume": ["1"]}, "192.0.2.7") == (caller.path, caller.query, caller.peer)
        assert (b"x-key", b"mine") in caller.headers
        gate.decision.set_result(Admission("acme"))
        await settle()
        assert here.pipe.drain().startswith(b"HTTP/1.1 101 ")
        assert ([Admission("acme")], 1, [True]) == (here.hall.admissions, here.hall.taken, here.hall.resuming)
        here.receive(masked(TEXT, b"x"))
        assert [b"x"] == here.heard

    asking(scenario, f"{PATH}?resume=1")


@pytest.mark.parametrize(("query", "status"), [("", b"403"), ("?refuse=close", b"101")])
def test_a_doorkeeper_may_refuse(query: str, status: bytes) -> None:
    """As HTTP, or behind the upgrade with the code of the row; no place was ever taken."""

    async def scenario(here: Here, gate: Gate) -> None:
        gate.decision.set_exception(EarfulError(ErrorCode.FORBIDDEN))
        await settle()
        answer = here.pipe.drain()
        assert status == answer.split()[1]
        assert (0, [], []) == (here.hall.taken, here.hall.resuming, here.hall.sessions)
        assert (status == b"101") == answer.endswith(frame(CLOSE, close_payload(4003, "forbidden")))

    asking(scenario, PATH + query)


def test_there_may_be_no_place_left_when_the_doorkeeper_has_decided() -> None:
    """As for anybody."""

    async def scenario(here: Here, gate: Gate) -> None:
        here.hall.refusal = EarfulError(ErrorCode.SESSION_LIMIT)
        gate.decision.set_result(Admission())
        await settle()
        assert here.pipe.drain().startswith(b"HTTP/1.1 503 ")

    asking(scenario)


def test_nobody_is_asked_about_whom_there_is_no_place_for() -> None:
    """A refusal costs no more than it must; who resumes has a place still."""

    async def run(here: Here) -> None:
        gate = Gate()
        here.hall.entrance = Entrance(gate, 10.0, Metrics(0.0), here.hall.log)
        here.hall.is_full = True
        here.connection.data_received(request())
        assert here.pipe.drain().startswith(b"HTTP/1.1 503 ")
        assert [] == gate.callers

    met(run, asks=False)


def test_what_comes_before_the_answer_waits_for_it_and_nothing_is_read_behind_it() -> None:
    """A client should not, and is heard all the same, in order."""

    async def scenario(here: Here, gate: Gate) -> None:
        here.receive(masked(TEXT, b"1"))
        assert not here.pipe.is_reading_now
        here.receive(masked(TEXT, b"2"))  # Some loops deliver one read more.
        gate.decision.set_result(Admission())
        await settle()
        assert ([b"1", b"2"], True) == (here.heard, here.pipe.is_reading_now)

    asking(scenario)


def test_what_came_before_a_refusal_is_not_heard() -> None:
    """The connection is closed by then."""

    async def scenario(here: Here, gate: Gate) -> None:
        here.receive(masked(TEXT, b"1"))
        gate.decision.set_exception(EarfulError(ErrorCode.FORBIDDEN))
        await settle()
        assert ([], "close") == (here.hall.sessions, here.pipe.calls[-1])

    asking(scenario)


def test_a_peer_that_goes_while_it_waits_is_forgotten() -> None:
    """The doorkeeper too need not go on; nothing is answered, and no place taken."""

    async def scenario(here: Here, gate: Gate) -> None:
        here.connection.connection_lost(None)
        await settle()
        assert (True, b"", 0) == (gate.was_cancelled, here.pipe.drain(), here.hall.taken)

    asking(scenario)


def test_a_peer_that_goes_in_the_moment_of_the_decision_takes_no_place() -> None:
    """Whichever the loop comes to first."""

    async def scenario(here: Here, gate: Gate) -> None:
        gate.decision.set_result(Admission())
        here.connection.connection_lost(None)
        await settle()
        assert (b"", [], []) == (here.pipe.drain(), here.hall.resuming, here.hall.sessions)

    asking(scenario)


def test_a_server_that_ends_says_nothing_to_who_still_waits() -> None:
    """A close frame would be no answer to a request; a drain has refused all whose doorkeeper lets it."""

    async def scenario(here: Here, gate: Gate) -> None:
        assert not gate.decision.done()
        here.connection.shutdown()
        await asyncio.sleep(SHUTDOWN_S)
        assert (b"", "abort") == (here.pipe.drain(), here.pipe.calls[-1])
        here.connection.connection_lost(None)

    asking(scenario)
