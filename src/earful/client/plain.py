"""A client of the plain protocol: audio out on an absolute schedule, answers in, one connection.

Guarantees that every wait ends: connecting, each send, each answer. Neither prints nor reads files.
Called by `earful transcribe` and by tests; `websockets` does the framing.
"""

from __future__ import annotations

import asyncio
import json
import math
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed

from earful.client.connecting import ClientError, connect_to, stream_url
from earful.client.pace import MARGIN

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Mapping

    from websockets.asyncio.client import ClientConnection

CHUNK_MS = 100
CHUNK_BYTES = 3_200
"""100 ms of 16 kHz mono s16le, the audio of one message."""

_BYTES_PER_MS = CHUNK_BYTES // CHUNK_MS


class NoAnswerError(ClientError):
    """The connection stood, and nothing moved on it for too long."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How the server closed: close code (1006: it did not) and reason."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Patience:
    """The client's deadlines, in seconds: for the upgrade, and for anything to move after it."""

    connect_s: float = 10.0
    answer_s: float = 60.0


def allowed_speed(text: str) -> float:
    """Times real time that a server's answer to `start` lets a client send; real time where it does not tell."""
    try:
        max_speed = float(json.loads(text)["limits"]["max_speed"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return 1.0
    return max_speed * (1 - MARGIN) if max_speed > 0 else math.inf


async def stream(
    url: str,
    pcm: AsyncIterable[bytes],
    receive: Callable[[str], None],
    *,
    speed: float | None = 1.0,
    sent: Callable[[float], None] = lambda _: None,
    patience: Patience | None = None,
    headers: Mapping[str, str] | None = None,
) -> Ending:
    """Send pieces of 16 kHz mono s16le at `speed` times real time, then `stop`; hear until the server closes.

    With None for `speed` it sends `start` first and goes as fast as the answer allows. `receive` gets every message
    as it came, `sent` the ms of audio sent so far; `headers` go with the upgrade. Raises ConnectError, NoAnswerError,
    and whatever `pcm`, `receive` and `sent` raise.
    """
    patience = patience or Patience()
    connection = await connect_to(stream_url(url), patience.connect_s, headers=headers)
    try:
        async with asyncio.timeout(patience.answer_s) as limit, asyncio.TaskGroup() as tasks:
            moved = _postpone(limit, patience.answer_s)
            agreed: asyncio.Future[float] = asyncio.get_running_loop().create_future()
            if speed is not None:
                agreed.set_result(speed)
            sending = tasks.create_task(_send(connection, pcm, agreed, sent, moved))
            await _receive(connection, receive, agreed, moved)
            # Audio that is still to come, from a microphone perhaps, has nobody to go to.
            sending.cancel()
    except TimeoutError:
        raise NoAnswerError(f"Nothing moved on the connection for {patience.answer_s:g} s.") from None
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        # Whoever fails leaves at once: the server is not waited for.
        connection.transport.abort()
    return Ending(connection.close_code or 1006, connection.close_reason or "")


def _postpone(limit: asyncio.Timeout, answer_s: float) -> Callable[[], None]:
    """A function to call whenever something moved."""
    loop = asyncio.get_running_loop()
    return lambda: limit.reschedule(loop.time() + answer_s)


async def _send(
    connection: ClientConnection,
    pcm: AsyncIterable[bytes],
    agreed: asyncio.Future[float],
    sent: Callable[[float], None],
    moved: Callable[[], None],
) -> None:
    """Send all audio and `stop`; ends early, in silence, where the server closes: `_receive` sees why.

    Where no speed is `agreed` yet it sends `start` and waits for the answer.
    """
    loop = asyncio.get_running_loop()
    try:
        if not agreed.done():
            await connection.send('{"type":"start"}')
        speed = await agreed
        start_s, sent_ms, sequence = loop.time(), 0.0, 0
        async for piece in pcm:
            # The schedule counts from the beginning, so that late wake-ups do not add up.
            await asyncio.sleep(start_s + sent_ms / speed / 1000 - loop.time())
            sequence += 1
            await connection.send(_chunk(piece, sequence))
            sent_ms += len(piece) / _BYTES_PER_MS
            moved()
            sent(sent_ms)
        await connection.send('{"type":"stop"}')
        moved()
    except ConnectionClosed:
        return


def _chunk(piece: bytes, sequence: int) -> str:
    return json.dumps({"type": "audio_chunk", "data": b64encode(piece).decode(), "sequence": sequence})


async def _receive(
    connection: ClientConnection,
    receive: Callable[[str], None],
    agreed: asyncio.Future[float],
    moved: Callable[[], None],
) -> None:
    try:
        async for message in connection:
            moved()
            text = message if isinstance(message, str) else message.decode(errors="replace")
            _agree(agreed, text)
            receive(text)
    except ConnectionClosed:
        pass
    # Closed without a word: the sender has nothing to wait for.
    _agree(agreed, "")


def _agree(agreed: asyncio.Future[float], text: str) -> None:
    """Take the first answer for the one to `start`, where that was sent."""
    if not agreed.done():
        agreed.set_result(allowed_speed(text))
