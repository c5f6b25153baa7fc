"""Workers that share a secret, each a process on a port of its own, and the door that clients knock at.

Guarantees that every process is gone when the scope ends. A worker that is killed is followed by another on its
port. Used by `faults.py`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

from redis import Redis as Client

from serving import START_WITHIN_S, Server, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "what the workers of a measurement share"  # noqa: S105 - guards nothing
_LOOK_EVERY_S = 0.02


class Door:
    """Where clients connect: one port after another, as a balancer without eyes would; `faults_at` is kept for them."""

    def __init__(self, ports: list[int]) -> None:
        """Lead to these ports of this machine."""
        self.faults_at: list[float] = [time.perf_counter()]
        self._ports = ports

    def port(self, nth: int) -> int:
        """The port for the nth attempt of somebody."""
        return self._ports[nth % len(self._ports)]

    def note_fault(self) -> None:
        """Something is being done to a worker now."""
        self.faults_at.append(time.perf_counter())

    def fault_before(self, moment: float) -> float:
        """The newest fault before this moment."""
        return max(at for at in self.faults_at if at <= moment)


class Fleet:
    """So many workers; use as a scope."""

    def __init__(self, workers: int, **settings: object) -> None:
        """Each with these settings."""
        self.ports = [free_port() for _ in range(workers)]
        self.servers: list[Server] = []
        self.faults: list[str] = []
        """Errors in the logs of all that ended."""
        self._settings = settings
        self._scopes = [ExitStack() for _ in range(workers)]

    async def __aenter__(self) -> Self:
        """Start them all."""
        for nth, port in enumerate(self.ports):
            self.servers.append(self._start(nth, port))
        return self

    async def __aexit__(self, *_: object) -> None:
        """End what is left."""
        for scope in self._scopes:
            scope.close()

    async def replace(self, nth: int) -> None:
        """`kill -9`, and another in its place as soon as it is ready."""
        server = self.servers[nth]
        server.process.kill()
        await asyncio.to_thread(server.process.wait)
        self.faults += server.faults()
        self._scopes[nth].close()
        self.servers[nth] = await asyncio.to_thread(self._start, nth, self.ports[nth])

    async def freeze(self, nth: int, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after so long."""
        process = self.servers[nth].process
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        process.send_signal(signal.SIGCONT)

    def stop(self) -> list[int]:
        """SIGTERM to all that live: their exit codes."""
        codes = [server.stop() for server in self.servers]
        for server in self.servers:
            self.faults += server.faults()
        return codes

    def _start(self, nth: int, port: int) -> Server:
        return self._scopes[nth].enter_context(served(port=port, secret=SECRET, **self._settings))


@contextmanager
def haproxy(config: Path, workers: list[int]) -> Iterator[int]:
    """HAProxy in front of two workers until the scope ends; its port."""
    port = free_port()
    names = {f"WORKER_{nth}": f"127.0.0.1:{worker}" for nth, worker in enumerate(workers, 1)}
    process = subprocess.Popen(  # noqa: S603 - Debian's, and our own file
        ["haproxy", "-db", "-f", str(config)],  # noqa: S607 - wherever it is
        env={**os.environ, **names, "BIND": f"127.0.0.1:{port}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port)
        yield port
    finally:
        process.kill()
        process.wait()


class Redis:
    """A redis-server of our own, and what can be done to it; use `redis` as a scope."""

    def __init__(self, port: int) -> None:
        """Not started yet."""
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty."""
        command = ["redis-server", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - Debian's
        wait_for_port(self.port)

    def send(self, number: signal.Signals) -> None:
        """A signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def flush(self) -> None:
        """Let it forget everything."""
        with self.client() as client:
            client.flushall()

    def client(self) -> Client:
        """Who asks it; use as a scope."""
        return Client(port=self.port, socket_timeout=1, decode_responses=True)


@contextmanager
def redis() -> Iterator[Redis]:
    """A running one until the scope ends."""
    server = Redis(free_port())
    server.start()
    try:
        yield server
    finally:
        server.kill()


def free_port() -> int:
    """A port of this machine that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def wait_for_port(port: int) -> None:
    """Wait until somebody listens; raises TimeoutError."""
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(_LOOK_EVERY_S)
    raise TimeoutError(f"nobody listens on {port}")
