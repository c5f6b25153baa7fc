"""How far several recordings are: bars on stderr where that is a terminal, else nothing but what is said.

Guarantees that stdout is left alone, and that sentences do not tear bars. Used by `batch.py`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from earful.cli.phrases import printable
from earful.cli.screens import clock

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME_WIDTH = 40


class Bars:
    """One for all recordings, one for each that is under way; to be entered and left."""

    def __init__(self, recordings: int) -> None:
        """Nothing is done yet of so many."""
        self._console = Console(file=sys.stderr, soft_wrap=True)
        # Drawn when something changes, so no thread is needed.
        self._bars = Progress(
            TextColumn("{task.fields[name]}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[told]}", markup=False),
            console=self._console,
            auto_refresh=False,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._recordings = recordings
        self._done = 0
        self._all = self._bars.add_task("", total=recordings, name="", told=f"0 of {recordings}")

    def __enter__(self) -> Self:
        """Show them."""
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take them away; what was said stays."""
        self._bars.stop()

    def say(self, sentence: str) -> None:
        """Say something above them, in part perhaps a server's words."""
        self._console.print(printable(sentence), markup=False, highlight=False)

    def begin(self, name: str) -> TaskID:
        """Show another one."""
        short = name if len(name) <= _NAME_WIDTH else f"...{name[-_NAME_WIDTH + 3 :]}"
        return self._bars.add_task("", total=None, name=short, told="")

    def mover(self, bar: TaskID, duration_ms: float | None) -> Callable[[float], None]:
        """What moves it to so many ms of the recording's, where its length is known."""
        self._bars.update(bar, total=duration_ms)
        return lambda ms: self._bars.update(bar, completed=ms, told=clock(ms), refresh=True)

    def end(self, bar: TaskID) -> None:
        """Take it away, and count it."""
        self._done += 1
        self._bars.remove_task(bar)
        self._bars.update(self._all, completed=self._done, told=f"{self._done} of {self._recordings}", refresh=True)
