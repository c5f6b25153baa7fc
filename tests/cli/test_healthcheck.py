"""`earful healthcheck`: by its exit code alone, whoever answers or does not."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.support.certificate import make_certificate
from tests.support.http_thread import Quiet, serving
from tests.support.redis_server import free_port

from earful.__main__ import main
from earful.cli import healthcheck as command
from earful.cli.healthcheck import healthcheck, place_in
from earful.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


def answering(status: int, tls: ssl.SSLContext | None = None) -> AbstractContextManager[int]:
    """A server that answers `/livez` with this and everything else with 404; its port."""

    class Answer(Quiet):
        def asked(self) -> None:
            self.answer(status if self.path == "/livez" else 404)

    return serving(Answer, tls)


@contextmanager
def saying(text: bytes, path: Path) -> Iterator[None]:
    """A server at a Unix socket that says this to one client, whatever it is asked, and closes."""

    def serve(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            client.recv(4096)
            client.sendall(text)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(30)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield
        thread.join(30)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "UDS", "TLS_CERT", "CONFIG"):
        monkeypatch.delenv(f"EARFUL_{name}", raising=False)


@pytest.mark.parametrize(
    ("env", "place"),
    [
        ({}, f"{Settings().host}:{Settings().port}"),
        ({"EARFUL_HOST": "0.0.0.0", "EARFUL_PORT": "8123"}, "127.0.0.1:8123"),  # noqa: S104 - asked for, not bound
        ({"EARFUL_HOST": "::"}, "::1:8000"),
        ({"EARFUL_HOST": "10.0.0.1", "EARFUL_CONFIG": ""}, "10.0.0.1:8000"),
        ({"EARFUL_UDS": "/run/earful"}, "/run/earful"),
        ({"EARFUL_CONFIG": "/earful.toml"}, "None"),
        ({"EARFUL_HOST": ""}, "None"),
        ({"EARFUL_PORT": "0"}, "None"),
        ({"EARFUL_PORT": "65536"}, "None"),
        ({"EARFUL_PORT": "many"}, "None"),
    ],
)
def test_who_listens_everywhere_is_asked_here(env: dict[str, str], place: str) -> None:
    """And who listens somewhere, there, without the settings: where they do not say it, they are asked as a whole."""
    found = place_in(env)
    assert place == str(found)
    assert found is None or not found.is_tls


def test_the_environment_is_read_without_what_takes_long() -> None:
    """It runs every two seconds: neither pydantic nor typer, nor TLS where none is spoken."""
    code = (
        "import sys; from earful.cli.healthcheck import healthcheck; healthcheck([]);"
        "print(sorted(sys.modules.keys() & {'pydantic', 'typer', 'argparse', 'http', 'ssl', 'typing'}))"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}  # It imports much itself.
    env = {**plain, "EARFUL_PORT": str(free_port())}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=True)
    assert "[]\n" == done.stdout
    assert done.stderr.startswith("earful: Nothing answers")


def test_who_lives_is_healthy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The environment says where, as it does for the server; a flag wins; nothing is printed."""
    with answering(200) as port:
        monkeypatch.setenv("EARFUL_PORT", str(port))
        assert 0 == healthcheck([])
        monkeypatch.setenv("EARFUL_PORT", "1")
        monkeypatch.setattr(sys, "argv", ["earful", "healthcheck", "--port", str(port)])
        assert 0 == main()
    assert ("", "") == capsys.readouterr()


def test_who_lives_behind_tls_is_healthy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the environment and by flags; whose certificate it is does not matter."""
    certificate, key = map(str, make_certificate(tmp_path))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with answering(200, tls) as port:
        flags = ["--port", str(port), "--tls-cert", certificate, "--tls-key", key]
        assert 0 == healthcheck(flags)
        monkeypatch.setenv("EARFUL_PORT", str(port))
        monkeypatch.setenv("EARFUL_TLS_CERT", certificate)
        assert 0 == healthcheck([])


def test_who_lives_at_a_unix_socket_is_healthy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the environment and by a flag."""
    path = tmp_path / "s"
    with saying(b"HTTP/1.1 200 OK\r\n\r\n", path):
        assert 0 == healthcheck(["--uds", str(path)])
    path.unlink()
    monkeypatch.setenv("EARFUL_UDS", str(path))
    with saying(b"HTTP/1.1 200 OK\r\n\r\n", path):
        assert 0 == healthcheck([])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"220 mail.here ESMTP\r\n", "{path} answered something else than HTTP."),
        (b"HTTP/1.1 \xff\xff\xff\r\n", "{path} answered something else than HTTP."),
        (b"HTTP/1.1 2", "Nothing answers at {path}."),
        (b"", "Nothing answers at {path}."),
    ],
)
def test_what_is_no_answer_is_none(
    text: bytes, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And none of its bytes is shown."""
    path = tmp_path / "s"
    with saying(text, path):
        assert 1 == healthcheck(["--uds", str(path)])
    assert f"earful: {sentence.format(path=path)}\n" == capsys.readouterr().err


def test_a_path_where_nobody_is_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is it a traceback."""
    assert 1 == healthcheck(["--uds", str(tmp_path / "s")])
    assert f"earful: Nothing answers at {tmp_path / 's'}.\n" == capsys.readouterr().err


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
