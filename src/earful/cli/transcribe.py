"""`earful transcribe`: stream a recording to a server and show what it hears, as it hears it.

Guarantees exit code 0 only where the last final came; every foreseeable failure is one sentence on
stderr, and so is each outage that the session survives. Called by `commands`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec

from earful.cli.recording import STDIN, ReadError, open_recording, pieces
from earful.cli.screens import JsonLines, Screen, Terminal, TextLines
from earful.client import Client, ClientError, Patience, Reconnecting, Resumed, speaking
from earful.client.plain import CHUNK_BYTES, CHUNK_MS
from earful.client.plain import stream as stream_plainly
from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from earful.cli.recording import Recording
    from earful.client import Note, Result

_PATIENCE = Patience(begin_s=0)
"""A server that is not there, or full, is told at once."""

_BROKEN_PIPE = 141
"""What a shell reports of a program that SIGPIPE ended."""


class _Listener:
    """Passes messages to a screen and remembers whether the last final came."""

    def __init__(self, screen: Screen) -> None:
        self.is_complete = False
        self._screen = screen

    def receive(self, text: str) -> None:
        """Take in a message of the plain protocol."""
        message: dict[str, Any] = json.loads(text)
        self.is_complete |= message.get("type") == "final" and message.get("last") is True
        self._screen.show(message, text)
        if message.get("type") == "error":
            _complain(f"the server says: {message.get('message')} ({message.get('code')})")

    def hear(self, result: Result | Note) -> None:
        """Take in what the resuming client gives."""
        match result:
            case Reconnecting(reason):
                _complain(f"connection lost, resuming ... ({reason})")
            case Resumed(started):
                self.hear(started)
            case _:
                self.receive(msgspec.json.encode(result).decode())


def transcribe(
    file: str, url: str | Sequence[str], *, fast: bool, as_json: bool, terminal: bool, plain: bool = False
) -> int:
    """Stream `file` to `url`, or to one of several; the exit code.

    `terminal`: whether the output may be rewritten. `plain`: with the plain protocol, over one connection.
    """
    urls = [url] if isinstance(url, str) else url
    stream_over = _stream_plainly if plain else _stream
    try:
        with open_recording(file) as recording, _screen(recording, as_json=as_json, terminal=terminal) as screen:
            return asyncio.run(stream_over(recording, urls, screen, fast=fast))
    except BrokenPipeError:
        return _let_go_of_output()
    except OSError as error:
        return _complain(f"The transcript cannot be shown: {error.strerror or error}.")
    except (ReadError, EarfulError) as error:
        return _complain(_unreadable(file, error))
    except ClientError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return 130


async def _stream(recording: Recording, urls: Sequence[str], screen: Screen, *, fast: bool) -> int:
    """Stream over as many connections as it takes; 0, since everything else is a ClientError."""
    listener = _Listener(screen)
    client = Client(urls, notes=True, patience=_PATIENCE)
    audio = _given(pieces(recording), client, screen, fast=fast)
    async with client, speaking(client, audio):
        async for result in client:
            listener.hear(result)
            screen.progress(client.sent_ms)
    return 0


async def _stream_plainly(recording: Recording, urls: Sequence[str], screen: Screen, *, fast: bool) -> int:
    listener = _Listener(screen)
    speed = None if fast else 1.0
    ending = await stream_plainly(urls[0], pieces(recording), listener.receive, speed=speed, sent=screen.progress)
    if listener.is_complete:
        return 0
    return _complain(f"The server closed before the last final: code {ending.code} {ending.reason}".rstrip() + ".")


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


def _screen(recording: Recording, *, as_json: bool, terminal: bool) -> Screen:
    if as_json:
        return JsonLines()
    return Terminal(recording.duration_ms) if terminal else TextLines()


def _unreadable(file: str, error: ReadError | EarfulError) -> str:
    name = "standard input" if file == STDIN else file
    if isinstance(error, ReadError):
        return f"{name} cannot be read: {error}."
    if error.code is ErrorCode.NO_DECODER:
        return f"{name} is not WAV; to read other recordings: pip install 'earful[audio]'."
    return f"{name} cannot be used: {error.text}"


def _let_go_of_output() -> int:
    """End quietly where nobody reads any more, as `head` does not; the exit code."""
    # What is left in the buffer would fail again at the interpreter's end, and not quietly.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return _BROKEN_PIPE


def _complain(sentence: str) -> int:
    print(f"earful: {sentence}", file=sys.stderr)
    return 1
