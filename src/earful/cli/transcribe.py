"""`earful transcribe`: stream a recording to a server and show what it hears, as it hears it.

Guarantees exit code 0 only where the last final came; every foreseeable failure is one sentence on
stderr. Called by `commands`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from earful.cli.recording import STDIN, ReadError, open_recording, pieces
from earful.cli.screens import JsonLines, Screen, Terminal, TextLines
from earful.client.plain import ConnectError, NoAnswerError, stream
from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from earful.cli.recording import Recording

_BROKEN_PIPE = 141
"""What a shell reports of a program that SIGPIPE ended."""


class _Listener:
    """Passes messages to a screen and remembers whether the last final came."""

    def __init__(self, screen: Screen) -> None:
        self.is_complete = False
        self._screen = screen

    def receive(self, text: str) -> None:
        message: dict[str, Any] = json.loads(text)
        self.is_complete |= message.get("type") == "final" and message.get("last") is True
        self._screen.show(message, text)
        if message.get("type") == "error":
            _complain(f"the server says: {message.get('message')} ({message.get('code')})")


def transcribe(file: str, url: str, *, fast: bool, as_json: bool, terminal: bool) -> int:
    """Stream `file` to `url`; the exit code. `terminal`: whether the output may be rewritten."""
    try:
        with open_recording(file) as recording, _screen(recording, as_json=as_json, terminal=terminal) as screen:
            return asyncio.run(_stream(recording, url, screen, None if fast else 1.0))
    except BrokenPipeError:
        return _let_go_of_output()
    except OSError as error:
        return _complain(f"The transcript cannot be shown: {error.strerror or error}.")
    except (ReadError, EarfulError) as error:
        return _complain(_unreadable(file, error))
    except (ConnectError, NoAnswerError) as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return 130


async def _stream(recording: Recording, url: str, screen: Screen, speed: float | None) -> int:
    listener = _Listener(screen)
    ending = await stream(url, pieces(recording), listener.receive, speed=speed, sent=screen.progress)
    if listener.is_complete:
        return 0
    return _complain(f"The server closed before the last final: code {ending.code} {ending.reason}".rstrip() + ".")


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
