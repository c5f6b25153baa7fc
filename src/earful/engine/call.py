"""One piece of work on its way through a model object, and the lane it takes. Plain state, owned by the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from earful.models.types import Outcome, SessionInfo, Work

if TYPE_CHECKING:
    import asyncio

    from earful.models.base import ASRModel

Deliver = Callable[[Work, Outcome], None]
"""Takes what became of a work: once, on the loop, never from inside `submit`."""


class Lane:
    """One model object of a session, or the place for it, and the call it is busy with."""

    __slots__ = ("call", "given_up", "info", "model", "opened")

    def __init__(self, info: SessionInfo) -> None:
        self.info = info
        self.model: ASRModel | None = None
        self.opened = False
        self.call: Call | None = None
        self.given_up = False
        """Left to a call past its deadline: should that call go on, it has an object nobody else uses."""


class Call:
    """One work with the model: `transcribe_chunk`, `finalize` or both, under one deadline."""

    __slots__ = ("deliver", "lane", "settled", "started_s", "task", "work")

    def __init__(self, lane: Lane, work: Work, deliver: Deliver) -> None:
        self.lane = lane
        self.work = work
        self.deliver = deliver
        self.started_s = 0.0
        self.task: asyncio.Task[None] | None = None
        self.settled = False
        """Nobody waits for it any more: answered, given up, or its session is gone."""
