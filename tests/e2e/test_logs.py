"""The log of a real server: what clients send breaks no line and leaves no secret, and a full pipe holds nobody up."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from io import StringIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from tests.support.kept import MARK
from tests.support.raw import RawSocket, connected
from tests.support.server import Address, environment, running
from tests.support.speech import OPENING, SENTENCE, pieces

from earful.samples import sample
from earful.telemetry.logs import open_log

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
NASTY = ("\r\n\x1b[31mPWNED\x1b]0;title\x07\u2028\u202e\u0430dmin\x00" + '{"event":"session ended"}' + MARK) * 128
"""10 KB: line breaks, colours, a title, a separator, a turn of direction, a look-alike, a line of ours, a token."""
PRINTED = "".join(one for one in NASTY if one.isprintable()).encode("utf-8").decode("latin-1")
"""As much of it as a server's parser lets into a header."""
IN_QUERY = quote(NASTY[:4000])
PIPE_BYTES = 4096


def be_hostile(address: Address) -> None:
    """Send it in every field that a client controls."""
    path = "/v1/transcribe/stream"
    plain = {"Authorization": f"Bearer {MARK}", "Cookie": f"session={MARK}"}
    hostile = {
        "X_Request_Id": PRINTED,
        "Traceparent": PRINTED,
        "Tracestate": PRINTED,
        "Sec_WebSocket_Protocol": f"earful.v1, {MARK}",
        "User_Agent": PRINTED,
        "X_Forwarded_For": PRINTED[:200],
    }
    refused = {"X_Request_Id": NASTY.replace("\r\n", " ")}
    for where in (
        f"{path}?token={MARK}&x={IN_QUERY}",
        f"/{IN_QUERY}",
        f"/no?{MARK}",
        f"{path}?resume=1&refuse=close&token={MARK}",
    ):
        for headers in (plain, plain | hostile, refused):
            with contextlib.closing(RawSocket(address)) as raw, contextlib.suppress(OSError):
                raw.socket.sendall(_request(where, headers))
                raw.socket.recv(65_536)
    for language in (NASTY[:64], NASTY[3:67], MARK[:64], "en"):
        for options in ({}, {"resume": {"cursor": MARK * 100, "attempt": 1}}):
            with connected(address) as raw:
                raw.say("start", language=language, token=MARK + NASTY, encoding="pcm_s16le", **options)
                raw.say("flush", id=NASTY[:256])
                raw.say(NASTY, data=NASTY)
                raw.say("audio_chunk", data=NASTY)
                raw.say("stop")
                raw.hear_all()
    form = (
        f'--x\r\nContent-Disposition: form-data; name="file"; filename="{PRINTED[:3000]}"\r\n'
        f"Content-Type: {PRINTED[:3000]}\r\n\r\n".encode("latin-1", "replace")
        + b"RIFF\r\n--x--\r\n"
    )
    headers = {"Authorization": f"Bearer {MARK}", "X-Request-Id": quote(NASTY[:200]), "Traceparent": PARENT}
    for query in ("", f"?token={MARK}&{IN_QUERY}"):
        for body, kind in ((form, "multipart/form-data; boundary=x"), (b"RIFF" + NASTY.encode(), f"audio/{MARK}")):
            address.request("POST", f"/v1/transcribe{query}", body, headers | {"Content-Type": kind})
    for method in ("GET", "DELETE"):
        address.request(method, f"/v1/sessions/{IN_QUERY}", None, headers)


def _request(path: str, headers: dict[str, str]) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: server",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def as_text(line: dict[str, Any]) -> str:
    """A line of JSON as it would have been on a terminal."""
    stream = StringIO()
    fields = {name: value for name, value in line.items() if name not in {"event", "level", "timestamp", "worker"}}
    getattr(open_log("debug", "text", stream), line["level"])(line["event"], **fields)
    return stream.getvalue()


@pytest.mark.parametrize("transport", ["fast", "asgi"])
def test_whatever_clients_send_breaks_no_line(transport: str) -> None:
    """In either form; no secret of theirs is in it, and it is no longer than it may be."""
    with running(transport=transport, log_level="debug") as server:
        be_hostile(server.address)
    assert len(server.log.lines) > 20
    for raw, line in zip(server.log.lines, server.log.events, strict=True):
        assert raw.isascii()
        assert raw.isprintable()
        assert len(raw) < 4096
        assert MARK not in raw
        shown = as_text(line)
        assert shown.endswith("\n")
        assert shown[:-1].isascii()
        assert shown[:-1].isprintable()
    told = {line["event"] for line in server.log.events}
    assert {"127.0.0.1"} == {line["peer"] for line in server.log.events if line["event"] == "request refused"}
    assert {"session connected", "session started", "session refused", "upload ended", "session ended"} <= told


@pytest.mark.parametrize("transport", ["fast", "asgi"])
def test_lines_of_a_session_and_of_an_upload_name_their_request(transport: str) -> None:
    """The client's own ids, on each line, with the worker."""
    with running(transport=transport, log_level="debug") as server:
        raw = RawSocket(server.address).upgrade(X_Request_Id="mine-7", Traceparent=PARENT)
        with contextlib.closing(raw.socket):
            session_id = raw.response.headers["x-session-id"]
            assert "mine-7" == raw.response.headers["x-request-id"]
            raw.say("start")
            for piece in pieces(OPENING):
                raw.say_audio(piece)
            raw.say("stop")
            raw.hear_all()
        headers = {"x-request-id": "mine-8", "traceparent": PARENT}
        answer = server.address.request("POST", "/v1/transcribe", sample().read_bytes(), headers)
        assert "mine-8" == answer.tree["request_id"]
    own = [line for line in server.log.events if line.get("session") == session_id]
    assert ["session connected", "session started", "first speech", "session ended"] == [line["event"] for line in own]
    uploads = [line for line in server.log.events if line["event"].startswith("upload ")]
    assert ["upload started", "upload ended"] == [line["event"] for line in uploads]
    assert [("mine-7", TRACE, 0)] * 4 + [("mine-8", TRACE, 0)] * 2 == [
        (line["request_id"], line["trace_id"], line["worker"]) for line in own + uploads
    ]


def test_a_flood_of_nonsense_leaves_room_for_the_rest() -> None:
    """Of each kind the first of a second are told, the others counted: all of them, to the unit."""
    junk = 1000
    with running() as server:
        for _ in range(junk):
            with socket.create_connection((server.address.host, server.address.port)) as peer:
                peer.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
                peer.recv(4096)
        with connected(server.address) as raw:
            raw.say("stop")
            raw.hear_all()
    refused = [line for line in server.log.events if line["event"] == "request refused"]
    left_out = [line for line in server.log.events if line["event"] == "log lines left out"]
    assert {("info", "127.0.0.1", "Invalid HTTP request received.")} == {
        (line["level"], line["peer"], line["why"]) for line in refused
    }
    assert {("request refused", "info")} == {(line["of"], line["level"]) for line in left_out}
    assert junk == len(refused) + sum(line["count"] for line in left_out)
    assert len(refused) < junk / 2
    assert "session ended" in {line["event"] for line in server.log.events}


@contextlib.contextmanager
def muffled(*flags: str) -> Iterator[tuple[subprocess.Popen[bytes], Address, int]]:
    """A server whose log nobody reads any more once it is ready: the process, its address, the pipe's other end."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    words = [sys.executable, "-m", "earful", "serve", "--port", "0", "--log-format", "json", "--log-level", "debug"]
    process = subprocess.Popen([*words, *flags], stderr=writer, env=environment({}))
    os.close(writer)
    try:
        yield process, Address(_port(reader, 1 + flags.count("--workers"))), reader
    finally:
        process.kill()
        process.wait()
        os.close(reader)


def _port(reader: int, workers: int) -> int:
    """What the log says, read up to where all are ready."""
    log = b""
    while log.count(b'"ready"') < workers:
        log += os.read(reader, 4096)
    return int(next(json.loads(line)["port"] for line in log.splitlines() if b'"starting"' in line))


@pytest.mark.parametrize("flags", [(), ("--workers", "2"), ("--transport", "asgi")], ids=" ".join)
def test_a_log_that_nobody_reads_holds_up_no_audio(flags: tuple[str, ...]) -> None:
    """Sessions are answered, the server drains and ends in time, and what the pipe took are whole lines."""
    with muffled(*flags) as (process, address, reader):
        for _ in range(40):
            with connected(address) as raw:
                for piece in pieces(SENTENCE, 32_000):
                    raw.say_audio(piece)
                raw.say("stop")
                heard, end = raw.hear_all()
                assert (1000, "final") == (end.code, heard[-1]["type"])
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(30)
        left = b""
        while piece := os.read(reader, 65_536):
            left += piece
    assert left.endswith(b"\n")
    assert {"session started"} <= {json.loads(line)["event"] for line in left.splitlines()}
