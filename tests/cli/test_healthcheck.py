"""`earful healthcheck`: by its exit code alone, whoever answers or does not."""

from __future__ import annotations

import http.server
import socket
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.support.redis_server import free_port

from earful.__main__ import main
from earful.cli import healthcheck as command
from earful.cli.healthcheck import healthcheck, server_of
from earful.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server that answers `/livez` with this and everything else with 404; its port."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/livez" else 404)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(10)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EARFUL_HOST", "EARFUL_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("host", "asked"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.1", "10.0.0.1")])  # noqa: S104 - asked for, not bound
def test_who_listens_everywhere_is_asked_here(host: str, asked: str) -> None:
    """And who listens somewhere, there."""
    server = server_of(Settings(host=host, port=8123))
    assert (asked, 8123) == (server.host, server.port)


def test_who_lives_is_healthy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The environment says where, as it does for the server; a flag wins; nothing is printed."""
    with answering(200) as port:
        monkeypatch.setenv("EARFUL_PORT", str(port))
        assert 0 == healthcheck([])
        monkeypatch.setenv("EARFUL_PORT", "1")
        monkeypatch.setattr(sys, "argv", ["earful", "healthcheck", "--port", str(port)])
        assert 0 == main()
    assert ("", "") == capsys.readouterr()


def test_who_answers_otherwise_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever else it says."""
    with answering(500) as port:
        assert 1 == healthcheck(["--port", str(port)])
    assert f"earful: 127.0.0.1:{port} answered 500.\n" == capsys.readouterr().err


def test_who_is_not_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens."""
    port = free_port()
    assert 1 == healthcheck(["--port", str(port)])
    assert f"earful: Nothing answers at 127.0.0.1:{port}.\n" == capsys.readouterr().err


def test_who_hangs_is_not(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Accepted by the kernel, answered by nobody."""
    monkeypatch.setattr(command, "TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert 1 == healthcheck(["--port", str(port)])
    assert f"earful: 127.0.0.1:{port} does not answer within 0.05 s.\n" == capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "many"])
def test_settings_that_name_no_port_are_a_sentence(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With 1, not the 2 of other commands: that means nothing to Docker."""
    assert 1 == healthcheck(["--port", port])
    assert capsys.readouterr().err.startswith("earful: ")
