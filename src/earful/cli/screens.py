"""Three ways to show a transcript while it grows: on a terminal, as text lines, as JSON lines.

Guarantees that only a terminal's output is ever rewritten. Used by `earful transcribe`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from rich.progress import Progress

_PARTIAL_WIDTH = 60


class Screen(Protocol):
    """Where a transcript appears; to be entered and left."""

    def show(self, message: dict[str, Any], text: str) -> None:
        """Show a server's message; `text` is the same as it came."""
        ...

    def progress(self, sent_ms: float) -> None:
        """Show how much audio was sent."""
        ...

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *_: object) -> None:
        """Leave what was shown standing."""
        ...


class JsonLines:
    """Every message, one a line, as it came."""

    def show(self, message: dict[str, Any], text: str) -> None:  # noqa: ARG002 - one of three screens
        """Print the message."""
        print(text, flush=True)

    def progress(self, sent_ms: float) -> None:
        """Show nothing."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""


class TextLines(JsonLines):
    """Finals with text, one a line, with their times."""

    def show(self, message: dict[str, Any], text: str) -> None:  # noqa: ARG002 - one of three screens
        """Print a final."""
        if is_spoken(message):
            print(line_of(message), flush=True)


class Terminal:
    """Finals above a bar that shows how far the audio is and what is being heard."""

    def __init__(self, duration_ms: float | None) -> None:
        """Take the recording's length in ms, where it is known."""
        self._bar = _progress()
        self._task = self._bar.add_task("", total=duration_ms, heard="", clock=clock(0))
        self._heard = ""

    def show(self, message: dict[str, Any], text: str) -> None:  # noqa: ARG002 - one of three screens
        """Print a final above the bar, a partial beside it."""
        if message["type"] == "partial":
            self._heard += message["text"]
        elif message["type"] in {"final", "started"}:
            self._heard = ""  # What was heard of it comes again, after `started`.
            if is_spoken(message):
                self._bar.console.print(line_of(message), markup=False, highlight=False)
        self._bar.update(self._task, heard=self._heard[-_PARTIAL_WIDTH:].strip(), refresh=True)

    def progress(self, sent_ms: float) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=sent_ms, clock=clock(sent_ms), refresh=True)

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away; the finals stay."""
        self._bar.stop()


def is_spoken(message: dict[str, Any]) -> bool:
    """Whether a message is a final with text."""
    return message["type"] == "final" and bool(message["text"])


def line_of(final: dict[str, Any]) -> str:
    """A final for a reader: `[0:00.1 - 0:03.2] text`, with an en dash; without times where it has none."""
    if "start_ms" not in final:
        return str(final["text"])
    return f"[{clock(final['start_ms'])} \N{EN DASH} {clock(final['end_ms'])}] {final['text']}"


def clock(ms: float) -> str:
    """Minutes, seconds and tenths."""
    tenths = round(ms / 100)
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _progress() -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn

    # Drawn when something changes, so no thread is needed.
    return Progress(
        BarColumn(bar_width=24),
        TextColumn("{task.fields[clock]}", markup=False),
        TextColumn("{task.fields[heard]}", style="italic", markup=False),
        auto_refresh=False,
        transient=True,
    )
