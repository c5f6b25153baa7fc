"""Uploads to a real server: nothing left on its disk, refusals while reading, and the text of a live session."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.house import STUCK
from tests.support.raw import connected
from tests.support.server import PATHS, Address, Running, await_true, resident_bytes, running
from tests.support.sounds import form, mp3, mulaw_8k, silence, speech, stereo_44k, wav

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.e2e

MEGABYTE = 1_000_000
PIECE = bytes(50_000)
CHUNK = b"%x\r\n%b\r\n" % (len(PIECE), PIECE)


@dataclass(frozen=True, slots=True)
class Place:
    """A server, and the directory that it has for temporary files."""

    server: Running
    directory: Path

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self.server.address

    def spools(self) -> list[str]:
        """The temporary files that it has open, all without a name."""
        # On some file systems one has a name for the moment between its making and its unlinking.
        await_true(lambda: [] == list(self.directory.iterdir()))
        folder = Path(f"/proc/{self.server.process.pid}/fd")
        found = []
        for descriptor in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # Closed meanwhile.
                found.append(str(descriptor.readlink()))
        return [target for target in found if target.startswith(str(self.directory))]

    def await_nothing_left(self) -> None:
        """No spool is open, no upload under way."""
        await_true(lambda: [] == self.spools())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One server for all of them: a client's mistakes must not matter to the next, nor be logged as trouble."""
    directory = tmp_path_factory.mktemp("spools")
    with running(
        is_true_start=True, env={"TMPDIR": str(directory)}, mock_latency_ms=1, max_upload_mb=10, max_speed=0
    ) as server:
        yield Place(server, directory)
    assert [] == list(directory.iterdir())


@pytest.fixture(autouse=True)
def _nothing_left(place: Place) -> Iterator[None]:
    yield
    place.await_nothing_left()
    assert "ok" == place.address.get("/v1/health")["status"]


@contextlib.contextmanager
def speaking(address: Address, **headers: str) -> Iterator[socket.socket]:
    """A connection on which an upload has begun."""
    with socket.create_connection((address.host, address.port), timeout=10) as connection:
        more = [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
        lines = ["POST /v1/transcribe HTTP/1.1", "Host: server", *more]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        yield connection


def answer_of(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and body."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, json.loads(response.read())


# What a live session and an upload make of the same audio


def live_finals(address: Address, pcm: bytes, frame_bytes: int, **start: object) -> list[dict[str, Any]]:
    """The finals of a session in this format, without the empty last one."""
    with connected(address) as client:
        client.say("start", **start)
        client.hear_until("started")
        for at in range(0, len(pcm), 8_820 * frame_bytes):
            client.say_audio(pcm[at : at + 8_820 * frame_bytes])
        client.say("stop")
        heard, end = client.hear_all()
    assert 1000 == end.code
    finals = [message for message in heard if message["type"] == "final"]
    return [final for final in finals if not final.get("last") or final["text"]]


@pytest.mark.parametrize(
    ("pcm", "frame_bytes", "body", "start"),
    [
        (speech(), 2, wav(speech()), {}),
        (stereo_44k(), 4, wav(stereo_44k(), rate_hz=44_100, channels=2), {"sample_rate": 44_100, "channels": 2}),
        (mulaw_8k(), 1, wav(mulaw_8k(), rate_hz=8_000, tag=7, bits=8), {"sample_rate": 8_000, "encoding": "mulaw"}),
    ],
    ids=["16 kHz", "44.1 kHz stereo", "8 kHz mu-law"],
)
def test_an_upload_has_the_finals_of_a_live_session(
    place: Place, pcm: bytes, frame_bytes: int, body: bytes, start: dict[str, object]
) -> None:
    """Index, text and times; the same audio on either way to the model."""
    answer = place.address.request("POST", "/v1/transcribe", body)
    assert 200 == answer.status
    finals = live_finals(place.address, pcm, frame_bytes, **start)
    assert 6 == len(finals)
    fields = ("index", "text", "start_ms", "end_ms")
    assert [{name: final[name] for name in fields} for final in finals] == answer.tree["segments"]


# Refused, broken off, and nothing left


@pytest.mark.parametrize("is_form", [False, True], ids=["raw", "form"])
def test_too_large_is_refused_before_its_end(place: Place, is_form: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    """A body without a length that never ends: the answer is there, and who goes on sending holds nobody up."""
    headers = {"Transfer_Encoding": "chunked"}
    head, told = form(b"", end=b"")
    if is_form:
        headers |= {"Content_Type": told["content-type"]}
    with speaking(place.address, **headers) as client:
        if is_form:
            part = head.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            client.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        for _ in range(12 * MEGABYTE // len(PIECE)):
            client.sendall(CHUNK)
        status, body = answer_of(client)
        assert (413, "An upload may have at most 10 MB.") == (status, body["error"]["message"])
        place.await_nothing_left()
        resident = resident_bytes(place.server.process.pid)
        sent = 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while sent < 50 * MEGABYTE:
                client.sendall(CHUNK)
                sent += len(PIECE)
        assert resident_bytes(place.server.process.pid) - resident < 5 * MEGABYTE
        assert 200 == place.address.request("GET", "/v1/health").status


def test_a_claim_of_four_gibibytes_is_refused_at_once(place: Place) -> None:
    """Before a byte of it was sent, also to a client that waits for 100-continue."""
    for headers in ({}, {"Expect": "100-continue"}):
        with speaking(place.address, Content_Length=str(4 << 30), **headers) as client:
            assert 413 == answer_of(client)[0]


@pytest.mark.parametrize("is_form", [False, True], ids=["raw", "form"])
@pytest.mark.parametrize("size", [100_000, 5 * MEGABYTE])
def test_who_leaves_in_mid_body_leaves_nothing(place: Place, size: int, is_form: bool) -> None:  # noqa: FBT001 - as above
    """In memory or on disk; it is not logged as trouble, which the server's end would tell."""
    headers = {"Content_Length": str(9 * MEGABYTE)}
    body, told = form(bytes(size))
    if is_form:
        headers |= {"Content_Type": told["content-type"]}
    before = place.address.get("/v1/metrics")["total_requests"]
    with speaking(place.address, **headers) as client:
        client.sendall(body[:-20] if is_form else bytes(size))
        await_true(lambda: place.address.get("/v1/metrics")["total_requests"] == before + 1)
        await_true(lambda: (size > MEGABYTE) == bool(place.spools()))
    place.await_nothing_left()


@pytest.mark.parametrize("body", [b"x" * 3 * MEGABYTE, wav(b"")[:40], b""], ids=["no audio", "cut header", "nothing"])
def test_a_refused_recording_leaves_nothing(place: Place, body: bytes) -> None:
    """400, and the file is gone with the answer."""
    answer = place.address.request("POST", "/v1/transcribe", body)
    assert (400, "not_audio") == (answer.status, answer.tree["error"]["code"])
    assert [] == place.spools()


def test_ten_at_once_are_all_right(place: Place) -> None:
    """Each its own answer, while a session could be served beside them."""
    bodies = [wav(speech(4.2 + number / 10) + silence(1)) for number in range(10)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda body: place.address.request("POST", "/v1/transcribe", body), bodies))
    assert [round(len(body) / 32) - 1 for body in bodies] == [answer.tree["duration_ms"] for answer in answers]
    assert 1 == len({answer.tree["segments"][0]["text"] for answer in answers})
    assert 10 == len({answer.headers["x-request-id"] for answer in answers})


# Servers of their own

LATE = {
    "drain ran out of time",
    "Cancel 1 running task(s), timeout graceful shutdown exceeded",
}


def test_a_drain_ends_with_an_upload_that_the_model_keeps(tmp_path: Path) -> None:
    """With code 0, no traceback and nothing left; the client is told."""
    body = wav(speech() * 3)
    with (
        running(env={"TMPDIR": str(tmp_path)}, allowed=LATE, model=STUCK, drain_s=1.0) as server,
        speaking(server.address, Content_Length=str(len(body))) as client,
    ):
        client.sendall(body)
        await_true(lambda: server.address.get("/v1/metrics")["total_requests"] == 1)
        server.signal()
        status, told = answer_of(client)
        assert (503, "draining") == (status, told["error"]["code"])
        assert 0 == server.exit_code()
    assert [] == list(tmp_path.iterdir())


def close(client: socket.socket) -> None:
    """Go."""
    client.close()


def half_close(client: socket.socket) -> None:
    """Say that nothing more is sent, and read on: as who goes, for all that anybody can tell."""
    client.shutdown(socket.SHUT_WR)
    assert b"" == client.recv(1)


@pytest.mark.parametrize("transport", ["fast", "asgi"])
@pytest.mark.parametrize("behind", [b"", b"GET /livez HTTP/1.1\r\nHost: server\r\n\r\n"], ids=["alone", "pipelined"])
@pytest.mark.parametrize("leave", [close, half_close])
def test_who_leaves_before_the_answer_gives_its_place_back(
    transport: str, behind: bytes, leave: Callable[[socket.socket], None]
) -> None:
    """To the next one; and no drain waits for it."""
    body = wav(speech())
    with running(transport=transport, model=STUCK, max_uploads=1, drain_s=20.0) as server:
        for number in range(1, 3):
            with speaking(server.address, Content_Length=str(len(body))) as client:
                client.sendall(body + behind)
                await_true(lambda: server.address.get("/v1/metrics")["total_requests"] == number)  # noqa: B023 - called here
                assert 503 == server.address.request("POST", "/v1/transcribe", body).status
                leave(client)
                await_true(lambda: len(ends(server)) == number)  # noqa: B023 - called here
        assert [(None, True)] * 2 == [(line.get("code"), line["left"]) for line in ends(server)]
        server.signal()
        assert 0 == server.exit_code(within_s=15)


def ends(server: Running) -> list[dict[str, Any]]:
    """What is told of uploads' ends."""
    return [line for line in server.log.events if line["event"] == "upload ended"]


def test_a_drain_ends_when_the_client_of_its_last_upload_has_gone() -> None:
    """At once, with code 0: nothing ran out of time."""
    body = wav(speech())
    with running(model=STUCK, drain_s=60.0) as server:
        with speaking(server.address, Content_Length=str(len(body))) as client:
            client.sendall(body)
            await_true(lambda: server.address.get("/v1/metrics")["total_requests"] == 1)
            server.signal()
            server.log.wait_for("draining")
        assert 0 == server.exit_code()


def test_without_pyav_only_wav_is_read(tmp_path: Path) -> None:
    """An mp3 is 415 and the sentence says what to install; text is no audio; WAV works."""
    (tmp_path / "av.py").write_text('raise ImportError("not installed")\n')
    paths = os.pathsep.join([str(tmp_path), *PATHS])
    with running(env={"PYTHONPATH": paths}, mock_latency_ms=0) as server:
        refused = server.address.request("POST", "/v1/transcribe", mp3(30.0))
        text = "This server reads only WAV; to read mp3 as well: pip install 'earful[audio]'."
        assert (415, text) == (refused.status, refused.tree["error"]["message"])
        text = "The file is neither WAV nor any other audio known here."
        assert text == server.address.request("POST", "/v1/transcribe", b"only text").tree["error"]["message"]
        assert 6 == len(server.address.request("POST", "/v1/transcribe", wav(speech())).tree["segments"])
