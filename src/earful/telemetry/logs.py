"""The log: structlog, JSON lines for machines and readable text on a terminal, one line an event.

Guarantees that foreign loggers (uvicorn's, asyncio's) come out in the same form, and that tracebacks
carry no local variables: speech is never logged. Built once by `app.py`; there is no global logger.
"""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol, TextIO

from earful.telemetry.outlet import Outlet

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from structlog.typing import Processor

_LOST_JSON = '{"event": "log lines dropped", "count": {count}, "level": "warning"}\n'
_LOST_TEXT = "log lines dropped: {count}\n"

Level = Literal["debug", "info", "warning", "error"]
Form = Literal["auto", "json", "text"]
_NUMBERS = {name.lower(): number for name, number in logging.getLevelNamesMapping().items()}


class Logger(Protocol):
    """What the parts that log are given: an event's fixed phrase, and its fields by name."""

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


class LogLevel:
    """The least level that a process logs, which may change while it runs."""

    def __init__(self, level: Level) -> None:
        """Begin with this one."""
        self._level = level

    @property
    def number(self) -> int:
        """As the standard library counts levels."""
        return _NUMBERS[self._level]

    def set(self, level: Level) -> Level:
        """Log from this level up, foreign loggers' lines too; the level until now."""
        old, self._level = self._level, level
        logging.getLogger().setLevel(self.number)
        return old

    def sift(self, _: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Drop an event below the level: structlog fixes a logger's own when it makes it."""
        if _NUMBERS[method] < self.number:
            raise _import_structlog().DropEvent
        return event


def open_log(
    level: LogLevel | Level = "info", form: Form = "auto", stream: TextIO | None = None, *, worker: int | None = None
) -> Logger:
    """A logger that writes to `stream` (default: stderr), and the standard library's root logger set to join it.

    Events are fixed phrases with fields: `log.info("session ended", session=..., reason=...)`. A `LogLevel` may be
    changed later. With `worker` each
    line, foreign ones too, says which worker wrote it.
    """
    structlog = _import_structlog()
    is_text = _is_text(form, stream or sys.stderr)
    outlet = Outlet(stream or sys.stderr, _LOST_TEXT if is_text else _LOST_JSON)
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([] if worker is None else [_naming(worker)]),
    ]
    last = _renderers(structlog, text=is_text, colors=outlet.isatty())
    level = level if isinstance(level, LogLevel) else LogLevel(level)
    _adopt_standard_loggers(structlog, outlet, level.number, shared, last)
    # bind() makes the real logger now; the proxy would build one again at each call.
    logger: Logger = structlog.wrap_logger(
        structlog.WriteLogger(outlet),
        processors=[level.sift, *shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    ).bind()
    return logger


def _naming(worker: int) -> Processor:
    """What adds the worker to a line."""

    def name(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["worker"] = worker
        return event

    return name


def _is_text(form: Form, stream: TextIO) -> bool:
    """Whether lines are for a reader."""
    return form == "text" or (form == "auto" and stream.isatty())


def _renderers(structlog: Any, *, text: bool, colors: bool) -> list[Processor]:
    """What makes a line of an event."""
    if text:
        console = structlog.dev
        return [console.ConsoleRenderer(colors=colors, exception_formatter=console.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]


def _adopt_standard_loggers(
    structlog: Any,
    outlet: Outlet,
    level: int,
    shared: list[Processor],
    last: list[Processor],
) -> None:
    """Send what goes to the standard library's loggers the same way, as `logger` and `event`."""
    handler = logging.StreamHandler(outlet)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)


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
