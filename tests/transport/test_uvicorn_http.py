"""HTTP's deadlines at the front: a body that stops or trickles ends its connection, unless we do not take it."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.clock import run_virtual, settle
from tests.support.inside import Record
from tests.support.pipe import RecordingTransport
from uvicorn import Config
from uvicorn.server import ServerState

from earful.transport.body_pace import PATIENCE_S, WINDOW_S
from earful.transport.lobby import Guest, Lobby
from earful.transport.uvicorn_http import ANSWERED_BODY_S, protocol_with

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PIECE = bytes(50_000)
TOO_MUCH = bytes(70_000)
"""Of a body that nobody takes: uvicorn stops reading."""
ENDLESS = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n"
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Pipe(RecordingTransport):
    """Without a socket that uvicorn would ask for its address."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What else is known of it."""
        return default if name == "socket" else super().get_extra_info(name, default)


class Front:
    """One connection, with an app behind it that takes a body only while `takes`, and answers when it is to."""

    def __init__(self) -> None:
        self.takes, self.answers = asyncio.Event(), asyncio.Event()
        self.heard_of: list[str] = []
        config = Config(self._app, interface="asgi3", log_config=None)
        config.load()
        make: Any = protocol_with(10.0, Record())
        with socket.socket() as connection:  # None that the lobby, which has room, would close.
            guest = Guest(Lobby("public", 100, Record()), connection)
        self.protocol = make(config=config, server_state=ServerState(), app_state={}, guest=guest)
        self.transport = Pipe()
        self.protocol.connection_made(self.transport)
        self.began = time.monotonic()

    async def _app(self, _: Any, receive: Any, send: Any) -> None:
        answering = asyncio.create_task(self.answers.wait())
        while not answering.done():
            await self.takes.wait()
            hearing = asyncio.create_task(receive())
            await asyncio.wait({hearing, answering}, return_when=asyncio.FIRST_COMPLETED)
            if not hearing.cancel():
                self.heard_of.append(hearing.result()["type"])
                if hearing.result()["type"] == "http.disconnect":
                    answering.cancel()
                    return
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    async def hear(self, *data: bytes) -> None:
        """Bytes come, and the app does what it does then."""
        for piece in data:
            self.protocol.data_received(piece)
            await settle()

    def looks(self, *, from_s: float, to_s: float) -> Iterator[float]:
        """Sweep four times a second, from then to then, in seconds since the beginning."""
        for quarter in range(round(4 * from_s), round(4 * to_s)):
            now = quarter / 4
            yield now
            self.protocol.tick(self.began + now)

    def wait(self, *, from_s: float, to_s: float) -> float | None:
        """Let time pass in which nothing comes; when the connection was ended, None where it was not."""
        for now in self.looks(from_s=from_s, to_s=to_s):
            if self.is_ended:
                return now
        return None

    @property
    def is_ended(self) -> bool:
        """By us."""
        return "abort" in self.transport.calls

    def is_read(self) -> bool:
        """Whether the server takes what comes."""
        return self.transport.is_reading_now

    async def leave(self) -> None:
        """The connection is gone, by us or by the client, and the app with it."""
        self.takes.set()
        self.protocol.connection_lost(None)
        await settle()
        assert {asyncio.current_task()} == asyncio.all_tasks()
        self.transport.close_files()


def fronted(scenario: Callable[[Front], Awaitable[None]]) -> None:
    """Run it with a connection of its own."""

    async def main() -> None:
        front = Front()
        await scenario(front)
        await front.leave()

    run_virtual(main())


def test_a_body_that_stops_after_a_fast_beginning_is_given_up() -> None:
    """Within seconds, whatever came before: it would hold an upload's place for as long as its client likes."""

    async def scenario(front: Front) -> None:
        front.takes.set()
        await front.hear(ENDLESS, b"\r\n", *[PIECE] * 400)
        for _ in front.looks(from_s=0, to_s=PATIENCE_S + 5):
            await front.hear(PIECE)
        ended_at = front.wait(from_s=PATIENCE_S + 5, to_s=PATIENCE_S + 3600)
        assert ended_at is not None
        assert WINDOW_S <= ended_at - PATIENCE_S - 5 <= 2 * WINDOW_S + 1

    fronted(scenario)


def test_a_body_that_goes_on_is_not_given_up() -> None:
    """Also where it begins slowly, and where it comes in pieces with pauses between."""

    async def scenario(front: Front) -> None:
        front.takes.set()
        await front.hear(ENDLESS, b"\r\n")
        assert front.wait(from_s=0, to_s=PATIENCE_S - 2) is None
        for now in front.looks(from_s=PATIENCE_S - 2, to_s=600):
            if now % 8 == 0 or now < PATIENCE_S:
                await front.hear(PIECE)
        assert not front.is_ended

    fronted(scenario)


def test_who_is_not_read_is_not_blamed() -> None:
    """The app takes nothing, so the server reads nothing; then it goes on, and so does the client in a moment."""

    async def scenario(front: Front) -> None:
        await front.hear(ENDLESS, b"\r\n", TOO_MUCH)
        assert not front.is_read()
        assert front.wait(from_s=0, to_s=600) is None
        front.takes.set()
        await settle()
        assert front.is_read()
        assert front.wait(from_s=600, to_s=605) is None
        for _ in front.looks(from_s=605, to_s=700):
            await front.hear(PIECE)
        assert not front.is_ended
        assert front.wait(from_s=700, to_s=730) is not None

    fronted(scenario)


def test_who_is_to_wait_for_our_word_is_not_blamed() -> None:
    """`100 Continue` comes when the app asks for the body, as after a doorkeeper's decision."""

    async def scenario(front: Front) -> None:
        await front.hear(ENDLESS + b"expect: 100-continue\r\n\r\n")
        assert front.wait(from_s=0, to_s=600) is None
        front.takes.set()
        await settle()
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == front.transport.drain()
        assert front.wait(from_s=600, to_s=600 + PATIENCE_S + 2) is not None

    fronted(scenario)


def test_who_waits_behind_its_own_request_is_not_blamed() -> None:
    """The next request's body is not asked for before the answer to this one, however long that takes."""

    async def scenario(front: Front) -> None:
        front.takes.set()
        await front.hear(GET, ENDLESS + b"expect: 100-continue\r\n\r\n")
        assert front.wait(from_s=0, to_s=600) is None

    fronted(scenario)


def test_who_goes_on_after_its_answer_is_given_up() -> None:
    """As fast as it may be."""

    async def scenario(front: Front) -> None:
        front.takes.set()
        await front.hear(ENDLESS, b"\r\n")
        front.answers.set()
        await settle()
        ended_at = None
        for now in front.looks(from_s=0, to_s=10):
            await front.hear(PIECE)
            ended_at = ended_at or (now if front.is_ended else None)
        assert ended_at == pytest.approx(ANSWERED_BODY_S, abs=0.6)

    fronted(scenario)


@pytest.mark.parametrize("behind", [0, 1, 2])
def test_the_request_under_way_hears_that_its_client_has_gone(behind: int) -> None:
    """Also where others wait behind it: uvicorn tells the newest alone."""

    async def scenario(front: Front) -> None:
        front.takes.set()
        await front.hear(GET)
        await front.hear(GET * behind)
        front.protocol.connection_lost(None)
        await settle()
        assert ["http.request", "http.disconnect"] == front.heard_of

    fronted(scenario)
