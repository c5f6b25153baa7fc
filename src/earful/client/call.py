"""One connection of a resuming session, from `start` to its loss: a reader, a writer, a watch over both, and its pings.

Guarantees that every wait ends, that the writer is never ahead of what it may send, and that no task and no socket
is left. Called by `Carrier`, one at a time.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET
from pybase64 import b64encode
from websockets.exceptions import ConnectionClosed

from earful.client.losses import Advice, Loss, loss_by_close
from earful.client.silence import Patience, Silence, Verdict
from earful.errors import CloseCode
from earful.protocol.messages import AudioChunk, EncodedChunk, Error, ServerMessage, Started

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from websockets.asyncio.client import ClientConnection

    from earful.client.core import Speaker
    from earful.client.pace import Pace
    from earful.protocol.messages import ClientMessage

_LOOK_S = 0.1
"""Between two looks at a silent peer; part of its patience where that is short."""

_LEAVE_S = 1.0
"""For the server to close after its last final, or a fatal error."""

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in ServerMessage.__args__)


@dataclass(frozen=True, slots=True)
class Talk:
    """What a session's calls share: its core and its pace, and the ways to and from the application."""

    speaker: Speaker
    pace: Pace
    said: asyncio.Event
    """Set whenever there may be something to be sent."""
    hear: Callable[[ServerMessage], Awaitable[None]]
    """Takes in a message; waits while the application takes nothing."""
    is_held: Callable[[], bool]
    """Whether `hear` waits: who is not read is not judged."""


class Call:
    """A connection that stands."""

    def __init__(self, connection: ClientConnection, talk: Talk, patience: Patience, vain_tries: int) -> None:
        """`vain_tries`: calls in a row that were given up for their silence."""
        self.is_given_up = False
        self._connection = connection
        self._talk = talk
        self._patience = patience
        self._clock = asyncio.get_running_loop().time
        self._silence = Silence(patience, self._clock(), vain_tries)
        self._greeted_at = math.inf
        self._doubted = asyncio.Event()
        self._error: Error | None = None
        self._fault: Loss | None = None

    @property
    def sound_s(self) -> float:
        """How long after `started` its peer still owed nothing; negative where it always owed something."""
        return self._silence.sound_at - self._greeted_at

    async def run(self) -> Loss:
        """Speak and listen until the connection ends, or the session is complete; how it ended."""
        self._talk.speaker.connected()
        try:
            async with asyncio.TaskGroup() as tasks:
                others = [tasks.create_task(part()) for part in (self._write, self._watch, self._ask)]
                await self._read()
                for other in others:
                    other.cancel()
        finally:
            # Whoever fails leaves at once: the server is not waited for.
            self._connection.transport.abort()
        return self._fault or self._loss()

    def _loss(self) -> Loss:
        if self.is_given_up:
            return Loss(Advice.RESUME, "The server has fallen silent.")
        connection = self._connection
        code = connection.close_code or CloseCode.ABNORMAL
        return loss_by_close(code, connection.close_reason or "", self._error)

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for text in self._connection:
                self._silence.heard(self._clock())
                message = self._decode(text)
                if message is not None:
                    await self._receive(message)
                if self._fault is not None:
                    return
                if self._talk.speaker.is_complete or self._error is not None:
                    # Nothing follows but the close, which may never come.
                    await self._take_leave()
                    return

    async def _receive(self, message: ServerMessage) -> None:
        await self._talk.hear(message)
        if isinstance(message, Started):
            self._greeted_at = self._clock()
            if self._talk.speaker.is_stuck:
                # Another server may still take them, as the one did to which they were said.
                self._fault = Loss(Advice.RESUME, "The server takes only shorter chunks than were said before.")
        elif isinstance(message, Error) and message.fatal is True:
            self._error = message
        elif isinstance(message, Error) and not self._talk.speaker.is_greeted:
            # Nothing but `start` was said yet, and nothing better will be.
            told = f"The server refuses the session: {message.message} ({message.code})"
            self._fault = Loss(Advice.GIVE_UP, told, CloseCode.POLICY)

    def _decode(self, text: str | bytes) -> ServerMessage | None:
        """Read a message; None for one of a type that is not known yet, or that nobody can read."""
        try:
            return _decoder.decode(text)
        except _UNREADABLE:
            if not _is_news(text):
                self._fault = Loss(Advice.GIVE_UP, "The server says what cannot be read.", CloseCode.PROTOCOL_ERROR)
            return None

    async def _take_leave(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await self._connection.wait_closed()

    async def _write(self) -> None:
        """Send what there is to say; ends early, in silence, where the connection does: `_read` sees why."""
        with suppress(ConnectionClosed):
            while True:
                self._talk.said.clear()
                for message in self._talk.speaker.take_messages():
                    await self._send(message)
                await self._talk.said.wait()

    async def _send(self, message: ClientMessage) -> None:
        if not isinstance(message, AudioChunk):
            await self._connection.send(_encoder.encode(message), text=True)
            return
        await asyncio.sleep(self._talk.pace.wait_s(self._clock()))
        self._silence.spoke(self._clock())
        chunk = EncodedChunk(b64encode(message.data).decode(), message.sequence)
        await self._connection.send(_encoder.encode(chunk), text=True)
        self._talk.pace.sent(len(message.data))

    async def _watch(self) -> None:
        """Give the connection up when its peer is gone, as `Silence` judges."""
        look_s = min(_LOOK_S, self._patience.pong_s / 4)
        while True:
            await asyncio.sleep(look_s)
            now = self._clock()
            if self._talk.is_held():
                self._silence.heard(now)
            verdict = self._silence.look(now, is_promised=self._talk.speaker.is_promised)
            if verdict is Verdict.PING:
                self._doubted.set()
            elif verdict is Verdict.GONE:
                self.is_given_up = True
                self._connection.transport.abort()
                return

    async def _ask(self) -> None:
        """Ping whenever the watch doubts, one ping at a time.

        A ping may not get out, and its pong may be late: how long that may take is for `Silence` alone to judge.
        """
        with suppress(ConnectionClosed):
            while True:
                await self._doubted.wait()
                self._doubted.clear()
                asked_at = self._clock()
                await (await self._connection.ping())
                self._silence.ponged(asked_at, self._clock())


class _Any(msgspec.Struct):
    type: str | msgspec.UnsetType = UNSET


def _is_news(text: str | bytes) -> bool:
    """Whether it is a message of a type that a later server may have."""
    try:
        kind = msgspec.json.decode(text, type=_Any).type
    except _UNREADABLE:
        return False
    return kind is not UNSET and kind not in _TYPES
