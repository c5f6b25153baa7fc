"""`earful transcribe`: stream a recording, or what a microphone hears, to a server and show what it hears.

Guarantees exit code 0 only where the last final came; every foreseeable failure is one sentence on
stderr, and so is each outage that the session survives. Called by `commands`; several recordings are `batch.py`'s.
"""

from __future__ import annotations

import asyncio
import os
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING

from earful.cli.live import Manner, stream
from earful.cli.phrases import printable
from earful.cli.recording import STDIN, ReadError, open_recording
from earful.cli.screens import JsonLines, Screen, Terminal, TextLines
from earful.client import ClientError, ConnectError, SessionOverError
from earful.errors import CloseCode, EarfulError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from earful.cli.recording import Recording

BROKEN_PIPE = 141
"""What a shell reports of a program that SIGPIPE ended."""
INTERRUPTED = 130


def transcribe(
    file: str,
    url: str | Sequence[str],
    *,
    fast: bool,
    as_json: bool,
    terminal: bool,
    plain: bool = False,
    microphone: AbstractContextManager[Recording] | None = None,
    headers: Mapping[str, str] | None = None,
) -> int:
    """Stream `file` to `url`, or to one of several; the exit code.

    `terminal`: whether the output may be rewritten. `plain`: with the plain protocol, over one connection.
    `microphone`: what is heard instead, until Ctrl-C; `file` is what to call it. `headers` go with each upgrade.
    """
    urls = [url] if isinstance(url, str) else url
    manner = Manner(urls, fast=fast, plain=plain, by_hand=microphone is not None, headers=headers or {})
    try:
        with (
            microphone or open_recording(file) as recording,
            _screen(recording, as_json=as_json, terminal=terminal) as screen,
        ):
            asyncio.run(stream(recording, screen, manner, complain))
    except BrokenPipeError:
        return let_go_of_output()
    except OSError as error:
        return complain(f"The transcript cannot be shown: {error.strerror or error}.")
    except (ReadError, EarfulError) as error:
        return complain(unreadable(file, error))
    except ClientError as error:
        return complain(unheard(error, manner.headers))
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _screen(recording: Recording, *, as_json: bool, terminal: bool) -> Screen:
    if as_json:
        return JsonLines()
    return Terminal(recording.duration_ms) if terminal else TextLines()


def unreadable(file: str, error: ReadError | EarfulError) -> str:
    """The sentence for a recording that cannot be used."""
    name = "standard input" if file == STDIN else file
    if isinstance(error, ReadError):
        return f"{name} cannot be read: {error}."
    if error.code is ErrorCode.NO_DECODER:
        return f"{name} is not WAV; to read other recordings: pip install 'earful[audio]'."
    return f"{name} cannot be used: {error.text}"


def unheard(error: ClientError, headers: Mapping[str, str]) -> str:
    """The sentence for a recording that the server did not hear to its end; `headers` were shown to it."""
    if not headers and _code_of(error) in {HTTPStatus.UNAUTHORIZED, CloseCode.UNAUTHENTICATED}:
        return f"{error} The file with your key or token is named with --token-file."
    return str(error)


def _code_of(error: ClientError) -> int | None:
    """The close code, or the status of a refusal."""
    match error:
        case ConnectError(loss=loss):
            return loss.code
        case SessionOverError(code=code):
            return code
        case _:
            return None


def let_go_of_output() -> int:
    """End quietly where nobody reads any more, as `head` does not; the exit code."""
    # What is left in the buffer would fail again at the interpreter's end, and not quietly.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return BROKEN_PIPE


def complain(sentence: str) -> int:
    """Say on stderr what is wrong, in part perhaps a server's words; exit code 1."""
    print(f"earful: {printable(sentence)}", file=sys.stderr)
    return 1
