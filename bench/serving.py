"""A server of our own to measure: `earful serve` on a free port and a core of its own, its log in a file.

Guarantees that the process is gone when the scope ends. Every wait has a deadline, after which it
raises TimeoutError. Used by all scripts here.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

START_WITHIN_S = 20.0
STOP_WITHIN_S = 20.0
ASK_WITHIN_S = 20.0
_LOOK_EVERY_S = 0.02

Line = dict[str, Any]


class Server:
    """A running `earful serve`; `lines` is its log as read so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        """`log` is what the process writes to, opened for reading."""
        self.process = process
        self.port = 0
        self.lines: list[Line] = []
        self.strange: list[str] = []
        """Lines that are no JSON: tracebacks, mostly."""
        self._log = log
        self._rest = b""

    def read_log(self) -> int:
        """Read what was logged since; the number of lines so far."""
        *whole, self._rest = (self._rest + self._log.read()).split(b"\n")
        for line in whole:
            if line.startswith(b"{"):
                self.lines.append(json.loads(line))
            else:
                self.strange.append(line.decode(errors="replace"))
        return len(self.lines)

    def first(self, event: str, since: int = 0) -> Line | None:
        """The first line of this event from line `since` on."""
        self.read_log()
        return next((line for line in self.lines[since:] if line["event"] == event), None)

    async def event(self, event: str, since: int = 0, within_s: float = 30.0) -> Line:
        """Wait for a line of this event from line `since` on."""
        async with asyncio.timeout(within_s):
            while (line := self.first(event, since)) is None:  # noqa: ASYNC110 - a file tells nobody that it grew
                await asyncio.sleep(_LOOK_EVERY_S)
        return line

    def wait_until_ready(self) -> None:
        """Wait until it has its port and its model."""
        deadline = time.monotonic() + START_WITHIN_S
        while (starting := self.first("starting")) is None or self.first("ready") is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"the server does not start: {self.lines} {self.strange}")
            time.sleep(_LOOK_EVERY_S)
        self.port = starting["port"]

    async def get(self, path: str) -> Any:
        """The JSON of a GET, on a connection that is closed with it."""
        async with asyncio.timeout(ASK_WITHIN_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read()
            finally:
                writer.close()
                await writer.wait_closed()
        return json.loads(answer.partition(b"\r\n\r\n")[2])

    async def active_sessions(self) -> int:
        """How many sessions it has."""
        health = await self.get("/v1/health")
        return int(health["active_sessions"])

    def resident_bytes(self) -> int:
        """Its physical memory now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> int:
        """Send SIGTERM and wait for the end; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_WITHIN_S)
        self.read_log()
        return code

    def faults(self) -> list[str]:
        """Errors and tracebacks in the log."""
        self.read_log()
        errors = [json.dumps(line) for line in self.lines if line["level"] in {"error", "critical"}]
        return [*errors, *self.strange]


@contextmanager
def served(**settings: object) -> Iterator[Server]:
    """Run a server with these settings until the scope ends; this process moves to another core.

    It is the one that is installed, compiled where it could be; its transport the one in the environment
    (`EARFUL_TRANSPORT`), else the default.
    """
    transport = os.environ.get("EARFUL_TRANSPORT", "fast")
    wanted = {"port": 0, "log_format": "json", "transport": transport, **settings}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EARFUL_")}
    paths = [str(Path(__file__).parent), kept.get("PYTHONPATH", "")]  # Models of ours are found here.
    given = {f"EARFUL_{name.upper()}": _spell(value) for name, value in wanted.items()}
    raise_file_limit()
    with tempfile.NamedTemporaryFile() as log, Path(log.name).open("rb") as reader:
        process = subprocess.Popen(
            [sys.executable, "-m", "earful", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**kept, **given, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        _part_cores(process.pid)
        server = Server(process, reader)
        try:
            server.wait_until_ready()
            yield server
        finally:
            process.kill()
            process.wait()


def raise_file_limit() -> None:
    """Let this process open as many sockets as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _part_cores(pid: int) -> None:
    """Give the server one core and the load another, where there are two."""
    first, *others = sorted(os.sched_getaffinity(pid))
    if others:
        os.sched_setaffinity(pid, {first})
        os.sched_setaffinity(0, {others[0]})


def _spell(value: object) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)
