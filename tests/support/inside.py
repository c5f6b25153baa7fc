"""The real server in a thread of this process, over real sockets, with its registry and engine at hand.

Guarantees that the thread is gone when the scope ends, and fails the test where the server logged
trouble nobody expected. For tests that must look inside; others use `tests.support.server`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import uvloop
from tests.support.kept import keep_events
from tests.support.server import BESIDE_TESTS, UNHURRIED, Address, await_true

from earful.app import Service, build
from earful.listening import bind, bind_ops
from earful.server import Server
from earful.settings import Settings
from earful.telemetry.log_level import LogLevel

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from contextlib import AbstractContextManager

    from earful.service.admission import Doorkeeper
    from earful.service.connection import Connection

T = TypeVar("T")

WITHIN_S = 30.0


class Record:
    """A log that keeps what it is told; several threads may wait for its events."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.level = LogLevel("debug")
        self.dropped = 0
        self._news = threading.Condition()

    def debug(self, event: str, **fields: Any) -> None:
        """Keep it."""
        self._add("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Keep it."""
        self._add("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Keep it."""
        self._add("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Keep it."""
        self._add("error", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Keep it, as an error."""
        self._add("error", event, fields)

    def all_of(self, event: str) -> list[dict[str, Any]]:
        """The events of one name, in order."""
        return [line for line in tuple(self.events) if line["event"] == event]

    def wait_for(self, event: str, number: int = 1, within_s: float = WITHIN_S) -> dict[str, Any]:
        """Wait until there are as many of them; the last of these."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.all_of(event)) >= number, within_s), (
                f"no {event}: {self.events}"
            )
        return self.all_of(event)[number - 1]

    def _add(self, level: str, event: str, fields: dict[str, Any]) -> None:
        with self._news:
            self.events.append({"level": level, "event": event, **fields})
            self._news.notify_all()


class Threaded(Server):
    """The server as it is, but for the signals: those belong to the main thread."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # a context manager all the same
        """Leave them alone."""
        return nullcontext()


class Inside:
    """A server at work in a thread: its parts, its address, its log."""

    def __init__(self, service: Service, server: Server, log: Record, port: int, ops_port: int | None) -> None:
        self.service = service
        self.server = server
        self.log = log
        self.address = Address(port)
        self.ops = self.address if ops_port is None else Address(ops_port)
        """Where the operations routes are."""
        self.loop: asyncio.AbstractEventLoop | None = None

    def call(self, function: Callable[[], T]) -> T:
        """Run `function` on the server's loop; what it returns."""
        assert self.loop is not None
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except Exception as error:  # noqa: BLE001 - the caller gets it
                future.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return future.result(WITHIN_S)

    @property
    def connection(self) -> Connection:
        """The only session's connection, once the loop has come to it: the client may know of it earlier."""
        return self.call(lambda: next(iter(self.service.registry.connections.values())))

    @property
    def tasks(self) -> int:
        """Tasks of the server's loop."""
        return self.call(lambda: len(asyncio.all_tasks()))

    def await_empty(self, tasks: int, within_s: float = 10.0) -> None:
        """Wait until no session is left, no slot taken, no call under way, and the tasks are as many as before."""
        registry, engine = self.service.registry, self.service.engine

        def is_empty() -> bool:
            left = (len(registry.connections), registry.taken, engine.in_flight, engine.waiting, engine.orphans)
            return not any(left) and len(asyncio.all_tasks()) <= tasks

        await_true(lambda: self.call(is_empty), within_s)


@contextmanager
def inside(
    *,
    allowed: Collection[str] = (),
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
    doorkeeper: Doorkeeper | None = None,
    **settings: object,
) -> Iterator[Inside]:
    """Run a server in a thread on a free port with these settings until the scope ends, then drain it.

    `allowed` are events of warnings and errors that belong to the test.
    """
    record = Record()
    loaded = Settings.load({"port": 0, "drain_s": 2.0, **UNHURRIED, **settings}, {})
    with bind(loaded) as listener, bind_ops(loaded) or nullcontext() as ops_listener, _overheard(record):
        service = build(loaded, record, lambda: None, doorkeeper=doorkeeper)
        server = Threaded(service, ops_listener)
        ops_port = None if ops_listener is None else ops_listener.getsockname()[1]
        here = Inside(service, server, record, listener.getsockname()[1], ops_port)

        async def serve() -> None:
            here.loop = asyncio.get_running_loop()
            await server.serve([listener])

        def run() -> None:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(serve())

        thread = threading.Thread(target=run, name="server")
        thread.start()
        try:
            record.wait_for("ready")
            yield here
        finally:
            server.stop()
            thread.join(WITHIN_S)
            keep_events(record.events)
        assert not thread.is_alive()
    expected = {*allowed, *BESIDE_TESTS}
    trouble = [
        line for line in record.events if line["level"] in {"warning", "error"} and line["event"] not in expected
    ]
    assert not trouble, trouble


@contextmanager
def _overheard(record: Record) -> Iterator[None]:
    """Note also what uvicorn and asyncio warn of."""

    class Overhearing(logging.Handler):
        def emit(self, line: logging.LogRecord) -> None:
            record.warning(line.getMessage(), logger=line.name)

    handler = Overhearing(logging.WARNING)
    loggers = [logging.getLogger(name) for name in ("uvicorn", "asyncio")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
