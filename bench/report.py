"""What a script here has to say: a small table, one line of JSON, an exit code. Used by all of them."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine

Figure = float | int | str


class Report:
    """Figures by name, each with what was promised where something was."""

    def __init__(self, name: str) -> None:
        """`name` is the script's."""
        self.name = name
        self._rows: list[tuple[str, Figure, str, bool]] = []

    def note(self, name: str, figure: Figure) -> None:
        """A figure that nothing depends on."""
        self._rows.append((name, figure, "", True))

    def claim(self, name: str, figure: Figure, promised: str, *, holds: bool) -> None:
        """A figure and what was promised of it."""
        self._rows.append((name, figure, promised, holds))

    def most(self, name: str, figure: float, bound: float) -> None:
        """A figure that must not be above its bound."""
        self.claim(name, figure, f"at most {bound:g}", holds=figure <= bound)

    def equal(self, name: str, figure: Figure, wanted: Figure) -> None:
        """A figure that must be exactly so."""
        self.claim(name, figure, f"exactly {wanted}", holds=figure == wanted)

    def finish(self) -> int:
        """Print everything; the exit code: 0 where every claim holds."""
        failed = [name for name, _, _, holds in self._rows if not holds]
        width = max(len(name) for name, *_ in self._rows)
        for name, figure, promised, holds in self._rows:
            verdict = "" if not promised else f"  {promised}" + ("" if holds else "   <-- FAILS")
            print(f"  {name:<{width}}  {figure!s:>12}{verdict}")
        figures = {name: figure for name, figure, _, _ in self._rows}
        print(json.dumps({"bench": self.name, "holds": not failed, "failed": failed, "figures": figures}))
        return 1 if failed else 0


def progress(text: str) -> None:
    """Tell whoever waits what is going on."""
    print(f"{text} ...", file=sys.stderr, flush=True)


def run(script: Coroutine[None, None, int]) -> int:
    """Run a script's coroutine, on uvloop where there is one; its exit code."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(script)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(script)
