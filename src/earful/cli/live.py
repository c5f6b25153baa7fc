"""Streams a recording to a server and shows on a screen what it hears, as it hears it.

Guarantees that it returns only where the last final came; whatever else happened is an exception whose text is one
sentence. An outage that the session survives is a sentence for `complain`. Used by `earful transcribe`.
"""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import aclosing, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from earful.cli.recording import pieces
from earful.client import Client, Error, Patience, Reconnecting, Resumed, SessionOverError, speaking
from earful.client.losses import loss_by_close
from earful.client.plain import CHUNK_BYTES, CHUNK_MS
from earful.client.plain import stream as stream_plainly

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence

    from earful.cli.recording import Recording
    from earful.cli.screens import Screen
    from earful.client import Note, Result

_PATIENCE = Patience(begin_s=0)
"""A server that is not there, or full, is told at once; of several each is tried before, as often as there is time.

Where there are several recordings `Refusals` tries again.
"""


@dataclass(frozen=True, slots=True)
class Manner:
    """How to stream: where to, in real time unless `fast`, with the plain protocol, asking for words' times.

    `by_hand`: Ctrl-C ends the recording, and the session with its last finals; a second one ends the program.
    """

    urls: Sequence[str]
    fast: bool = False
    plain: bool = False
    words: bool = False
    by_hand: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """With each upgrade and upload: who one is, where the server asks."""


class _Listener:
    """Passes messages to a screen and remembers whether the last final came, or a fatal error."""

    def __init__(self, screen: Screen, complain: Callable[[str], object]) -> None:
        self.is_complete = False
        self.error: Error | None = None
        self._screen = screen
        self._complain = complain

    def receive(self, text: str) -> None:
        """Take in a message of the plain protocol."""
        message: dict[str, Any] = json.loads(text)
        self.is_complete |= message.get("type") == "final" and message.get("last") is True
        self._screen.show(message, text)
        if message.get("type") == "error":
            self._take(Error(str(message.get("message")), str(message.get("code")), fatal=message.get("fatal") is True))

    def hear(self, result: Result | Note) -> None:
        """Take in what the resuming client gives."""
        match result:
            case Reconnecting(reason):
                self._complain(f"connection lost, resuming ... ({reason})")
            case Resumed(started):
                self.hear(started)
            case _:
                self.receive(msgspec.json.encode(result).decode())

    def _take(self, error: Error) -> None:
        """A fatal one is why the server closes next, and told as such."""
        if error.fatal:
            self.error = error
        else:
            self._complain(f"the server says: {error.message} ({error.code})")


async def stream(recording: Recording, screen: Screen, manner: Manner, complain: Callable[[str], object]) -> None:
    """Stream all of it; raises ClientError, and what reading the recording and showing the transcript raise."""
    listener = _Listener(screen, complain)
    with _ended_by_hand(recording) if manner.by_hand else nullcontext():
        await (_plainly if manner.plain else _resuming)(recording, listener, screen, manner)


@contextmanager
def _ended_by_hand(recording: Recording) -> Iterator[None]:
    """The first SIGINT gives up the recording."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        recording.give_up()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, end)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _resuming(recording: Recording, listener: _Listener, screen: Screen, manner: Manner) -> None:
    """Over as many connections as it takes."""
    patience = _PATIENCE if len(manner.urls) == 1 else Patience()
    client = Client(manner.urls, notes=True, patience=patience, words=manner.words, headers=manner.headers)
    audio = _given(pieces(recording), client, screen, fast=manner.fast)
    async with client, speaking(client, audio):
        async for result in client:
            listener.hear(result)
            screen.progress(client.sent_ms)


async def _plainly(recording: Recording, listener: _Listener, screen: Screen, manner: Manner) -> None:
    """Over one connection."""
    speed = None if manner.fast else 1.0
    audio = pieces(recording)
    ending = await stream_plainly(
        manner.urls[0], audio, listener.receive, speed=speed, sent=screen.progress, headers=manner.headers
    )
    if not listener.is_complete:
        loss = loss_by_close(ending.code, ending.reason, listener.error)
        raise SessionOverError(loss.sentence, loss)


async def _given(audio: AsyncGenerator[bytes], client: Client, screen: Screen, *, fast: bool) -> AsyncGenerator[bytes]:
    """Give the pieces, in real time by an absolute schedule unless `fast`, and show how far they got."""
    clock = asyncio.get_running_loop().time
    due = clock()
    async with aclosing(audio):
        async for piece in audio:
            if not fast:
                await asyncio.sleep(due - clock())
                due += len(piece) / CHUNK_BYTES * CHUNK_MS / 1000
            yield piece
            screen.progress(client.sent_ms)
