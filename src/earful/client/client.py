"""The Python client: live audio out, results in, over any number of drops, restarts and servers.

Guarantees the finals of an undisturbed run while each outage stays within the server's `resume_window_s`, bounded
memory, a deadline for every wait, and nothing left behind when its scope ends. For applications; `earful transcribe`
is one.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal, Self, TypedDict

from msgspec import UNSET

from earful.client.carrier import Carrier, Route
from earful.client.core import Speaker
from earful.client.inbox import Inbox
from earful.client.pace import Pace, bytes_per_s
from earful.client.results import AudioBufferFullError, Reconnecting, Resumed
from earful.client.silence import Patience
from earful.protocol.messages import Partials, Start, Started

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping, Sequence
    from types import TracebackType
    from typing import BinaryIO, Unpack

    from earful.client.results import Note, Result

CHUNK_MS = 100
"""Of a file's audio in a chunk."""

_MOST_CHUNKS_PER_S = 2
"""Of a second's audio said at once; longer chunks than these a server may refuse."""

_KEPT_S = 170
"""The default of `keep_audio_s`: what a server with default settings may ask for after an outage of its window."""

_UNTAKEN_RESULTS = 1000


class Options(TypedDict, total=False):
    """How the audio is and what is wanted; what is left out is as the protocol page says."""

    sample_rate: int
    encoding: Literal["pcm_s16le", "pcm_f32le", "mulaw", "alaw"]
    channels: int
    language: str
    words: bool
    partials: Partials
    token: str
    headers: Mapping[str, str]
    """Sent with each upgrade."""
    tls: ssl.SSLContext
    """For wss; without it the system's certificates count."""
    notes: bool
    """Whether `Started`, `Reconnecting` and `Resumed` come among the results."""
    keep_audio_s: float
    """Audio that may be kept for a replay. Less than a server's own `keep_audio_s` (50 by default) fills up."""
    when_full: Literal["wait", "raise"]
    """What `send` does when as much is kept: wait, at most `patience.full_s`, or raise AudioBufferFullError."""
    patience: Patience


class Client:
    """One session: `async with Client(url) as client`, then `send` and at last `stop` while iterating over it.

    Iterating gives every result once, in order, and ends after the last final; it raises ConnectError where no session
    began, SessionOverError where one ended too soon. So do `send`, `flush` and `stop`. Audio said while there is no
    connection waits for the next. Results wait for their reader, 1,000 at most: then nothing more is read.
    """

    def __init__(self, url: str | Sequence[str], **options: Unpack[Options]) -> None:
        """Take a server's address, or several: each try goes to the next of them."""
        self._options = options
        self._urls = [url] if isinstance(url, str) else list(url)
        self._bytes_per_s = _bytes_per_s(options)
        kept_bytes = int(options.get("keep_audio_s", _KEPT_S) * self._bytes_per_s)
        self._speaker = Speaker(_start_of(options), max_kept_bytes=kept_bytes)
        self._pace = Pace(self._bytes_per_s)
        self._patience = options.get("patience", Patience())
        self._has_stopped = False
        self._flush_ids = itertools.count(1)
        self._inbox: Inbox[Result | Note] = Inbox(_UNTAKEN_RESULTS)

    @property
    def session_id(self) -> str:
        """The session's name at the server; empty before it has begun."""
        return self._speaker.session_id

    @property
    def sent_ms(self) -> float:
        """How much of the audio was sent at least once."""
        return self._pace.furthest_bytes * 1000 / self._bytes_per_s

    async def __aenter__(self) -> Self:
        """Begin to connect."""
        options = self._options
        route = Route(self._urls, options.get("headers"), options.get("tls"), self._patience)
        self._carrier = Carrier(route, self._speaker, self._pace, self._inbox)
        self._carrying = asyncio.create_task(self._carrier.run())
        self._carrying.add_done_callback(self._ended)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave, whether the session is complete or not."""
        self.close()
        await asyncio.wait({self._carrying})

    def close(self) -> None:
        """End the session here and now: iterating ends, and the server learns no more."""
        self._carrying.cancel()

    async def send(self, data: bytes) -> None:
        """Say audio in the session's format, of any length; raises AudioBufferFullError where it is not kept."""
        size = self._bytes_per_s // _MOST_CHUNKS_PER_S
        for start in range(0, len(data), size):
            await self._find_room(taken_bytes=start)
            self._speaker.speak(data[start : start + size])
            self._carrier.said.set()
        # Whoever has all its audio at hand still lets the connection have its turn.
        await asyncio.sleep(0)

    async def flush(self) -> str:
        """End the utterance here; the id with which its `Flushed` comes among the results."""
        self._check()
        flush_id = str(next(self._flush_ids))
        self._speaker.flush(flush_id)
        self._carrier.said.set()
        return flush_id

    async def stop(self) -> None:
        """Nothing follows; the results up to the last final still come."""
        if self._has_stopped:
            return
        self._check()
        self._has_stopped = True
        self._speaker.stop()
        self._carrier.said.set()

    def __aiter__(self) -> AsyncIterator[Result | Note]:
        """Itself."""
        return self

    async def __anext__(self) -> Result | Note:
        """Give the next result."""
        while (item := await self._inbox.take()) is not None:
            if self._options.get("notes") or not isinstance(item, Started | Reconnecting | Resumed):
                return item
        if not self._carrying.cancelled():
            self._carrying.result()
        raise StopAsyncIteration

    async def _find_room(self, *, taken_bytes: int) -> None:
        self._check()
        if not self._speaker.is_full:
            return
        full = AudioBufferFullError(taken_bytes)
        if self._options.get("when_full") == "raise":
            raise full
        try:
            async with asyncio.timeout(self._patience.full_s):
                await self._freed()
        except TimeoutError:
            raise full from None

    async def _freed(self) -> None:
        while self._speaker.is_full:
            self._carrier.freed.clear()
            await self._carrier.freed.wait()
            self._check()

    def _check(self) -> None:
        """Raise what ended the session, if it has ended."""
        if self._has_stopped:
            raise RuntimeError("nothing may follow stop()")
        if self._carrying.done() and not self._carrying.cancelled():
            self._carrying.result()

    def _ended(self, carrying: asyncio.Task[None]) -> None:
        if not carrying.cancelled():
            carrying.exception()  # Taken here: nobody may come to ask for it.
        self._carrier.freed.set()
        self._inbox.close()


async def transcribe(
    url: str | Sequence[str], audio: AsyncIterable[bytes] | BinaryIO, **options: Unpack[Options]
) -> AsyncIterator[Result | Note]:
    """Send all audio, as fast as the server allows and as it comes, then stop; give the results meanwhile.

    Audio is pieces in the session's format, or an open file of it. Raises what `Client` raises, and what reading the
    audio raises. Close the iterator (`contextlib.aclosing`) where you leave before its end.
    """
    pieces = audio if isinstance(audio, AsyncIterable) else _pieces(audio, _bytes_per_s(options) * CHUNK_MS // 1000)
    async with Client(url, **options) as client, speaking(client, pieces):
        async for result in client:
            yield result


@asynccontextmanager
async def speaking(client: Client, audio: AsyncIterable[bytes]) -> AsyncIterator[None]:
    """Send all audio and stop, beside the scope, which iterates over the client; raises what the audio raises.

    Where the scope is left earlier, so is the audio.
    """
    task = asyncio.create_task(_speak(client, audio))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        trouble = None if task.cancelled() else task.exception()
    if trouble is not None:
        raise trouble


async def _speak(client: Client, pieces: AsyncIterable[bytes]) -> None:
    is_said = False
    try:
        async for piece in pieces:
            await client.send(piece)
        await client.stop()
        is_said = True
    finally:
        if not is_said:
            client.close()


async def _pieces(file: BinaryIO, size_bytes: int) -> AsyncIterator[bytes]:
    while data := await asyncio.to_thread(file.read, size_bytes):
        yield data


def _bytes_per_s(options: Options) -> int:
    return bytes_per_s(
        options.get("encoding", "pcm_s16le"), options.get("sample_rate", 16_000), options.get("channels", 1)
    )


def _start_of(options: Options) -> Start:
    return Start(
        sample_rate=options.get("sample_rate", UNSET),
        encoding=options.get("encoding", UNSET),
        channels=options.get("channels", UNSET),
        language=options.get("language", UNSET),
        partials=options.get("partials", UNSET),
        words=options.get("words", UNSET),
        token=options.get("token"),
    )
