"""One piece of work on its way through a model, and the lane it takes. Plain state, owned by the engine's runner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from earful.engine.batch import Batch
from earful.models.types import Outcome, SessionInfo, Work

if TYPE_CHECKING:
    from earful.models.base import ASRModel

Deliver = Callable[[Work, Outcome], None]
"""Takes what became of a work: once, on the loop, never from inside `submit`."""


class Lane:
    """What the model remembers of one utterance at a time, and the call it is busy with.

    A plain model remembers in an object of the lane's own (`model`), a batch model in `memory`.
    """

    __slots__ = ("call", "given_up", "info", "memory", "model", "opened", "suspect")

    def __init__(self, info: SessionInfo) -> None:
        self.info = info
        self.model: ASRModel | None = None
        self.opened = False
        self.memory: Any = None
        self.suspect = False
        """Its last step raised, though it ran alone: until one succeeds it shares no batch with others."""
        self.call: Call | None = None
        self.given_up = False
        """Left to a call past its deadline: should that call go on, it has an object nobody else uses."""


class Call(Struct, eq=False):
    """One work with the model, under one deadline: a task of its own, or a place in a batch.

    A struct, because one is made for every chunk and a class of Python's takes twice as long.
    """

    lane: Lane
    work: Work
    deliver: Deliver
    alone: bool = False
    """It must have a batch to itself."""
    since_s: float = 0.0
    """When it was started (a task of its own), or handed in (for a batch)."""
    task: asyncio.Task[None] | None = None
    batch: Batch | None = None
    settled: bool = False
    """Nobody waits for it any more: answered, given up, or its session is gone."""
