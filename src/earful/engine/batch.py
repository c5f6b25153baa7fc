"""Works that a batch model hears in one step. Plain state, owned by `batches.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from earful.engine.call import Call


class Batch:
    """Works that the model hears in one step."""

    __slots__ = ("abandoned", "calls", "started_s", "task", "wanted")

    def __init__(self, calls: list[Call], started_s: float) -> None:
        self.calls = calls
        self.started_s = started_s
        self.wanted = len(calls)
        """Works that somebody still waits for."""
        self.task: asyncio.Task[None] | None = None
        self.abandoned = False
        """Past its deadline, or nobody waits for any of it: what the model still says is not heard."""
