"""Where every thread of the process stands: taken now, or at the moment of a signal, by C code alone.

Guarantees that a signal's stacks are those of its moment, whoever holds the interpreter's lock, and that files, lines
and names of functions are all there is in them: never a value. Used by `watchdog.py`.
"""

from __future__ import annotations

import faulthandler
import os
import re
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from signal import Signals

MOST_CALLS = 30
_MOST_BYTES = 1 << 16
"""What a pipe holds; nothing is waited for where it is full."""
_THREAD = re.compile(r"(?:Current t|T)hread 0x([0-9a-f]+)")
_PLACE = re.compile(r'  File "(.*)", line (\d+|\?\?\?) in (.*)')

Places = dict[str, list[str]]
"""By the thread's name its calls as `file:line function`, the innermost first."""


def stacks() -> Places:
    """Of all threads but the one that asks."""
    with _pipe() as (reading, writing):
        faulthandler.dump_traceback(writing, all_threads=True)
        places = places_in(_read(reading))
    places.pop(threading.current_thread().name, None)
    return places


class SignalledStacks:
    """What a signal had written, until it is taken."""

    def __init__(self, number: Signals) -> None:
        """Of this signal; it is not listened for yet."""
        self._number = number
        self._reading: int | None = None
        self._dump = b""

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Have the signal write the stacks while the scope lasts, and do nothing else."""
        with _pipe() as (reading, writing):
            self._reading = reading
            faulthandler.register(self._number, file=writing, all_threads=True, chain=False)
            try:
                yield
            finally:
                faulthandler.unregister(self._number)
                self._reading = None

    def take(self) -> Places | None:
        """The stacks of a signal, once nothing is added to them any more; else None. To be asked again and again."""
        added = self._added()
        dump, self._dump = self._dump, self._dump + added
        if not dump or (added and len(dump) < _MOST_BYTES):
            return None
        self._dump = b""
        return places_in(dump)

    def take_now(self) -> Places | None:
        """The same, for a signal that must have come a while ago."""
        dump, self._dump = self._dump + self._added(), b""
        return places_in(dump) if dump else None

    def _added(self) -> bytes:
        return b"" if self._reading is None else _read(self._reading)


def places_in(dump: bytes) -> Places:
    """The first of what faulthandler wrote, by the names of the threads that still live; others by their number."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    found: Places = {}
    seen: set[int] = set()
    places: list[str] = []
    for line in dump.decode(errors="replace").splitlines():
        if thread := _THREAD.match(line):
            ident = int(thread[1], 16)
            if ident in seen:
                break  # The signal came again.
            seen.add(ident)
            name = names.get(ident, f"thread {ident:#x}")
            if name in found:
                name = f"{name} {ident:#x}"
            places = found[name] = []
        elif place := _PLACE.match(line):
            path, number, function = place.groups()
            places.append(f"{'/'.join(Path(path).parts[-2:])}:{number} {function}")
    return found


def as_text(places: Places) -> str:
    """A line a thread and, indented, one a call; the main thread first, for a log may cut what is long."""
    threads = sorted(places, key=lambda name: name != threading.main_thread().name)
    return "\n".join(
        line for name in threads for line in (name, *(f"  {place}" for place in places[name][:MOST_CALLS]))
    )


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    """Both ends, of which none waits for the other."""
    ends = os.pipe()
    try:
        for end in ends:
            os.set_blocking(end, False)
        yield ends
    finally:
        for end in ends:
            os.close(end)


def _read(end: int) -> bytes:
    try:
        return os.read(end, _MOST_BYTES)
    except BlockingIOError:
        return b""
