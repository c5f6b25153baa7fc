"""The demo: a server, the sample recording streamed and uploaded, health and metrics, and a clean end.

Guarantees exit code 0 only where every step worked, and that the server is gone afterwards.
Called by `make demo` with the Python of the environment that earful is installed in.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from importlib.resources import as_file
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from earful.samples import sample

if TYPE_CHECKING:
    from collections.abc import Iterator

START_S = 30.0
STREAM_S = 120.0
ANSWER_S = 60.0
STOP_S = 20.0
MODEL = os.environ.get("EARFUL_MODEL", "mock")
_INDENT = "   "
_WIDTH = 96


class DemoError(Exception):
    """A step failed; the text says which and why."""


class Server:
    """`earful serve` on a free port of this machine, its log in a file."""

    def __init__(self, log: IO[str]) -> None:
        """Start the process; `wait_until_ready` waits for it."""
        self.port = _free_port()
        self.log = log
        # What is set for another server must not change this one, but for the model.
        env = {name: value for name, value in os.environ.items() if not name.startswith("EARFUL_")}
        self.process = subprocess.Popen(
            _earful("serve", "--port", str(self.port), "--model", MODEL), stderr=log, env=env
        )

    def wait_until_ready(self) -> None:
        """Wait until it answers; raises DemoError where it ends or takes too long."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise DemoError(f"the server ended with code {self.process.returncode}")
            try:
                self.ask("/v1/health")
            except (OSError, DemoError):
                time.sleep(0.02)
            else:
                return
        raise DemoError(f"the server did not answer within {START_S:.0f} s")

    def ask(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        """Send a request (POST where there is a body) and read the JSON it answers."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body)
        request.add_header("Content-Type", "audio/wav")
        try:
            with _direct().open(request, timeout=ANSWER_S) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise DemoError(f"{path} answered {error.code}: {error.read().decode(errors='replace')}") from None

    def stop(self) -> int:
        """Ask it to stop; its exit code. Kills it where it does not."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise DemoError(f"the server did not stop within {STOP_S:.0f} s") from None


def main() -> int:
    """Run all steps; the exit code."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log, as_file(sample()) as recording:
        try:
            with _running(log) as server:
                _stream(server, recording)
                _upload(server, recording)
                _show_numbers(server)
        except (DemoError, OSError) as error:
            log.seek(0)
            print(f"\nThe demo failed: {error}.\n\nThe server's log:\n{log.read() or '(empty)'}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    print(f"\nThat was all of it. Next: {_bold('make serve')}, or {_bold('earful serve --help')}.")
    return 0


@contextmanager
def _running(log: IO[str]) -> Iterator[Server]:
    started = time.monotonic()
    server = Server(log)
    try:
        _head(1, "Start a server", f"earful serve --port {server.port}{'' if MODEL == 'mock' else f' --model {MODEL}'}")
        server.wait_until_ready()
        _tell_of_model(time.monotonic() - started)
        yield server
        _head(5, "Stop it", f"kill -TERM {server.process.pid}")
        code = server.stop()
        if code != 0:
            raise DemoError(f"the server ended with code {code}")
        _say("ended with code 0")
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def _tell_of_model(start_s: float) -> None:
    if MODEL != "mock":
        _say(f"answers after {start_s:.2f} s, with the model {MODEL}")
        return
    _say(f"answers after {start_s:.2f} s, with the mock model: its words are made up from the sound, the same sound")
    _say("always giving the same words. EARFUL_MODEL=moonshine make demo has a real one, which is installed for it.")


def _stream(server: Server, recording: Path) -> None:
    _head(2, "Stream six sentences at the speed they are spoken", f"earful transcribe {recording.name}")
    command = _earful("transcribe", str(recording), "--url", f"ws://127.0.0.1:{server.port}")
    code = subprocess.call(command, timeout=STREAM_S) if sys.stdout.isatty() else _write_live([*command, "--json"])
    if code != 0:
        raise DemoError(f"earful transcribe ended with code {code}")


def _write_live(command: list[str]) -> int:
    """Write what comes, where nothing can be rewritten: each final ends its line, with its text where it is another."""
    deadline = time.monotonic() + STREAM_S
    live = _Live()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            live.show(json.loads(line))
            if time.monotonic() > deadline:
                process.kill()
        return process.wait(ANSWER_S)


class _Live:
    """Words as they come, in lines of a readable length."""

    def __init__(self) -> None:
        """Begin at the left."""
        self._column = 0
        self._told = ""

    def show(self, message: dict[str, Any]) -> None:
        """Write a partial's words, or under them that they are final."""
        if message["type"] == "partial":
            self._told += message["text"]
            for word in message["text"].split():
                self._write(word)
        elif message["type"] == "final" and message["text"]:
            span = f"{message['start_ms'] / 1000:.1f} s to {message['end_ms'] / 1000:.1f} s"
            text = "" if message["text"] == self._told else f"  {message['text']}"
            newline = "\n" if self._column else ""
            print(f"{newline}{_INDENT}{_bold('final')}: {span}{text}", flush=True)
            self._column, self._told = 0, ""

    def _write(self, word: str) -> None:
        if self._column + len(word) >= _WIDTH:
            print()
            self._column = 0
        before = " " if self._column else _INDENT
        print(f"{before}{word}", end="", flush=True)
        self._column += len(before) + len(word)


def _upload(server: Server, recording: Path) -> None:
    url = f"http://127.0.0.1:{server.port}/v1/transcribe"
    _head(3, "Upload the same file", f"curl --data-binary @{recording.name} {url}")
    answer = server.ask("/v1/transcribe", recording.read_bytes())
    for segment in answer["segments"]:
        span = f"{segment['start_ms'] / 1000:4.1f} s to {segment['end_ms'] / 1000:4.1f} s"
        _say(_cut(f"{span}  {segment['text']}"))
    _say(f"{answer['duration_ms'] / 1000:.1f} s of audio in {answer['processing_ms'] / 1000:.2f} s")
    if not answer["text"]:
        raise DemoError("the upload came back without text")


def _show_numbers(server: Server) -> None:
    _head(4, "Look inside", "curl .../v1/health; curl .../v1/metrics")
    health = server.ask("/v1/health")
    _say(f"health   {json.dumps(health)}")
    _say(f"metrics  {json.dumps(server.ask('/v1/metrics'))}")
    if health["status"] != "ok":
        raise DemoError(f"the server's health is {health['status']}")


def _head(number: int, title: str, command: str) -> None:
    print(f"\n{_bold(f'{number}. {title}')}\n{_INDENT}$ {command}", flush=True)


def _say(text: str) -> None:
    print(f"{_INDENT}{text}", flush=True)


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 4]} ..."


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


def _earful(*arguments: str) -> list[str]:
    """Give the command line of earful as this Python has it."""
    beside = Path(sys.executable).with_name("earful")
    command = [str(beside)] if shutil.which(beside) else [sys.executable, "-m", "earful"]
    return [*command, *arguments]


def _direct() -> urllib.request.OpenerDirector:
    """Make an opener that uses no proxy: the server is on this machine."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
