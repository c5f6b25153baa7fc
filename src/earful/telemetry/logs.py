"""The log: structlog, JSON lines for machines and readable text on a terminal, one line an event.

Guarantees that foreign loggers (uvicorn's, asyncio's) come out in the same form, that no value breaks a line, and that
tracebacks carry neither local variables nor what an exception says: speech is never logged. Built once a process, by
`server.py` or `app.py`; there is no global logger.
"""

from __future__ import annotations

import atexit
import logging
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, TextIO

from earful.telemetry.cleaning import clean, escape, told
from earful.telemetry.log_level import Level, LogLevel, level_of
from earful.telemetry.log_pipe import LogPipe, Unpiped
from earful.telemetry.log_rate import MOST, MOST_OF_SESSIONS, Kind, LogRate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

    from structlog.typing import Processor

    Line = MutableMapping[str, Any]
    WayOut = LogPipe | Unpiped

Form = Literal["auto", "json", "text"]
SETTLE_S = 1.0
"""How long a process that ends waits for its last lines to be taken."""
_NOWHERE = -1
"""A descriptor to which nothing can be written: all lines are dropped, and counted."""


class Logger(Protocol):
    """What the parts that log are given: an event's fixed phrase, and its fields by name."""

    @property
    def level(self) -> LogLevel:
        """What is logged, which may be changed."""
        ...

    @property
    def dropped(self) -> int:
        """Lines lost since the beginning, since nobody took them."""
        ...

    def debug(self, event: str, **fields: Any) -> Any:
        """For whoever looks into the program."""
        ...

    def info(self, event: str, **fields: Any) -> Any:
        """For whoever runs it: what happened."""
        ...

    def warning(self, event: str, **fields: Any) -> Any:
        """What may need a look."""
        ...

    def error(self, event: str, **fields: Any) -> Any:
        """What went wrong through a fault of ours or of the surroundings."""
        ...

    def exception(self, event: str, **fields: Any) -> Any:
        """The same, with the traceback of the exception being handled."""
        ...


class Log:
    """The `Logger` of a process, whose level can be changed."""

    def __init__(self, bound: Any, level: LogLevel, stream: WayOut, tell_last: Callable[[], None]) -> None:
        """Log by `bound`, a logger of structlog's that writes to `stream`; `tell_last` has a last word."""
        self._level = level
        self.debug, self.info, self.warning = bound.debug, bound.info, bound.warning
        self.error, self.exception = bound.error, bound.exception
        self._stream = stream
        self._tell_last = tell_last

    @property
    def level(self) -> LogLevel:
        """What is logged, which may be changed."""
        return self._level

    @property
    def dropped(self) -> int:
        """Lines lost since the beginning, since nobody took them."""
        return self._stream.dropped

    def close(self) -> None:
        """Wait for the last lines to be taken, at most `SETTLE_S`."""
        self._tell_last()
        atexit.unregister(self._stream.settle)  # It has waited.
        self._stream.settle(SETTLE_S)


def open_log(
    level: Level = "info", form: Form = "auto", stream: TextIO | LogPipe | None = None, *, worker: int | None = None
) -> Log:
    """A logger that writes to `stream`, and the standard library's root logger set to join it.

    By default that is a `LogPipe` onto stderr, on which nobody waits but the process at its end, for `SETTLE_S`.

    Events are fixed phrases with fields: `log.info("ready", model=..., load_ms=...)`. With `worker` each line, foreign
    ones too, says which worker wrote it.
    """
    structlog = _import_structlog()
    out = stream if isinstance(stream, LogPipe) else _way_out(stream or sys.stderr)
    switch, rate = LogLevel(level), LogRate()
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([] if worker is None else [_naming(worker)]),
    ]
    last = _renderers(structlog, text=_is_text(form, out), colors=out.isatty())
    _adopt_standard_loggers(structlog, out, shared, last, rate)
    switch.set(level)

    def admit(_: Any, level: Level, event: Line) -> Line:
        most = MOST_OF_SESSIONS if "session" in event else MOST
        if not switch.admits(level) or not rate.admits(Kind(level, event["event"]), most):
            raise structlog.DropEvent
        return event

    # bind() makes the real logger now; the proxy would build one again at each call.
    bound = structlog.wrap_logger(
        structlog.WriteLogger(out),
        processors=[admit, *shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    ).bind()

    def tell_left_out(*, is_last: bool = False) -> None:
        for kind, count in rate.take(is_last=is_last).items():
            getattr(bound, kind.level)("log lines left out", of=kind.event, count=count)

    out.on_pause = tell_left_out
    if isinstance(out, LogPipe):
        out.on_dropped = lambda count: bound.warning("log lines dropped", count=count)
    return Log(bound, switch, out, partial(tell_left_out, is_last=True))


def _way_out(stream: TextIO | None) -> WayOut:
    """A pipe onto the stream's descriptor; the stream itself where it has none. There may be no stderr at all."""
    if stream is None:
        return LogPipe(_NOWHERE)
    try:
        pipe = LogPipe(stream.fileno())
    except ValueError:  # io.UnsupportedOperation, or closed.
        return Unpiped(stream)
    atexit.register(pipe.settle, SETTLE_S)
    return pipe


def _naming(worker: int) -> Processor:
    """What adds the worker to a line."""

    def name(_: Any, __: str, event: Line) -> Line:
        event["worker"] = worker
        return event

    return name


def _is_text(form: Form, out: WayOut) -> bool:
    """Whether lines are for a reader."""
    return form == "text" or (form == "auto" and out.isatty())


def _renderers(structlog: Any, *, text: bool, colors: bool) -> list[Processor]:
    """What makes a line of an event."""
    first: list[Processor] = [structlog.processors.ExceptionRenderer(told), _step(clean)]
    if text:
        return [*first, _step(_block_last), _step(escape), structlog.dev.ConsoleRenderer(colors=colors)]
    return [*first, structlog.processors.JSONRenderer(default=str)]


def _step(change: Any) -> Processor:
    """A step of structlog's that looks at nothing but the event."""
    return lambda _, __, event: change(event)


def _block_last(event: Line) -> Line:
    """Have a traceback stand behind the line, as an exception's does."""
    if "traceback" in event:
        event["exception"] = event.pop("traceback")
    return event


def _adopt_standard_loggers(
    structlog: Any, out: WayOut, shared: list[Processor], last: list[Processor], rate: LogRate
) -> None:
    """Send what goes to the standard library's loggers the same way, as `logger` and `event`."""
    handler: logging.StreamHandler[Any] = logging.StreamHandler(out)
    handler.addFilter(lambda line: rate.admits(_kind_of(line), MOST))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], force=True)


def _kind_of(line: logging.LogRecord) -> Kind:
    """A foreign line's: where it comes from, not what it says."""
    return Kind(level_of(line.levelno), f"{line.name} ({line.module}:{line.lineno})")


def _import_structlog() -> Any:
    """Structlog, without the rich it would load: 25 ms of the start rather than 160."""
    with _hidden("rich"):
        import structlog
        import structlog.stdlib
    return structlog


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Make a module that nobody has loaded yet look as if it were not installed."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # what the import system takes for "not there"
    try:
        yield
    finally:
        del sys.modules[name]
