"""One recording as an upload, against a scripted server: the transcript in each form, and sentences for the rest."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from earful.cli.recording import ReadError
from earful.cli.uploading import upload
from earful.client import ClientError, ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from earful.cli.sheet import Form

SEGMENTS = [{"text": "hello", "start_ms": 0, "end_ms": 200}, {"text": "", "start_ms": 300, "end_ms": 400}]
ANSWER = json.dumps({"segments": SEGMENTS}).encode()


class Heard:
    """What the server heard, and whether it has begun to listen."""

    def __init__(self) -> None:
        self.data = b""
        self.begun = threading.Event()


@contextmanager
def answering(body: bytes | None, status: int = 200, header: str = "") -> Iterator[tuple[str, Heard]]:
    """A server that hears one request and answers it, or not; its address, and what it heard."""
    heard = Heard()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(ConnectionResetError):
                connection.settimeout(30)
                heard.begun.set()
                while not heard.data.endswith(b"0\r\n\r\n") and (more := connection.recv(65_536)):
                    heard.data += more
                if body is None:
                    connection.recv(1)  # Until the other side goes.
                else:
                    head = f"HTTP/1.1 {status} So\r\n{header}content-length: {len(body)}\r\n\r\n"
                    connection.sendall(head.encode() + body)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", heard
        finally:
            thread.join(30)


@pytest.fixture
def recording(tmp_path: Path) -> str:
    """Something to send."""
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF and so on")
    return str(path)


@pytest.mark.parametrize(
    ("form", "asked", "body", "expected"),
    [
        ("text", "json", ANSWER, "[0:00.0 \N{EN DASH} 0:00.2] hello\n"),
        ("json", "json", ANSWER, f"{ANSWER.decode()}\n"),
        (
            "srt",
            "srt",
            "caf\N{LATIN SMALL LETTER E WITH ACUTE}\n\n".encode(),
            "caf\N{LATIN SMALL LETTER E WITH ACUTE}\n\n",
        ),
        ("vtt", "vtt", b"WEBVTT\n\n", "WEBVTT\n\n"),
    ],
)
def test_the_transcript_is_the_servers(form: Form, asked: str, body: bytes, expected: str, recording: str) -> None:
    """Captions as it made them; text from what it says in JSON."""
    with answering(body) as (url, heard):
        assert expected == asyncio.run(upload(recording, url, form))
    assert heard.data.startswith(f"POST /v1/transcribe?format={asked} HTTP/1.1\r\n".encode())
    assert b"RIFF and so on" in heard.data


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b'{"error": {"code": "c", "message": "No such thing."}}', 400, "answered 400: No such thing."),
        (b"<html>", 502, "answered 502."),
        (b"[]", 200, "answered something else than an earful does."),
        (b'{"error": {"message": "\\u001b[31m"}}', 400, "answered 400: \N{REPLACEMENT CHARACTER}[31m"),
    ],
)
def test_other_answers_are_a_sentence(body: bytes, status: int, said: str, recording: str) -> None:
    """Harmless on a terminal, too."""
    with answering(body, status) as (url, _), pytest.raises(ClientError) as caught:
        asyncio.run(upload(recording, url, "text"))
    assert str(caught.value).endswith(said)


def test_a_refusal_says_when(recording: str) -> None:
    """As one of a stream does."""
    with answering(b"", 429, "retry-after: 7\r\n") as (url, _), pytest.raises(ConnectError) as caught:
        asyncio.run(upload(recording, url, "text"))
    assert (429, 7.0) == (caught.value.loss.code, caught.value.loss.retry_after_s)


@pytest.mark.parametrize(
    ("url", "said"), [("http://127.0.0.1:1", "Nothing answers at http://127.0.0.1:1/"), ("ftp://x", "is no address")]
)
def test_no_server_is_a_sentence(url: str, said: str, recording: str) -> None:
    """Not there, or no address of any."""
    with pytest.raises(ClientError, match=said):
        asyncio.run(upload(recording, url, "text"))


def test_no_recording_is_a_reason() -> None:
    """Before any server is asked."""
    with pytest.raises(ReadError, match="No such file"):
        asyncio.run(upload("not there", "http://127.0.0.1:1", "text"))


def test_standard_input_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To its end."""
    path = tmp_path / "input"
    path.write_bytes(b"spoken")
    with path.open("rb") as file, answering(ANSWER) as (url, heard):
        monkeypatch.setattr(sys, "stdin", file)
        assert "hello" in asyncio.run(upload("-", url, "text"))
    assert b"spoken" in heard.data


@pytest.mark.parametrize("is_piped", [False, True])
def test_who_cancels_leaves_nothing_waiting(
    is_piped: bool,  # noqa: FBT001 - a parameter of the test
    recording: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither for an answer nor for standard input."""

    async def give_up(url: str) -> None:
        task = asyncio.create_task(upload("-" if is_piped else recording, url, "text"))
        assert await asyncio.to_thread(server.begun.wait, 5)
        task.cancel()
        await asyncio.wait({task}, timeout=5)
        assert task.cancelled()

    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as file, os.fdopen(writing, "wb"), answering(None) as (url, server):
        monkeypatch.setattr(sys, "stdin", file)
        asyncio.run(give_up(url))
