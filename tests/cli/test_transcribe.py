"""`earful transcribe` against a scripted server: what is shown, and the exit code."""

from __future__ import annotations

import asyncio
import errno
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from earful.cli import transcribe as command
from earful.cli.recording import ReadError
from earful.cli.screens import JsonLines
from earful.cli.transcribe import transcribe
from earful.errors import EarfulError, ErrorCode
from earful.protocol.messages import Final, Limits, Started
from earful.samples import sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from websockets.http11 import Request, Response

LIMITS = Limits(1 << 20, 10_000, 60, 14_400, 0, 5_000, 120, 50)
STARTED = msgspec.to_builtins(Started("id", 1, 0, 16_000, "pcm_s16le", LIMITS, cursor="c0", resumable="anywhere"))
WAV = sample().read_bytes()[: 44 + 3200 * 2]
FINAL = msgspec.to_builtins(Final("hello", 1, 2, 0, 0, 200, "silence"))
LAST = msgspec.to_builtins(Final("", 1, 2, 1, 200, 200, "stop", last=True))
ERROR = {"type": "error", "message": "The model failed.", "code": "model_failed"}


@contextmanager
def answering(*messages: Mapping[str, object], refusals: int = 0, code: int = 1000) -> Iterator[str]:
    """A server in a thread of its own that answers `start`, and `stop` with these, and closes; its address.

    So many upgrades it refuses for now, and it closes with this code.
    """
    ready, done = threading.Event(), threading.Event()
    port: list[int] = []
    places = iter([False] * refusals)

    def enter(connection: ServerConnection, _: Request) -> Response | None:
        return None if next(places, True) else connection.respond(503, "Full.")

    async def script(connection: ServerConnection) -> None:
        async for received in connection:
            kind = json.loads(received)["type"]
            if kind == "start":
                await connection.send(json.dumps(STARTED))
            if kind == "stop":
                for message in messages:
                    await connection.send(json.dumps(message))
                await connection.close(code)
                return

    async def main() -> None:
        async with serve(script, "127.0.0.1", 0, process_request=enter) as server:
            port.append(next(iter(server.sockets)).getsockname()[1])
            ready.set()
            await asyncio.to_thread(done.wait, 15)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        assert ready.wait(30)
        yield f"ws://127.0.0.1:{port[0]}"
    finally:
        done.set()
        thread.join(30)


@pytest.fixture
def recording(tmp_path: Path) -> str:
    """The sample's first 200 ms."""
    path = tmp_path / "short.wav"
    path.write_bytes(WAV)
    return str(path)


def test_the_last_final_is_success(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Finals on stdout, nothing on stderr."""
    with answering(FINAL, LAST) as url:
        assert 0 == transcribe(recording, url, fast=True, as_json=False, terminal=False)
    assert ("[0:00.0 \N{EN DASH} 0:00.2] hello\n", "") == capsys.readouterr()


@pytest.mark.parametrize(("as_json", "terminal"), [(True, False), (False, True)])
def test_other_screens_succeed_too(
    as_json: bool,  # noqa: FBT001 - a parameter of the test
    terminal: bool,  # noqa: FBT001 - a parameter of the test
    recording: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """JSON lines, or a terminal."""
    with answering(FINAL, LAST) as url:
        assert 0 == transcribe(recording, url, fast=True, as_json=as_json, terminal=terminal)
    assert "hello" in capsys.readouterr().out


@pytest.mark.parametrize("plain", [False, True])
def test_without_the_last_final_it_fails(
    plain: bool,  # noqa: FBT001 - a parameter of the test
    recording: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also where the server closed in good order; its errors are told."""
    with answering(FINAL, ERROR) as url:
        assert 1 == transcribe(recording, url, fast=True, as_json=False, terminal=False, plain=plain)
    error = capsys.readouterr().err.splitlines()
    assert "earful: the server says: The model failed. (model_failed)" == error[0]
    assert "earful: The server closed before the last final: code 1000." == error[1]


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    ("headers", "hint"),
    [({}, " The file with your key or token is named with --token-file."), ({"authorization": "x"}, "")],
)
def test_a_fatal_error_is_the_sentence(
    plain: bool,  # noqa: FBT001 - a parameter of the test
    headers: Mapping[str, str],
    hint: str,
    recording: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Once; who showed no key learns how."""
    error = {**ERROR, "message": "Bring a key.", "code": "unauthorized", "fatal": True}
    with answering(FINAL, error, code=4001) as url:
        assert 1 == transcribe(recording, url, fast=True, as_json=False, terminal=False, plain=plain, headers=headers)
    assert f"earful: The server closed with 4001 unauthorized: Bring a key.{hint}\n" == capsys.readouterr().err


def test_no_server_is_a_sentence(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It says how to start one."""
    with answering() as url:
        pass
    assert 1 == transcribe(recording, url, fast=True, as_json=False, terminal=False)
    assert "`earful serve`" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["ws://127.0.0.1:99999", "ws://[::1"])
def test_no_address_is_a_sentence(url: str, recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is wrong with it."""
    assert 1 == transcribe(recording, url, fast=False, as_json=False, terminal=False)
    said = f"earful: {url} is not an address of a server; write it as ws://127.0.0.1:8000.\n"
    assert said == capsys.readouterr().err


@pytest.mark.parametrize(
    ("fast", "plain", "kinds"),
    [
        (True, False, ["started", "final"]),
        (False, False, ["started", "final"]),
        (True, True, ["started", "final"]),
        (False, True, ["final"]),
    ],
)
def test_who_says_start(
    fast: bool,  # noqa: FBT001 - a parameter of the test
    plain: bool,  # noqa: FBT001 - a parameter of the test
    kinds: list[str],
    recording: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All but the plain protocol in real time."""
    last = {**LAST, "index": 0}
    with answering(last) as url:
        assert 0 == transcribe(recording, url, fast=fast, as_json=True, terminal=False, plain=plain)
    assert kinds == [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()]


def test_an_output_nobody_reads_is_a_quiet_end(recording: str) -> None:
    """As `head` leaves it; the recording is not blamed."""
    with answering(FINAL, LAST) as url:
        command_line = [sys.executable, "-m", "earful", "transcribe", "--fast", "--json", "--url", url, recording]
        with subprocess.Popen(command_line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            said = process.stderr.read()
            code = process.wait(30)
    assert (141, b"") == (code, said)


def test_an_output_that_fails_is_a_sentence(
    recording: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk is not the recording's fault."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(JsonLines, "show", fail)
    with answering(FINAL, LAST) as url:
        assert 1 == transcribe(recording, url, fast=True, as_json=True, terminal=False)
    assert "earful: The transcript cannot be shown: No space left on device.\n" == capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read: No such file"), (b"only text, no sound at all", "cannot be used: ")],
)
def test_a_file_that_cannot_be_used_is_a_sentence(
    content: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing, or not audio; no server is asked."""
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    assert 1 == transcribe(str(path), "ws://127.0.0.1:9", fast=True, as_json=False, terminal=False)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("trouble", "code", "said"),
    [
        (KeyboardInterrupt(), 130, ""),
        (ReadError("it is closed"), 1, "earful: standard input cannot be read: it is closed.\n"),
        (EarfulError(ErrorCode.NO_DECODER), 1, "standard input is not WAV; to read other recordings: pip install"),
    ],
)
def test_other_ends(
    trouble: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Stopped by hand, or without the extra that the file needs."""

    def fail(_: str) -> None:
        raise trouble

    monkeypatch.setattr(command, "open_recording", fail)
    assert code == transcribe("-", "ws://127.0.0.1:9", fast=True, as_json=False, terminal=False)
    assert said in capsys.readouterr().err


def test_what_a_server_says_cannot_disturb_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Signs that move a cursor or change colours are not passed on."""
    assert 1 == command.complain("it says \x1b[2J.")
    assert "earful: it says \N{REPLACEMENT CHARACTER}[2J.\n" == capsys.readouterr().err
