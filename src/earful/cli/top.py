"""`earful top`: all workers and their busiest sessions, live in a terminal until Ctrl-C.

A service that is away is shown as that, and looked at again. Where the output is no terminal, or with `once`, one
frame is printed. Called by `commands`.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from earful.cli.dashboard import Room, frame
from earful.cli.fleet import look

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERY_S = 1.0
_PIPE_WIDTH = 1000
"""No terminal, no edge: every column is there, and no line is broken."""
_AWAY = 1


def top(urls: Sequence[str], *, once: bool, most_sessions: int, console: Console | None = None) -> int:
    """Show the service at these addresses; the exit code of one frame is 1 where none of them answers."""
    console = console or Console(highlight=False)
    if once or not console.is_terminal:
        return _print_one(urls, most_sessions, console)
    with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False, screen=True) as live:
        while True:
            began = time.monotonic()
            seen = look(urls)
            live.update(frame(seen, most_sessions, time.time(), Room(*console.size)), refresh=True)
            time.sleep(max(0.0, EVERY_S - (time.monotonic() - began)))
    return 0


def _print_one(urls: Sequence[str], most_sessions: int, console: Console) -> int:
    seen = look(urls)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(frame(seen, most_sessions, time.time(), Room(console.width)))
    return 0 if any(one.health is not None for one in seen) else _AWAY
