"""More silent connections than the worker may open files: whoever says what it wants is served as ever."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.certificate import make_certificate
from tests.support.raw import PATIENCE_S, connected
from tests.support.server import Address, running
from tests.support.sounds import speech, wav
from tests.support.speech import SENTENCE, expected, finals, pieces

if TYPE_CHECKING:
    import socket
    from pathlib import Path

pytestmark = pytest.mark.e2e

FILES = 200
SILENT = 400
MADE_WAY = "silent connections made way"
TOO_FEW = "too few open files for a full worker"
FEW: dict[str, Any] = {"max_sessions": 4, "max_uploads": 2, "max_speed": 0, "mock_latency_ms": 1, "ops_port": 0}


def limited(directory: Path) -> str:
    """A Python whose processes may open `FILES` files."""
    script = directory / "python"
    script.write_text(f'#!/bin/sh\nulimit -n {FILES}\nexec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    return str(script)


def listening(directory: Path, way: str) -> dict[str, Any]:
    """Settings for a way to listen."""
    if way == "uds":
        return {"uds": directory / "socket"}
    if way == "tls":
        certificate, key = make_certificate(directory)
        return {"tls_cert": certificate, "tls_key": key}
    return {"transport": way}


def flood(scope: ExitStack, address: Address, number: int = SILENT) -> list[socket.socket]:
    """So many connections that say nothing, not even hello where it is TLS; open as long as `scope`."""
    plain = replace(address, tls=None)
    return [scope.enter_context(closing(plain.connect(PATIENCE_S))) for _ in range(number)]


def upload(address: Address) -> int:
    """The status."""
    return address.request("POST", "/v1/transcribe", wav(speech(1.0))).status


def begin_upload(scope: ExitStack, address: Address, body: bytes) -> socket.socket:
    """The head of one, and half of its body."""
    raw = scope.enter_context(closing(address.connect(PATIENCE_S)))
    head = f"POST /v1/transcribe HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    raw.sendall(head.encode() + body[: len(body) // 2])
    return raw


@pytest.mark.parametrize("way", ["fast", "asgi", "tls", "uds"])
def test_a_silent_flood_costs_silent_connections_alone(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice the worker's files, at both listeners: probes, uploads, sessions and operators are answered all the same.

    A session and an upload that are under way go on to their end.
    """
    body = wav(speech(1.0))
    monkeypatch.setattr(sys, "executable", limited(tmp_path))
    started = running(
        **listening(tmp_path, way), **FEW, allowed={MADE_WAY, TOO_FEW}, is_true_start=True
    )  # With its limit.
    with started as server, ExitStack() as scope:
        address, ops = server.address, Address(server.log.wait_for("starting")["ops_ports"][0])
        live = scope.enter_context(connected(address))
        half_sent = begin_upload(scope, address, body)
        assert FILES == server.log.wait_for(TOO_FEW)["files"]
        first, *_ = flood(scope, address)
        flood(scope, ops)
        assert (200, 200) == (address.request("GET", "/livez").status, ops.request("GET", "/livez").status)
        assert 200 == upload(address)
        with connected(address) as new:
            for raw in (live, new):
                for piece in pieces(SENTENCE):
                    raw.say_audio(piece)
                raw.say("stop")
                heard, end = raw.hear_all()
                assert (1000, expected(SENTENCE)) == (end.code, finals(heard))
        half_sent.sendall(body[len(body) // 2 :])
        assert half_sent.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert b"" == first.recv(1)
        for listener in ("public", "operations"):
            assert server.log.wait_for(MADE_WAY, listener=listener)["made_way"] > 0
