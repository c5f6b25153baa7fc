"""What is logged and what is not: a level that can be changed while the server runs.

Guarantees that our own logger and the standard library's change together, and that libraries which handle what goes
over the wire never tell of it. `open_log` makes one; the operations' routes set it.
"""

from __future__ import annotations

import logging
from typing import Final, Literal, get_args

Level = Literal["debug", "info", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)

_NUMBERS: Final[dict[str, int]] = {level: logging.getLevelNamesMapping()[level.upper()] for level in LEVELS}
CARRIERS: Final = ("asyncio", "httpcore", "httpx", "redis", "urllib3", "uvicorn", "websockets")
"""Loggers of libraries whose lines below a warning may hold headers, addresses or what was sent."""
BLABBERS: Final = ("python_multipart",)
"""Those whose warnings do, too."""


def level_of(number: int) -> Level:
    """The level of the standard library's `number`, which may lie between ours or beyond them."""
    return next((level for level in reversed(LEVELS) if number >= _NUMBERS[level]), "debug")


class LogLevel:
    """The least level that is logged, of one process."""

    def __init__(self, level: Level = "info") -> None:
        """Begin with this one; the standard library's loggers have theirs with the first `set`."""
        self._level: Level = level
        self._number = _NUMBERS[level]

    def get(self) -> Level:
        """The level now."""
        return self._level

    def set(self, level: Level) -> Level:
        """Log from now on what is of this level or above, foreign loggers' lines too; gives the level until now."""
        old, self._level, self._number = self._level, level, _NUMBERS[level]
        logging.getLogger().setLevel(self._number)
        for name in CARRIERS:
            logging.getLogger(name).setLevel(max(self._number, logging.WARNING))
        for name in BLABBERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        return old

    def admits(self, level: str) -> bool:
        """Whether a line of this level is logged."""
        return _NUMBERS[level] >= self._number
