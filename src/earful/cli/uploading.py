"""One recording as an upload to a server's `POST /v1/transcribe`.

Guarantees the transcript in the form asked for, or an exception whose text is one sentence; and that it can be given
up at any moment: whoever cancels leaves no thread waiting. No proxy is asked. Used by `earful transcribe`.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

import msgspec

from earful.cli.asking import address_at, no_address
from earful.cli.phrases import MOST_CHARACTERS, printable
from earful.cli.recording import STDIN, Pipe, ReadError, standard_input
from earful.cli.screens import line_of
from earful.client import ClientError, ConnectError
from earful.client.address import shown
from earful.client.losses import loss_by_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from earful.cli.sheet import Form

CONNECT_WITHIN_S = 10.0
ANSWER_WITHIN_S = 3_600.0
"""Without a byte either way: a model may take its time over hours of audio."""
_MOST_BYTES = 1 << 28
_OK = 200


class _Segment(msgspec.Struct, frozen=True):
    """An utterance, as much of it as is shown."""

    text: str
    start_ms: int
    end_ms: int


class _Transcript(msgspec.Struct, frozen=True):
    """An answer."""

    segments: list[_Segment]


class _Fault(msgspec.Struct, frozen=True):
    """Why there is none."""

    message: str


class _Refusal(msgspec.Struct, frozen=True):
    """The body of a refusal."""

    error: _Fault


class Upload:
    """One recording on its way; `run` once, in a thread."""

    def __init__(self, url: str, form: Form, headers: Mapping[str, str]) -> None:
        """Raises ClientError where `url` is no address."""
        address = address_at(url, "/v1/transcribe")
        if address is None:
            raise ClientError(no_address(url))
        parts = urlsplit(address)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._place = shown(address)
        self._path = f"{parts.path}?format={'json' if form == 'text' else form}"
        self._headers = {"content-type": "application/octet-stream", **headers}
        self._is_wanted = True
        self._body: BinaryIO | Pipe | None = None
        self._connection = kind(parts.hostname or "", parts.port, timeout=CONNECT_WITHIN_S)

    def run(self, name: str) -> bytes:
        """The answer to the recording of this name; raises ClientError, of a refusal ConnectError, and ReadError."""
        with ExitStack() as opened:
            opened.callback(self._connection.close)
            body = self._body = _opened(name, opened)
            try:
                self._connection.connect()
                self._connection.sock.settimeout(ANSWER_WITHIN_S)
                if not self._is_wanted:
                    raise ConnectionAbortedError
                return self._answer(body)
            except ssl.SSLCertVerificationError as error:
                raise ClientError(
                    f"{self._place} is not trusted: certificate verify failed, {error.verify_message}."
                ) from None
            except (OSError, http.client.HTTPException):
                raise ClientError(
                    f"Nothing answers at {self._place}, or it broke off; is the server running?"
                ) from None

    def give_up(self) -> None:
        """Nobody wants it any more: `run` ends soon."""
        # Before the socket is looked for: where it is yet to be connected, `run` sees this afterwards.
        self._is_wanted = False
        if isinstance(self._body, Pipe):
            self._body.give_up()
        if self._connection.sock is not None:
            with suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)

    def _answer(self, body: BinaryIO | Pipe) -> bytes:
        # Whoever refuses what is too large may do so, and close, before all of it is sent.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.request("POST", self._path, body, self._headers)
        answer = self._connection.getresponse()
        said = answer.read(_MOST_BYTES)
        if answer.status != _OK:
            loss = loss_by_refusal(answer.status, answer.headers.get("retry-after"), said)
            raise ConnectError(replace(loss, sentence=_refusal(self._place, answer.status, said)))
        return said


async def upload(name: str, url: str, form: Form, headers: Mapping[str, str] | None = None) -> str:
    """Upload a recording, with `headers` besides; its transcript. Raises as `Upload.run` does."""
    sending = Upload(url, form, headers or {})
    try:
        said = await asyncio.to_thread(sending.run, name)
    finally:
        sending.give_up()
    match form:
        case "text":
            return _lines(said, url)
        case "json":
            return f"{said.decode()}\n"
        case _:
            return said.decode()


def _lines(said: bytes, url: str) -> str:
    try:
        segments = msgspec.json.decode(said, type=_Transcript).segments
    except msgspec.MsgspecError:
        raise ClientError(f"{shown(url)} answered something else than an earful does.") from None
    return "".join(f"{line_of(msgspec.to_builtins(segment))}\n" for segment in segments if segment.text)


def _opened(name: str, opened: ExitStack) -> BinaryIO | Pipe:
    if name == STDIN:
        return opened.enter_context(standard_input())
    try:
        return opened.enter_context(open(name, "rb"))  # noqa: PTH123 - a name as it was given
    except OSError as error:
        raise ReadError(error.strerror or str(error)) from None


def _refusal(place: str, status: int, said: bytes) -> str:
    try:
        sentence = msgspec.json.decode(said, type=_Refusal).error.message
    except msgspec.MsgspecError:
        return f"{place} answered {status}."
    return f"{place} answered {status}: {printable(sentence)[:MOST_CHARACTERS]}"
