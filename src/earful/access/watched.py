"""A small file that may change while the server runs: what it says, read anew within about a second of a change.

Guarantees that a file which cannot be used changes nothing: what it said before holds, and the log says so once. One
that cannot be read now is tried again, or a key that was taken out would stay good for want of a descriptor.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Generic, TypeVar

from earful.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.telemetry.logs import Logger

T = TypeVar("T")

LOOK_EVERY_S = 1.0
MOST_BYTES = 1 << 20
"""Some 8,000 keys: read on the event loop in about 20 ms, once a change."""


class Watched(Generic[T]):
    """What one file says, as `read` understands it."""

    def __init__(
        self, file: str, read: Callable[[str], T], log: Logger, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read it; `read` raises ValueError in words fit for the log. Raises SettingsError where it cannot be used."""
        self._path = Path(file)
        self._read = read
        self._log = log
        self._clock = clock
        self._looked_at = clock()
        self._state: tuple[int, ...] | None = self._seen()
        self._told = ""
        try:
            self._value = self._load()
        except (OSError, ValueError) as fault:
            raise SettingsError(f"The file {file} of auth_options cannot be used: {_why(fault)}.") from None

    def value(self) -> T:
        """What it says, or said when it could last be used."""
        now = self._clock()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            seen = self._seen()
            if seen != self._state:
                self._reload(seen)
        return self._value

    def _reload(self, seen: tuple[int, ...]) -> None:
        """Read what was `seen`; that of what cannot be read is not known, so the next look reads again."""
        try:
            self._value = self._load()
        except OSError as fault:
            self._state = None
            self._tell(_why(fault))
        except ValueError as fault:
            self._state = seen
            self._tell(_why(fault), is_new=True)
        else:
            self._state, self._told = seen, ""
            self._log.info("access file is read anew", file=self._path.name)

    def _tell(self, why: str, *, is_new: bool = False) -> None:
        """Log why it is not usable, once for each change."""
        if is_new or why != self._told:
            self._log.warning("access file is not usable", file=self._path.name, error=why)
        self._told = why

    def _load(self) -> T:
        with open(self._path, "rb", opener=_at_once) as file:
            if not S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("it is no regular file")
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"it is longer than {MOST_BYTES} bytes")
        return self._read(content.decode("utf-8"))

    def _seen(self) -> tuple[int, ...]:
        """What changes with the file, also where another one is put in its place; empty where there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _at_once(file: str, flags: int) -> int:
    """Open it without waiting, as a named pipe would for somebody who writes: with the event loop, and for ever."""
    return os.open(file, flags | os.O_NONBLOCK)


def _why(fault: Exception) -> str:
    """Never what stands in the file: an exception may quote it."""
    if isinstance(fault, OSError):
        return fault.strerror or type(fault).__name__
    return "it is no UTF-8 text" if isinstance(fault, UnicodeDecodeError) else str(fault)
