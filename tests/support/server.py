"""The real server as a process of its own: started on a free port, its log read, its end checked.

Guarantees that a test ends with the server gone, and fails where it left exit code 0, logged a warning
nobody expected, or printed a traceback. Waits are for log lines, each with a deadline.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

from tests.support.kept import keep
from tests.support.nursery import Nursery

from earful.settings import flag_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from types import TracebackType

ROOT = Path(__file__).parents[2]
IS_INSTALLED = "TEST_INSTALLED" in os.environ
"""Whether the installed package is to be tested, compiled as it is, instead of the sources."""
PATHS = ([] if IS_INSTALLED else [str(ROOT / "src")]) + [str(ROOT), str(ROOT / "examples")]
"""Where a process that a test starts finds what it imports."""
WITHIN_S = 30.0
"""For what takes a moment: many times as long as it takes on a busy machine."""
_TROUBLE = frozenset({"warning", "error", "critical"})
BESIDE_TESTS = frozenset({"event loop stalled", "event loop moves again"})
"""Events of any server: the machine has others to run, four tests at a time."""
STORE_AWAY = "store is away; limits and listings are this worker's own"
"""And of one with a store, which has a quarter of a second to answer."""


class LogLines:
    """What a process writes to one of its streams, line by line, as it comes."""

    def __init__(self, stream: IO[str]) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        """Everything so far."""
        return "\n".join(self.lines)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines that are JSON objects."""
        return [json.loads(line) for line in tuple(self.lines) if line.startswith("{")]

    def wait_for(self, event: str, within_s: float = WITHIN_S, **fields: object) -> dict[str, Any]:
        """The first line of this event that has these fields; AssertionError where none comes in time."""
        wanted = {"event": event, **fields}.items()
        with self._news:
            found = self._news.wait_for(lambda: self._first(wanted) or self._ended, within_s)
        first = self._first(wanted)
        assert first is not None, f"no log line {event} {fields} ({'in time' if not found else 'ever'}):\n{self.text}"
        return first

    def join(self) -> None:
        """Read to the end."""
        self._reader.join(WITHIN_S)

    def _first(self, wanted: Collection[tuple[str, object]]) -> dict[str, Any] | None:
        return next((line for line in self.events if wanted <= line.items()), None)  # type: ignore[operator]  # item views compare as sets

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    self.lines.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


UNHURRIED = {
    "overload_lag_ms": 0,
    "overload_loop_lag_ms": 0,
    "overload_memory_percent": 0,
    "overload_cpu_percent": 0,
}
"""Settings for what is not about overload: how busy this machine is must not change what a test sees."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read to its end; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def tree(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and one HTTP request at a time to it."""

    port: int
    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    """Trusts the server, where it speaks TLS."""
    uds: str = ""
    """Path of the Unix socket, where it listens on one."""

    @property
    def http(self) -> str:
        """The server's root."""
        return f"http{'s' if self.tls else ''}://{self.host}:{self.port}"

    @property
    def ws(self) -> str:
        """The stream."""
        return f"ws{'s' if self.tls else ''}://{self.host}:{self.port}/v1/transcribe/stream"

    def connect(self, within_s: float = 30, receive_buffer_bytes: int = 0) -> socket.socket:
        """A connection; each step of it may take so long."""
        with contextlib.ExitStack() as failing:
            plain = failing.enter_context(socket.socket(socket.AF_UNIX if self.uds else socket.AF_INET))
            if receive_buffer_bytes:  # Before connecting, or the window is agreed on without it.
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            plain.settimeout(within_s)
            plain.connect(self.uds or (self.host, self.port))
            if not self.uds:
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = self.tls.wrap_socket(plain, server_hostname=self.host) if self.tls else plain
            failing.pop_all()
        return connection

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask once, on a connection of its own."""
        with contextlib.closing(http.client.HTTPConnection(self.host, self.port, timeout=30)) as connection:
            connection.sock = self.connect()
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read())

    def get(self, path: str) -> Any:
        """The JSON of a GET, whatever its status."""
        return self.request("GET", path).tree


class Process(Protocol):
    """What is used of `subprocess.Popen`, whoever started the process."""

    @property
    def pid(self) -> int:
        """Its number."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; subprocess.TimeoutExpired where there is none in time."""

    def send_signal(self, number: int, /) -> None:
        """Send a signal, unless it has ended."""

    def terminate(self) -> None:
        """Tell it to end."""

    def kill(self) -> None:
        """End it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Wait for its end."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server process that answers; `address` and its log."""

    process: Process
    log: LogLines
    out: LogLines
    address: Address

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def exit_code(self, within_s: float = WITHIN_S) -> int:
        """Wait for the end; subprocess.TimeoutExpired where it does not come."""
        code = self.process.wait(within_s)
        self.log.join()
        self.out.join()
        return code

    def check_end(self, allowed: Collection[str], exit_code: int | None) -> None:
        """The server ended as it should: exit code, nothing on stdout, no traceback, no unexpected trouble."""
        everything = f"{self.out.text}\n{self.log.text}"
        assert exit_code in {self.exit_code(), None}, everything
        assert "Traceback" not in everything, everything
        assert [] == [line for line in self.log.lines if not line.startswith("{")], everything
        trouble = [
            line
            for line in self.log.events
            if line["level"] in _TROUBLE and line["event"] not in BESIDE_TESTS.union(allowed)
        ]
        assert [] == trouble, everything


@contextmanager
def running(
    *flags: str,
    allowed: Collection[str] = (),
    exit_code: int | None = 0,
    is_true_start: bool = False,
    env: Mapping[str, str] | None = None,
    **settings: object,
) -> Iterator[Running]:
    """Run `earful serve` on a free port with these settings until the scope ends, then SIGTERM and check its end.

    `allowed` are the events of warnings and errors that belong to the test. A test may end the server itself; with
    None for `exit_code` it may be any. Servers are forked, unless `is_true_start` or `env` asks for a process as a user
    starts it: for what is about memory.
    """
    wanted = {"port": 0, "log_format": "json", **UNHURRIED, **settings}
    arguments = [word for name, value in wanted.items() for word in (flag_of(name), _spell(value))]
    (out_end, out), (log_end, err) = os.pipe(), os.pipe()
    with _start(["serve", *arguments, *flags], environment(env or {}), out, err, is_true_start) as process:
        log, said = LogLines(os.fdopen(log_end, encoding="utf-8")), LogLines(os.fdopen(out_end, encoding="utf-8"))
        try:
            port = log.wait_for("starting").get("port", 0)
            workers = int(str(settings.get("workers", 1)))
            for which in [{}] if workers == 1 else [{"worker": slot} for slot in range(workers)]:
                log.wait_for("ready", **which)
            address = Address(port, tls=_trust_in(settings.get("tls_cert")), uds=str(settings.get("uds", "")))
            server = Running(process, log, said, address)
            yield server
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            server.check_end({*allowed, *([STORE_AWAY] if "store" in settings else [])}, exit_code)
        finally:
            process.kill()
            process.wait()
            log.join()
            said.join()
            keep(log.lines)


def resident_bytes(pid: int) -> int:
    """Physical memory of a process."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def await_true(condition: Any, within_s: float = WITHIN_S) -> None:
    """Ask a server until `condition()` holds: for facts it tells only when asked; AssertionError after `within_s`."""
    end = time.monotonic() + within_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, f"not so within {within_s} s"
        pause.wait(0.01)


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Ours, without settings of whoever runs the tests, and with the sources where Python finds them too.

    Without coverage, which would double a server's start, and there are hundreds. What is empty in `extra` is left out.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EARFUL_", "COVERAGE_"))}
    paths = [extra.get("PYTHONPATH", ""), *PATHS, os.environ.get("PYTHONPATH", "")]
    wanted = {**kept, **extra, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return {name: value for name, value in wanted.items() if value or name not in extra}


def _start(arguments: Sequence[str], env: Mapping[str, str], out: int, err: int, is_true_start: bool) -> Process:  # noqa: FBT001 - handed on
    """A process that runs the command line, in a group of its own; `out` and `err` are its and no longer ours."""
    try:
        if not is_true_start and (nursery := _nursery()).can_bear(env):
            return nursery.bear(arguments, env, out, err)
        command = [sys.executable, "-m", "earful", *arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, process_group=0)
    finally:
        os.close(out)
        os.close(err)


@cache
def _nursery() -> Nursery:
    """That of this pytest worker, from the first server on."""
    nursery = Nursery(environment({}))
    atexit.register(nursery.close)
    return nursery


def _trust_in(certificate: object) -> ssl.SSLContext | None:
    """What trusts the server that shows it."""
    return None if certificate is None else ssl.create_default_context(cafile=str(certificate))


def _spell(value: object) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)
