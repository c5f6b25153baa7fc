"""`earful transcribe`: stream a recording to a server and show what it hears, as it hears it.

Guarantees exit code 0 only where the last final came; every foreseeable failure is one sentence on
stderr. Called by `commands`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from earful.cli.recording import STDIN, open_recording, pieces
from earful.cli.screens import JsonLines, Screen, Terminal, TextLines
from earful.client.plain import ConnectError, NoAnswerError, stream
from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from earful.cli.recording import Recording

FAST = 3.5
"""Times real time: below the 4 that a server allows by default."""


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
            return asyncio.run(_stream(recording, url, screen, FAST if fast else 1.0))
    except OSError as error:
        return _complain(f"{file} cannot be read: {error.strerror or error}.")
    except EarfulError as error:
        return _complain(_unreadable(file, error))
    except (ConnectError, NoAnswerError) as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return 130


async def _stream(recording: Recording, url: str, screen: Screen, speed: float) -> int:
    listener = _Listener(screen)
    ending = await stream(url, pieces(recording), listener.receive, speed=speed, sent=screen.progress)
    if listener.is_complete:
        return 0
    return _complain(f"The server closed before the last final: code {ending.code} {ending.reason}".rstrip() + ".")


def _screen(recording: Recording, *, as_json: bool, terminal: bool) -> Screen:
    if as_json:
        return JsonLines()
    return Terminal(recording.duration_ms) if terminal else TextLines()


def _unreadable(file: str, error: EarfulError) -> str:
    name = "standard input" if file == STDIN else file
    if error.code is ErrorCode.NO_DECODER:
        return f"{name} is not WAV; to read other recordings: pip install 'earful[audio]'."
    return f"{name} cannot be used: {error.text}"


def _complain(sentence: str) -> int:
    print(f"earful: {sentence}", file=sys.stderr)
    return 1
