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
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

    from websockets.asyncio.client import ClientConnection

STREAM_PATH = "/v1/transcribe/stream"
CHUNK_MS = 100
CHUNK_BYTES = 3_200
"""100 ms of 16 kHz mono s16le, the audio of one message."""

MARGIN = 0.1
"""How far below a server's `max_speed` its client stays: two clocks never agree quite."""

_BYTES_PER_MS = CHUNK_BYTES // CHUNK_MS
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class ConnectError(Exception):
    """The server cannot be reached or refuses the connection; the text is one sentence."""


class NoAnswerError(Exception):
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


def stream_url(url: str) -> str:
    """Complete a server's address: ws(s) for http(s), and the stream's path where it has none.

    Raises ConnectError where it is no address.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # Read for its ValueError.
    except ValueError:
        raise _no_address(url) from None
    scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise _no_address(url)
    path = parts.path if parts.path.strip("/") else STREAM_PATH
    return parts._replace(scheme=scheme, path=path).geturl()


def allowed_speed(text: str) -> float:
    """Times real time that a server's answer to `start` lets a client send; real time where it does not tell."""
    try:
        max_speed = float(json.loads(text)["limits"]["max_speed"])
    except (ValueError, KeyError, TypeError):
        return 1.0
    return max_speed * (1 - MARGIN) if max_speed else math.inf


async def stream(
    url: str,
    pcm: AsyncIterable[bytes],
    receive: Callable[[str], None],
    *,
    speed: float | None = 1.0,
    sent: Callable[[float], None] = lambda _: None,
    patience: Patience | None = None,
) -> Ending:
    """Send pieces of 16 kHz mono s16le at `speed` times real time, then `stop`; hear until the server closes.

    With None for `speed` it sends `start` first and goes as fast as the answer allows. `receive` gets every message
    as it came, `sent` the ms of audio sent so far. Raises ConnectError, NoAnswerError, and whatever `pcm`,
    `receive` and `sent` raise.
    """
    patience = patience or Patience()
    connection = await _open(stream_url(url), patience)
    try:
        async with asyncio.timeout(patience.answer_s) as limit, asyncio.TaskGroup() as tasks:
            moved = _postpone(limit, patience.answer_s)
            agreed: asyncio.Future[float] = asyncio.get_running_loop().create_future()
            if speed is not None:
                agreed.set_result(speed)
            tasks.create_task(_send(connection, pcm, agreed, sent, moved))
            tasks.create_task(_receive(connection, receive, agreed, moved))
    except TimeoutError:
        raise NoAnswerError(f"Nothing moved on the connection for {patience.answer_s:g} s.") from None
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        # Whoever fails leaves at once: the server is not waited for.
        connection.transport.abort()
    return Ending(connection.close_code or 1006, connection.close_reason or "")


async def _open(url: str, patience: Patience) -> ClientConnection:
    host = urlsplit(url).hostname or ""
    try:
        # No pings: a server that holds its reading back answers none, and is well.
        return await connect(
            url,
            open_timeout=patience.connect_s,
            ping_interval=None,
            compression=None,
            proxy=None if host in _LOOPBACK else True,
        )
    except ConnectionRefusedError:
        raise ConnectError(f"Nothing listens at {url}; start the server with `earful serve`.") from None
    except InvalidStatus as error:
        raise ConnectError(f"The server refuses the connection: {_refusal(error)}") from None
    except (InvalidURI, UnicodeError):
        raise _no_address(url) from None
    except (OSError, WebSocketException, TimeoutError) as error:
        raise ConnectError(f"No connection to {url}: {str(error) or 'it did not answer in time'}.") from None


def _no_address(url: str) -> ConnectError:
    return ConnectError(f"{url} is not an address of a server; write it as ws://127.0.0.1:8000.")


def _refusal(error: InvalidStatus) -> str:
    """What the body of a refusal says, or its status."""
    try:
        return str(json.loads(error.response.body or b"")["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.response.status_code}."


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
            text = message if isinstance(message, str) else message.decode()
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
